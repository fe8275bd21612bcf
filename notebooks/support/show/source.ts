/** @file `libraryLines`: lines of the library's own sources, read when the page is made, so that they are never retyped. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NotebookError } from "../terminal/errors.ts";
import type { Displayable } from "./display.ts";

const ROOT = new URL("../../../", import.meta.url);

/**
 * The lines of `file` from the first one that contains `first` to the next one that contains `last`, as a code block
 * under the file's name.
 *
 * @param file path in the repository, "lora/lora.ts"
 * @param last @default `first`, for a single line
 * @example display(libraryLines("lora/lora.ts", "const y = "));
 * @throws NotebookError if the file or the lines are not there
 */
export function libraryLines(file: string, first: string, last: string = first): Displayable {
  let lines: string[];
  try {
    lines = readFileSync(fileURLToPath(new URL(file, ROOT)), "utf8").split("\n");
  } catch {
    throw new NotebookError(`libraryLines: expected a file of the repository; got "${file}"`);
  }
  const from = lines.findIndex((line) => line.includes(first));
  const to = lines.findIndex((line, i) => i >= from && line.includes(last));
  if (from < 0 || to < 0)
    throw new NotebookError(`libraryLines: ${file} has no line with "${from < 0 ? first : last}"`);
  const shown = lines.slice(from, to + 1);
  const indent = Math.min(...shown.filter((line) => line.trim() !== "").map((line) => line.search(/\S/)));
  const code = shown.map((line) => line.slice(indent)).join("\n");
  const place = from === to ? `line ${from + 1}` : `lines ${from + 1} to ${to + 1}`;
  const text = `\`${file}\`, ${place}:\n\n\`\`\`ts\n${code}\n\`\`\``;
  return { toMime: () => ({ "text/markdown": text, "text/plain": `${file}, ${place}:\n${code}` }) };
}
