/** @file `writeReference`: the library's API as a static site, by TypeDoc. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import katex from "@vscode/markdown-it-katex";
import { build } from "esbuild";
import { Application } from "typedoc";
import { addHeaders, folders } from "./headers.ts";
import { GENERATOR, ReferenceTheme } from "./theme.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Writes the site into `out`, beside which it is built, so that an interruption leaves what was there before.
 *
 * @returns the path of its first page, and the number of its pages
 * @throws Error for a warning of TypeDoc's, which it has printed, and for an `out` that is something else
 */
export async function writeReference(out: string): Promise<{ index: string; pages: number }> {
  const target = resolve(out);
  await refuseOthers(target);
  const app = await Application.bootstrap({
    name: "lowrank",
    // The whole stands last: a name belongs to the entry that declares it, and is only mentioned there.
    entryPoints: [...folders.slice(1), ""].map((folder) => join(root, folder, "index.ts")),
    tsconfig: join(root, "tsconfig.json"),
    basePath: root,
    readme: "none",
    disableGit: true,
    sourceLinkTemplate: "{path}", // is not used: the theme links a name to the page of its file
    skipErrorChecking: true, // npm run typecheck does it
    excludePrivate: true,
    excludeInternal: true,
    includeVersion: true,
    hideGenerator: true,
    githubPages: false,
    headings: { readme: false, document: true },
    useFirstParagraphOfCommentAsSummary: true,
    treatWarningsAsErrors: true,
    // A public signature may name types that only its file knows; their names say what they are.
    validation: { notExported: false, invalidLink: true, invalidPath: true, rewrittenLink: true },
    markdownItLoader: (markdown) => {
      // A CommonJS module whose types promise an ES module.
      markdown.use((katex as unknown as { default: typeof katex }).default);
    },
    groupOrder: [
      "Guides",
      "Modules",
      "Files",
      "Classes",
      "Functions",
      "Variables",
      "Interfaces",
      "Type Aliases",
      "Constructors",
      "Properties",
      "Accessors",
      "Methods",
      "*",
    ],
    navigation: { includeCategories: false, includeGroups: false },
  });
  app.options.setValue("blockTags", [...app.options.getValue("blockTags"), "@file"]);
  app.options.setValue("theme", "reference");
  app.renderer.defineTheme(
    "reference",
    class extends ReferenceTheme {
      override notebooks = notebooksFrom(target);
    },
  );
  addHeaders(app, root);

  const project = await app.convert();
  if (!project) throw new Error("TypeDoc could not read the sources");
  app.validate(project);
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(`${target}-`);
  try {
    await app.generateDocs(project, folder);
    await writeStyle(folder);
    const { errorCount, warningCount } = app.logger;
    if (errorCount + warningCount > 0) {
      throw new Error(`${errorCount + warningCount} warnings, above; none may be`);
    }
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const pages = (await readdir(target, { recursive: true })).filter((file) => file.endsWith(".html")).length;
  return { index: join(target, "index.html"), pages };
}

/** The way from `folder` to the gallery, if `npm run gallery` has written it. */
function notebooksFrom(folder: string): string | undefined {
  const gallery = join(root, "gallery/index.html");
  return existsSync(gallery) ? relative(folder, gallery).split(sep).join("/") : undefined;
}

async function refuseOthers(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const index = await readFile(join(folder, "index.html"), "utf8").catch(() => "");
  if (!index.includes(`content="${GENERATOR}"`)) {
    throw new Error(`${folder}: exists and is no API reference; name another folder, or remove it`);
  }
}

/** One stylesheet after TypeDoc's own, with the fonts that it names. */
async function writeStyle(folder: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("style.css", import.meta.url))],
    outfile: join(folder, "assets/reference.css"),
    bundle: true,
    minify: true,
    logLevel: "warning",
    assetNames: "fonts/[name]",
    loader: { ".woff2": "file", ".woff": "empty", ".ttf": "empty" },
  });
}
