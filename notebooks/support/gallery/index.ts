/** @file `writeGallery`: writes executed notebooks as a static site, which works from a folder, without a network. */
import { access, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { inStory } from "../notebook/story.ts";
import { NotebookError } from "../terminal/errors.ts";
import { createEntry, type Entry } from "./entry.ts";
import { readNotebook } from "./notebook.ts";
import { GENERATOR, indexPage, notebookPage } from "./page.ts";
import { createRenderer } from "./prose.ts";

export interface GalleryOptions {
  /** Paths of `.ipynb` files. */
  readonly notebooks: readonly string[];
  /** The folder to write. An earlier gallery there is replaced; a folder with anything else is refused. */
  readonly out: string;
  /** The first page of the API reference, to which the index links. @default no link */
  readonly reference?: string;
  /** The page of the live lab, to which the index links. @default no link */
  readonly lab?: string;
}

/**
 * Writes a site with an index and a page for each notebook, and returns the path of its `index.html`. The site is built
 * beside `out` and moved there at the end, so an interruption leaves the earlier gallery as it was.
 *
 * @throws NotebookError for a file that is not a notebook, and for an `out` that holds anything but a gallery
 */
export async function writeGallery({ notebooks, out, reference, lab }: GalleryOptions): Promise<string> {
  if (notebooks.length === 0) throw new NotebookError("gallery: no notebooks; npm start writes them");
  const target = resolve(out);
  await refuseOthers(target);
  const renderer = await createRenderer();
  const read = await Promise.all(notebooks.map(readNotebook));
  const entries = read
    .map((notebook) => createEntry(notebook, renderer))
    .sort((a, b) => inStory(a.name, b.name));

  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(`${target}-`);
  try {
    await writeStyle(folder);
    for (const [i, entry] of entries.entries()) {
      const files = await copyFiles(entry, folder);
      const page = notebookPage(entry, files, { previous: entries[i - 1], next: entries[i + 1] });
      await writeFile(join(folder, `${entry.name}.html`), page.text);
    }
    const link = (page?: string): string | undefined =>
      page && relative(target, resolve(page)).split(sep).join("/");
    const links = { reference: link(reference), lab: link(lab) };
    await writeFile(join(folder, "index.html"), indexPage(entries, links).text);
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return join(target, "index.html");
}

/** @throws NotebookError if `folder` exists and holds anything but a gallery */
async function refuseOthers(folder: string): Promise<void> {
  if (!(await exists(folder))) return;
  const index = await readFile(join(folder, "index.html"), "utf8").catch(() => "");
  if (!index.includes(`content="${GENERATOR}"`)) {
    throw new NotebookError(`${folder}: exists and is no gallery; name another folder, or remove it`);
  }
}

/** Writes one stylesheet, including everything that it imports, the fonts, and the script. */
async function writeStyle(folder: string): Promise<void> {
  await copyFile(fileURLToPath(new URL("style/page.js", import.meta.url)), join(folder, "page.js"));
  await build({
    entryPoints: [fileURLToPath(new URL("style.css", import.meta.url))],
    outfile: join(folder, "style.css"),
    bundle: true,
    minify: true,
    logLevel: "warning",
    assetNames: "fonts/[name]",
    loader: { ".woff2": "file", ".woff": "empty", ".ttf": "empty" },
  });
}

/** Copies the notebook, and its source if it lies beside it, to `files/`; returns the paths. */
async function copyFiles({ path, name }: Entry, folder: string): Promise<string[]> {
  await mkdir(join(folder, "files"), { recursive: true });
  const files: string[] = [];
  for (const file of [join(dirname(path), `${name}.ts`), path]) {
    if (!(await exists(file))) continue;
    files.push(`files/${basename(file)}`);
    await copyFile(file, join(folder, files.at(-1)!));
  }
  return files;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
