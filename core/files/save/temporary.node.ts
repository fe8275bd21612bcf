/**
 * @file Temporary files, `.NAME.PID.RANDOM.tmp`: each is beside the file NAME that it will become. A temporary file
 * that a killed process has left is removed by the next save of the same name.
 */

import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { unless } from "../attempt.node.ts";
import { chunk } from "../read.node.ts";

/** The bytes of a file, whole or in pieces. */
export type Content = Uint8Array | readonly Uint8Array[];

/** The beginning of the random part in all names that this thread makes. */
const own = randomBytes(8).toString("hex");

/** A name for a temporary file of `name` that no file has had. */
export function temporaryName(name: string): string {
  return `.${stem(name)}.${process.pid}.${own}${randomBytes(8).toString("hex")}.tmp`;
}

/** NAME in the name of a temporary file: a hash when it is so long that the whole would exceed 255 bytes. */
function stem(name: string): string {
  return Buffer.byteLength(name) <= 190 ? name : createHash("sha256").update(name).digest("hex");
}

const TEMPORARY = /^\.(.+)\.(\d+)\.([0-9a-f]+)\.tmp$/s;

/** True for the name of a temporary file. */
export const isTemporary = (file: string): boolean => TEMPORARY.test(file);

/** True for the name of a temporary file of `name`. */
export function isTemporaryOf(name: string, file: string): boolean {
  return TEMPORARY.exec(file)?.[1] === stem(name);
}

/** Writes a temporary file for `name` and flushes it to the disk. Returns its name. After a failure it is removed. */
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

/** Removes a temporary file, and ignores a failure: the next save of its name removes it. */
export function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {}
}

/** Creates a new file. An existing one is never opened: it may belong to another process. */
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
 * Removes the temporary files of these names that no process is writing any more. They are files of this thread, of
 * processes that are gone, of an earlier process with this one's number (in a container it is always 1), and files
 * that have not changed for an hour (numbers are reused, and a folder may be shared between computers). A file that
 * cannot be removed, such as another user's, stays; its name is never used again.
 * @param kind "folders" to remove folders of such names, too
 */
export function removeLeftovers(
  folder: string,
  names: readonly string[],
  kind: "files" | "folders" = "files",
): void {
  for (const file of namesIn(folder)) {
    if (!names.some((name) => isTemporaryOf(name, file))) continue;
    const path = join(folder, file);
    try {
      if (isLeft(path)) fs.rmSync(path, { recursive: kind === "folders", force: true });
    } catch {
      // It belongs to another user, or another process has removed it.
    }
  }
}

/** The names in a folder; none when it cannot be listed. If it does not exist, writing to it will fail. */
function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

const HOUR = 3_600_000;

/** True when no process is writing the temporary file any more. */
function isLeft(path: string): boolean {
  const [, , pidText, random] = TEMPORARY.exec(basename(path)) ?? [];
  const pid = Number(pidText);
  const { mtimeMs } = fs.lstatSync(path);
  if (random.startsWith(own)) return true; // this thread is writing no other file now
  if (Date.now() - mtimeMs > HOUR) return true;
  return pid === process.pid ? mtimeMs < Date.now() - 1000 * process.uptime() : !isAlive(pid);
}

/** True when there is a process of that number. Signal 0 only asks; EPERM means that it is another user's process. */
function isAlive(pid: number): boolean {
  return unless(["ESRCH"], false, () => unless(["EPERM"], true, () => process.kill(pid, 0)));
}

/**
 * Flushes the renames in a folder to the disk, so that they survive a power cut. Not every system can open a folder.
 */
export function syncFolder(folder: string): void {
  try {
    const handle = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
  } catch {
    // The files are written and renamed. When the renames reach the disk is left to the system.
  }
}
