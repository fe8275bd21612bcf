/** @file Page files in Node. The library imports this file as `#pages`; `pages.browser.ts` has the same functions. */

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** A file in which each page has a fixed place. */
export interface PageFile {
  readonly path: string;
  /** Writes all bytes at `offset`. @throws if there is no room */
  write(bytes: Uint8Array, offset: number): void;
  /** Fills `bytes` from `offset` on. @throws if the file is shorter */
  read(bytes: Uint8Array, offset: number): void;
  /** Closes and removes the file. */
  close(): void;
}

/** Names of page files: the process that made the file, and a random part. */
const NAME = /^lowrank-pages-(\d+)-[0-9a-f]+\.bin$/;

/** The open files of this process, by path. */
const open = new Map<string, number>();

/**
 * Makes a new file in `folder`. It is removed by `close`, or when the process ends. This call also removes the files that
 * killed or crashed processes have left in `folder`.
 * @default folder: the system's temporary folder
 */
export function openPageFile(folder: string = tmpdir()): PageFile {
  removeStale(folder);
  const path = join(folder, `lowrank-pages-${process.pid}-${randomBytes(16).toString("hex")}.bin`);
  const file = fs.openSync(path, "wx+", 0o600); // fails if there is a file or a link of that name
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
 * Removes the page files of processes that have ended. Files that it may not remove, such as another user's in a shared
 * folder, stay; they do no harm.
 * @returns the paths of the removed files
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
        return false; // another user's file, or removed in the meantime
      }
    });
}

/** The names in a folder; none if it cannot be listed or does not exist, which opening a file in it reports. */
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

/** Signal 0 does nothing but check. EPERM means that the process exists and is another user's. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** True if the file is of an earlier process with the same number as this one. */
function isOlderThanThis(path: string): boolean {
  const started = Date.now() - process.uptime() * 1000;
  return fs.statSync(path).mtimeMs < started - 1000;
}
