/**
 * @file Parses the percent format of Jupytext and editors: a notebook that is a plain TypeScript file.
 *
 *     // %% [markdown]            a cell of prose: every line a `//` comment
 *     // # LoRA
 *
 *     // %% Counting parameters   a cell of code, here with a title
 *     const rank = 8;
 *
 * A cell ends where the next marker begins. Markers stand in the first column, outside any block or template literal.
 * Leave a blank line between a marker and an import: the formatter sorts imports together with the comments directly
 * above them, and would move the marker.
 */
import { NotebookError } from "../terminal/errors.ts";

export interface Cell {
  readonly type: "markdown" | "code";
  /** Text after `%%` on the marker line; may be empty. */
  readonly title: string;
  /** Prose without comment signs, or code unchanged; without blank lines at either end. */
  readonly source: string;
  /** The line of the file on which the marker stands, counted from 1. */
  readonly line: number;
}

const MARKER = /^\/\/ ?%%(?!%)(.*)$/;
const MARKDOWN = /\[(?:markdown|md)\]/;

/** The cells of a notebook. @throws NotebookError, with the line, if the text is not in the percent format */
export function parsePercent(text: string, file = "notebook"): Cell[] {
  const lines = text.split(/\r?\n/);
  const starts = lines.flatMap((line, index) => (MARKER.test(line) ? [index] : []));
  if (starts.length === 0)
    throw new NotebookError(`${file}: no cell found; a cell begins with a line "// %%"`);

  const stray = lines.findIndex((line) => line.trim() !== "");
  if (stray < starts[0]) {
    throw new NotebookError(`${file}:${stray + 1}: text before the first cell; put a line "// %%" above it`);
  }
  return starts.map((start, index) => {
    const heading = MARKER.exec(lines[start])![1];
    const body = lines.slice(start + 1, starts[index + 1]);
    const type = MARKDOWN.test(heading) ? "markdown" : "code";
    const source = type === "code" ? body : uncomment(body, file, start + 2);
    return {
      type,
      title: heading.replace(MARKDOWN, "").trim(),
      source: trimBlankLines(source),
      line: start + 1,
    };
  });
}

/**
 * The same program with a call `enterCell(index)` in each marker line, which tells the runner the current cell.
 * `sessionUrl` exports `enterCell`. No line is added, so every line keeps its number.
 */
export function markCells(text: string, sessionUrl: string): string {
  let index = 0;
  return text.replace(new RegExp(MARKER.source, "gm"), (marker) => {
    const call = index === 0 ? `import { enterCell as $cell } from ${JSON.stringify(sessionUrl)}; ` : ";";
    return `${call}$cell(${index++}); ${marker}`;
  });
}

function uncomment(lines: readonly string[], file: string, firstLine: number): string[] {
  return lines.map((line, index) => {
    if (line.trim() === "") return "";
    if (line.startsWith("//")) return line.replace(/^\/\/ ?/, "").trimEnd();
    throw new NotebookError(
      `${file}:${firstLine + index}: a markdown cell holds only "//" comments; found code`,
    );
  });
}

function trimBlankLines(lines: readonly string[]): string {
  return lines
    .join("\n")
    .replace(/^(?:[ \t]*\n)+/, "")
    .trimEnd();
}
