/** @file The library's lines that the page shows, taken from the sources and coloured, with the lines that count marked. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { html } from "../../support/gallery/html.ts";
import type { Renderer } from "../../support/gallery/prose.ts";
import { NotebookError } from "../../support/terminal/errors.ts";
import type { Excerpt } from "../page/lines.ts";

const ROOT = new URL("../../../", import.meta.url);

/** The lines of an excerpt, without the indentation that they share. */
export interface Cut {
  readonly lines: readonly string[];
  /** Number of the first line in the file, from 1. */
  readonly from: number;
  /** Which of `lines` are marked. */
  readonly marked: ReadonlySet<number>;
}

/**
 * Cuts an excerpt out of its file.
 *
 * @throws NotebookError when the file is not there, or a mark is in no line or in several
 */
export function cut({ file, mark, before = 0, after = 0 }: Excerpt): Cut {
  let lines: string[];
  try {
    lines = readFileSync(fileURLToPath(new URL(file, ROOT)), "utf8").split("\n");
  } catch {
    throw new NotebookError(`lab: expected a file of the repository; got "${file}"`);
  }
  const at = mark.map((part) => {
    const found = [...lines.keys()].filter((i) => lines[i].includes(part));
    if (found.length !== 1)
      throw new NotebookError(`lab: expected one line of ${file} with "${part}"; found ${found.length}`);
    return found[0];
  });
  const from = Math.max(0, Math.min(...at) - before);
  const shown = lines.slice(from, Math.max(...at) + after + 1);
  const indent = Math.min(...shown.filter((line) => line.trim() !== "").map((line) => line.search(/\S/)));
  return {
    lines: shown.map((line) => line.slice(indent)),
    from: from + 1,
    marked: new Set(at.map((i) => i - from)),
  };
}

/** The excerpt as `<pre class="shiki">`, with `<span class="line marked">` for the marked lines. */
export function excerptHtml(excerpt: Excerpt, renderer: Renderer): string {
  const { lines, from, marked } = cut(excerpt);
  const place = `${excerpt.file}, lines ${from} to ${from + lines.length - 1}`;
  let line = 0;
  return renderer
    .code(lines.join("\n"))
    .text.replace(/<span class="line">/g, (tag) => (marked.has(line++) ? '<span class="line marked">' : tag))
    .replace("<pre ", html`<pre data-place="${place}" `.text);
}
