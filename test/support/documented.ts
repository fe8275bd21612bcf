/**
 * @file The code of Markdown pages, so that tests run it. A block is known by its language and by the path after it, if
 * it has one:
 *
 *     ```ts                            a program: it runs, and what it prints stands in its comments
 *     ```ts notebooks/halving.ts       a file: a quotation of one that is there, or a new one
 *     ```diff lora/laws/algebra.ts     lines to add to a file, between lines that it has
 *     ```sh                            commands
 */

import { readFileSync } from "node:fs";

export interface Block {
  readonly language: string;
  readonly path: string | null;
  readonly text: string;
  /** The heading above, for messages. */
  readonly heading: string;
}

/** The blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  let heading = "";
  const parts = readFileSync(page, "utf8").matchAll(/^## (.*)$|^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm);
  return Array.from(parts).flatMap(([, title, language, path, text]) => {
    if (title !== undefined) heading = title;
    return title === undefined ? [{ language, path: path || null, text, heading }] : [];
  });
}

/** What a program prints, by its comments: after each console.log, or alone on a line at its end. */
export function promised(program: string): string[] {
  const after = Array.from(program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm), ([, line]) => line);
  const last = /(?:^\/\/ .*\n)+$/m.exec(program)?.[0] ?? "";
  return [...after, ...Array.from(last.matchAll(/^\/\/ (.*)$/gm), ([, line]) => line)];
}

/**
 * `source` with the lines added that `diff` marks with +. Its other lines must stand in `source` one after the other,
 * and once.
 * @throws Error when they do not
 */
export function withLines(source: string, diff: string): string {
  const lines = diff.split("\n").filter(Boolean);
  const strip = (kept: readonly string[]): string => kept.map((line) => `${line.slice(1)}\n`).join("");
  const before = strip(lines.filter((line) => !line.startsWith("+")));
  if (source.split(before).length !== 2) throw new Error(`expected these lines once:\n${before}`);
  return source.replace(before, () => strip(lines));
}
