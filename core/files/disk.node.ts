/** @file Files, in Node. The rest of the library imports this as `#disk`; `disk.browser.ts` has the same functions. */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt } from "./attempt.node.ts";

export { fileSize, readFile, readPart } from "./read.node.ts";
export { readSaved, writeFileAtomic, writeFilesAtomic } from "./save/save.node.ts";

/** True for a file or a folder that is there. */
export function exists(path: string): boolean {
  return fs.existsSync(path);
}

/** Names in a folder, sorted. */
export function list(folder: string): string[] {
  return attempt(`cannot list ${folder}`, () => fs.readdirSync(folder).sort());
}

/** Makes a folder, and those above it, unless they are there. */
export function makeFolder(path: string): void {
  attempt(`cannot make the folder ${path}`, () => fs.mkdirSync(path, { recursive: true }));
}

/** Makes a new, empty folder among the system's temporary files; the caller removes it. */
export function makeTemporaryFolder(prefix: string): string {
  return attempt("cannot make a temporary folder", () => fs.mkdtempSync(join(tmpdir(), prefix)));
}

/** Removes a file, or a folder with all it holds; a no-op when it is not there. */
export function remove(path: string): void {
  attempt(`cannot remove ${path}`, () => fs.rmSync(path, { recursive: true, force: true }));
}
