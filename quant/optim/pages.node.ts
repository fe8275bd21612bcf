/** @file Page files, in Node. The rest of the library imports this as `#pages`; `pages.browser.ts` has the same functions. */

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** A file in which pages have fixed places. */
export interface PageFile {
  readonly path: string;
  /** Writes all bytes at `offset`. @throws when there is no room */
  write(bytes: Uint8Array, offset: number): void;
  /** Fills `bytes` from `offset` on. @throws when the file is shorter */
  read(bytes: Uint8Array, offset: number): void;
  /** Closes and removes the file. */
  close(): void;
}

/** The process whose file it is, and a random part. */
const NAME = /^lowrank-pages-(\d+)-[0-9a-f]+\.bin$/;

/** Paths of this process's files. */
const open = new Map<string, number>();

/**
 * A new file in `folder`, the system's temporary one unless given. It is removed by `close`, and when the process ends;
 * files of processes that ended without (killed, crashed) are removed here.
 */
export function openPageFile(folder: string = tmpdir()): PageFile {
  removeStale(folder);
  const path = join(folder, `lowrank-pages-${process.pid}-${randomBytes(16).toString("hex")}.bin`);
  const file = fs.openSync(path, "wx+", 0o600); // never a file, or a link, that somebody else has put there
  if (open.size === 0) process.once("exit", removeAll);
  open.set(path, file);
  return {
    path,
    write(bytes, offset) {
      for (let at = 0; at < bytes.length; )
        at += fs.writeSync(file, bytes, at, bytes.length - at, offset + at);
    },
    read(bytes, offset) {
      for (let at = 0; at < bytes.length; ) {
        const count = fs.readSync(file, bytes, at, bytes.length - at, offset + at);
        if (count === 0) throw new Error(`${path} ends after ${offset + at} bytes`);
        at += count;
      }
    },
    close() {
      remove(path);
      if (open.size === 0) process.off("exit", removeAll);
    },
  };
}

function remove(path: string): void {
  const file = open.get(path);
  if (file === undefined) return;
  open.delete(path);
  fs.closeSync(file);
  fs.rmSync(path, { force: true });
}

function removeAll(): void {
  for (const path of [...open.keys()]) remove(path);
}

/**
 * Removes the page files of processes that are gone. Those that it may not remove, another user's in a folder that all
 * share, stay: they are not in the way.
 * @returns the paths of the removed
 */
export function removeStale(folder: string): string[] {
  return namesIn(folder)
    .map((name) => join(folder, name))
    .filter((path) => {
      try {
        if (!isStale(path)) return false;
        fs.rmSync(path);
        return true;
      } catch {
        return false; // not ours to remove, or gone meanwhile
      }
    });
}

/** None for a folder that may be written to but not listed, or is not there: opening a file in it tells. */
function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

function isStale(path: string): boolean {
  const pid = Number(NAME.exec(basename(path))?.[1] ?? 0);
  return pid > 0 && (pid === process.pid ? isOlderThanThis(path) : !isAlive(pid));
}

/** Signal 0 only asks. Not permitted means that somebody else's process is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** True for a file that a process before this one left, under the number that this one has been given again. */
function isOlderThanThis(path: string): boolean {
  const started = Date.now() - process.uptime() * 1000;
  return fs.statSync(path).mtimeMs < started - 1000;
}
