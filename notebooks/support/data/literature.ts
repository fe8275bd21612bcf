/** @file English texts in the public domain, committed as plain ASCII; `notebooks/bases/texts.ts` wrote them. */
import { readFileSync } from "node:fs";
import { NotebookError } from "../terminal/errors.ts";

/** The first chapters of Herman Melville's Moby-Dick (1851). */
export const mobyDick = (): string => read("moby-dick.txt");

/** Some State of the Union addresses, all of them unknown to the base `english`. */
export const stateOfTheUnion = (): string => read("state-of-the-union.txt");

function read(name: string): string {
  try {
    return readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("\r\n", "\n");
  } catch {
    throw new NotebookError(
      `notebooks/support/data/${name} is missing; this gets it back: git checkout -- notebooks/support/data`,
    );
  }
}
