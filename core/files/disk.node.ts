/** @file Files, in Node. The rest of the library imports this as `#disk`; `disk.browser.ts` has the same functions. */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "../errors.ts";

/** Most bytes asked of the system at once: a single read or write past 2^31 - 1 bytes fails. */
const chunk = 2 ** 30;

/**
 * The whole file.
 * @throws CheckpointError when it is missing or cannot be read
 */
export function readFile(path: string): Uint8Array<ArrayBuffer> {
  return attempt(`cannot read ${path}`, () => {
    const file = fs.openSync(path, "r");
    try {
      const bytes = new Uint8Array(fs.fstatSync(file).size);
      let at = 0;
      while (at < bytes.length) {
        const count = fs.readSync(file, bytes, at, Math.min(chunk, bytes.length - at), at);
        if (count === 0) throw new Error(`it became shorter while it was read, after ${at} bytes`);
        at += count;
      }
      return bytes;
    } finally {
      fs.closeSync(file);
    }
  });
}

let written = 0;

/**
 * Writes a file whole or not at all: into a temporary file in the same folder, to the disk, and renamed. After a
 * failure the old file, or none, is there, and nothing else.
 * @throws CheckpointError when it cannot be written
 */
export function writeFileAtomic(path: string, content: Uint8Array | readonly Uint8Array[]): void {
  const parts = content instanceof Uint8Array ? [content] : content;
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${written++}.tmp`);
  attempt(`cannot write ${path}`, () => {
    const file = fs.openSync(temporary, "wx");
    try {
      try {
        for (const part of parts) writeAll(file, part);
        fs.fsyncSync(file);
      } finally {
        fs.closeSync(file);
      }
      fs.renameSync(temporary, path);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    syncFolder(dirname(path));
  });
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; )
    at += fs.writeSync(file, bytes, at, Math.min(chunk, bytes.length - at));
}

/** Makes the rename itself survive a power cut. Systems that cannot open a folder keep their own promise. */
function syncFolder(folder: string): void {
  try {
    const handle = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
  } catch {
    // The file is written and renamed; only its durability is left to the system.
  }
}

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

function attempt<T>(failure: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CheckpointError(`${failure}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
