/** @file `writeLab`: writes the lab as one file, which works from a folder, without a network. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createRenderer } from "../../support/gallery/prose.ts";
import { NotebookError } from "../../support/terminal/errors.ts";
import type { Sources } from "../page/data.ts";
import { lines } from "../page/lines.ts";
import { toyLines } from "../page/toys/lines.ts";
import { type PackedRun, unpackRun } from "../stored/codec.ts";
import { baseFiles, labTexts } from "../texts/files.ts";
import { bundleScript, bundleStyle } from "./bundle.ts";
import { GENERATOR, labDocument } from "./document.ts";
import { excerptHtml } from "./excerpts.ts";
import { stillPage } from "./still.ts";

/** The run that the page shows before it has computed anything. */
const STORED = new URL("../stored/run.json", import.meta.url);

/**
 * Writes `index.html` into the folder `out`, and returns its path.
 *
 * @throws NotebookError when the folder has an index.html that is no lab
 */
export async function writeLab(out: string): Promise<string> {
  const folder = resolve(out);
  const path = join(folder, "index.html");
  await refuseOthers(path);
  const [style, page, worker, renderer] = await Promise.all([
    bundleStyle(),
    bundleScript("page"),
    bundleScript("worker"),
    createRenderer(),
  ]);
  const sources = Object.fromEntries(
    Object.entries({ ...lines, ...toyLines }).map(([key, excerpt]) => [key, excerptHtml(excerpt, renderer)]),
  ) as Sources;
  const { weights, ...files } = baseFiles();
  const stored = JSON.parse(await readFile(STORED, "utf8")) as PackedRun;
  const texts = labTexts();
  const document = labDocument({
    style,
    page,
    early: { stored, sources, texts },
    late: { worker, weights, base: JSON.stringify(files) },
    still: stillPage({ stored: unpackRun(stored), sources, texts }),
  });
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.part`, document.text); // so that an interruption leaves the earlier file as it was
  await rename(`${path}.part`, path);
  return path;
}

/** @throws NotebookError if there is a file that is no lab */
async function refuseOthers(path: string): Promise<void> {
  const there = await readFile(path, "utf8").catch(() => "");
  if (there !== "" && !there.includes(`content="${GENERATOR}"`))
    throw new NotebookError(`${path}: exists and is no lab; name another folder, or remove it`);
}
