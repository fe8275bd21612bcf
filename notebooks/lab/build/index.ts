/** @file `writeLab`: writes the lab as one file, which works from a folder, without a network. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { html } from "../../support/gallery/html.ts";
import { createRenderer } from "../../support/gallery/prose.ts";
import { NotebookError } from "../../support/terminal/errors.ts";
import { lines } from "../page/lines.ts";
import { bundleScript, bundleStyle } from "./bundle.ts";
import { GENERATOR, labDocument } from "./document.ts";
import { excerptHtml } from "./excerpts.ts";
import { readTexts } from "./texts.ts";

/**
 * Writes `index.html` into the folder `out`, and returns its path.
 *
 * @throws NotebookError when the folder has an index.html that is no lab
 */
export async function writeLab(out: string): Promise<string> {
  const folder = resolve(out);
  const path = join(folder, "index.html");
  await refuseOthers(path);
  const [style, page, worker, renderer, base, texts] = await Promise.all([
    bundleStyle(),
    bundleScript("entry.ts"),
    "", // until there is one
    createRenderer(),
    readBase(),
    readTexts(),
  ]);
  const sources = Object.fromEntries(
    Object.entries(lines).map(([key, excerpt]) => [key, excerptHtml(excerpt, renderer)]),
  );
  const document = labDocument({
    style,
    page,
    worker,
    early: { stored: {}, sources, texts },
    late: { base },
    still: html``,
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

/** The files of the base `english`, as `BaseFiles` with the weights in base64. */
async function readBase(): Promise<Record<string, string>> {
  const file = (name: string, encoding: BufferEncoding = "utf8"): Promise<string> =>
    readFile(fileURLToPath(new URL(`../../bases/english/${name}`, import.meta.url)), encoding);
  const [config, weights, tokenizer, tokenizerConfig] = await Promise.all([
    file("config.json"),
    file("model.safetensors", "base64"),
    file("tokenizer.json"),
    file("tokenizer_config.json"),
  ]);
  return { config, weights, tokenizer, tokenizerConfig };
}
