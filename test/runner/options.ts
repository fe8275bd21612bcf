/** @file The options of `npm test`. */

import { similarNames } from "../../notebooks/support/terminal/names.ts";
import { parseOptions } from "../../notebooks/support/terminal/options.ts";

export const HELP = `Usage: npm test -- [PART OF A PATH ...] [options]

Runs the test files, each in a process of its own, as many at a time as there are cores.

  npm test                         all of them
  npm test -- lora core/cpu        the files whose path holds one of these
  npm test -- lora --grep merge    of these, the tests whose name, or whose suite's, holds "merge"
  npm test -- lora/dora --watch    these, and again those that a change concerns
  npm test -- --changed            those that uncommitted changes concern

  --grep TEXT   only the tests that hold TEXT in their name or in that of their suite, in upper or lower case
  --watch       run, then wait for changes; without a path or --changed, wait at once; Ctrl-C ends it
  --changed     only the test files that uncommitted changes concern
  --help        this text

A change concerns the tests of its folder (core/files/json.ts: test/core/files; lora/dora.ts: test/lora), and those
that name the file, themselves or in what they import, but not through the index.ts of a folder of the library.`;

export interface Options {
  /** A test file is meant when its path holds one of these, or when there are none. */
  readonly parts: readonly string[];
  readonly grep?: string;
  readonly watch: boolean;
  readonly changed: boolean;
  readonly help: boolean;
}

/** @throws NotebookError, with the nearest name, on an option that there is not; and on an empty --grep */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseOptions(
    args,
    {
      grep: { type: "string" },
      watch: { type: "boolean", default: false },
      changed: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
    "npm test",
  );
  if (values.grep === "") throw new Error("--grep: expected a part of a test's name; got nothing");
  return { parts: positionals, ...values };
}

/** "; did you mean merge or merged?": words of `names` most like the words `given`. Nothing when none are like them. */
export function didYouMean(given: string, names: readonly string[]): string {
  const runs = names.flatMap((name) => {
    const words = name.split(/[^\p{L}\p{N}-]+/u).filter(Boolean);
    const length = Math.min(given.split(/\s+/).length, words.length);
    return words.slice(length - 1).map((_, i) => words.slice(i, i + length).join(" "));
  });
  const near = similarNames(given, [...new Set(runs)]);
  return near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
}
