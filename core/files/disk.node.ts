/**
 * @file The file system in Node. The library imports this as `#disk`; in a browser it gets `disk.browser.ts` instead.
 */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, unless } from "./attempt.node.ts";
import { makeFolders } from "./folders.node.ts";

export { fileSize, readFile, readPart } from "./read.node.ts";
export { type DraftFile, draftFolder, type FolderDraft } from "./save/folder.node.ts";
export { readSaved, writeFileAtomic, writeFilesAtomic } from "./save/save.node.ts";

/** True when there is a file or a folder at `path`. */
export function exists(path: string): boolean {
  return fs.existsSync(path);
}

/** The path without links and dots; null when there is nothing at `path`. */
export function realPath(path: string): string | null {
  return unless(["ENOENT", "ENOTDIR"], null, () => fs.realpathSync(path));
}

/** True when there is a folder at `path`. */
export function isFolder(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The names in a folder, sorted. @throws CheckpointError when it cannot be listed */
export function list(folder: string): string[] {
  return attempt(`cannot list ${folder}`, () => fs.readdirSync(folder).sort());
}

/** Makes a folder and those above it. Existing ones stay. @throws CheckpointError when it cannot be made */
export function makeFolder(path: string): void {
  attempt(`cannot make the folder ${path}`, () => makeFolders(path));
}

/** Makes a new, empty folder among the system's temporary files, and returns its path. The caller removes it. */
export function makeTemporaryFolder(prefix: string): string {
  return attempt("cannot make a temporary folder", () => fs.mkdtempSync(join(tmpdir(), prefix)));
}

/** Removes a file, or a folder with everything in it. A no-op when it does not exist. */
export function remove(path: string): void {
  attempt(`cannot remove ${path}`, () => fs.rmSync(path, { recursive: true, force: true }));
}
