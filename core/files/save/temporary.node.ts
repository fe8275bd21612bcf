/**
 * @file Temporary files beside the files that they become: `.NAME.PID.RANDOM.tmp`. What a killed process leaves of
 * them is removed by the next save of the same name.
 */

import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { unless } from "../attempt.node.ts";
import { chunk } from "../read.node.ts";

export type Content = Uint8Array | readonly Uint8Array[];

/** With this the random part begins in all names that this thread makes. */
const own = randomBytes(8).toString("hex");

/** A name that no file has had yet. */
export function temporaryName(name: string): string {
  return `.${stem(name)}.${process.pid}.${own}${randomBytes(8).toString("hex")}.tmp`;
}

/** Systems allow 255 bytes for a name, and this one is to be longer. */
function stem(name: string): string {
  return Buffer.byteLength(name) <= 190 ? name : createHash("sha256").update(name).digest("hex");
}

const TEMPORARY = /^\.(.+)\.(\d+)\.([0-9a-f]+)\.tmp$/s;

/** True for the name of a temporary file of `name`. */
export function isTemporaryOf(name: string, file: string): boolean {
  return TEMPORARY.exec(file)?.[1] === stem(name);
}

/** Writes a temporary file for `name`, to the disk. @returns its name; after a failure there is none */
export function writeTemporary(folder: string, name: string, content: Content): string {
  const [temporary, file] = create(folder, name);
  try {
    try {
      for (const part of content instanceof Uint8Array ? [content] : content) writeAll(file, part);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    removeQuietly(join(folder, temporary));
    throw error;
  }
  return temporary;
}

/** Removes a file that nothing needs. If that fails, the next save of its name removes it. */
export function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {}
}

/** A new file, never one that is there: whose it is, nobody knows. */
function create(folder: string, name: string): [string, number] {
  for (let tries = 1; ; tries++) {
    const temporary = temporaryName(name);
    const taken = tries < 100 ? ["EEXIST"] : [];
    const file = unless(taken, null, () => fs.openSync(join(folder, temporary), "wx"));
    if (file !== null) return [temporary, file];
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; )
    at += fs.writeSync(file, bytes, at, Math.min(chunk, bytes.length - at));
}

/**
 * Removes the temporary files of these names that nobody writes any more: of processes that are gone, of one before
 * this that had its number (in a container it is always 1), and of any that have not grown for an hour (a number can be
 * given again, and a folder shared between machines), or of this thread. What cannot be removed, another user's, stays: names never meet.
 */
export function removeLeftovers(folder: string, names: readonly string[]): void {
  for (const file of namesIn(folder)) {
    if (!names.some((name) => isTemporaryOf(name, file))) continue;
    const path = join(folder, file);
    try {
      if (isLeft(path)) fs.rmSync(path, { force: true });
    } catch {
      // Another's, or gone meanwhile.
    }
  }
}

/** None for a folder that may be written to but not listed, or is not there: writing to it tells. */
function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

const HOUR = 3_600_000;

function isLeft(path: string): boolean {
  const [, , pidText, random] = TEMPORARY.exec(basename(path)) ?? [];
  const pid = Number(pidText);
  const { mtimeMs } = fs.lstatSync(path);
  if (random.startsWith(own)) return true; // this thread writes nothing else now
  if (Date.now() - mtimeMs > HOUR) return true;
  return pid === process.pid ? mtimeMs < Date.now() - 1000 * process.uptime() : !isAlive(pid);
}

/** Signal 0 only asks. Not permitted means that somebody else's process is there. */
function isAlive(pid: number): boolean {
  return unless(["ESRCH"], false, () => unless(["EPERM"], true, () => process.kill(pid, 0)));
}

/** Makes renames survive a power cut. Systems that cannot open a folder keep their own promise. */
export function syncFolder(folder: string): void {
  try {
    const handle = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
  } catch {
    // The files are written and renamed; only their durability is left to the system.
  }
}
