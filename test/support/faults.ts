/**
 * @file Saves that are cut, and disks that refuse: the file system's functions, replaced for the length of a call.
 *
 * A kill leaves what the calls before it have done, and nothing after it happens: so each call from the k-th on throws,
 * those of cleaning up as well. To tell what it left from the files of living processes, the process goes by another
 * number meanwhile, one whose process has ended.
 */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What changes a disk, or tells it to keep something; and what looks into folders and journals. */
const changing = [
  "closeSync",
  "copyFileSync",
  "fsyncSync",
  "linkSync",
  "mkdirSync",
  "openSync",
  "readFileSync",
  "readdirSync",
  "renameSync",
  "rmSync",
  "unlinkSync",
  "writeFileSync",
  "writeSync",
] as const;

export type Changing = (typeof changing)[number];

/**
 * A folder for tests that save a thousand times: in memory where the system has such a place, since some file systems
 * wait for the disk at a rename; and this process waits for it no more. Nothing here can tell whether it was waited for.
 */
export function quickFolder(): string {
  fs.fsyncSync = () => {};
  syncBuiltinESMExports();
  return fs.mkdtempSync(join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "lowrank-test-"));
}

/** Runs `action`; `before` sees each call that changes the disk, and may throw instead. */
export function watching<T>(before: (name: Changing, args: readonly unknown[]) => void, action: () => T): T {
  const originals = new Map(changing.map((name) => [name, fs[name]]));
  const functions = fs as unknown as Record<string, (...args: never[]) => unknown>;
  for (const [name, original] of originals) {
    functions[name] = (...args: never[]) => {
      before(name, args);
      return (original as (...args: never[]) => unknown)(...args);
    };
  }
  syncBuiltinESMExports();
  try {
    return action();
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
}

const dead: number = spawnSync(process.execPath, ["--version"]).pid;

/**
 * Runs `save` as in a process that is killed before its k-th change, from 0, or its k-th call of one function.
 * @returns false when it came to its end
 */
export function killedAt(k: number, save: () => void, only?: Changing): boolean {
  const pid = process.pid;
  const killed = new Error("killed");
  let calls = 0;
  let isDead = false;
  Object.defineProperty(process, "pid", { value: dead });
  try {
    watching((name) => {
      isDead ||= (only === undefined || name === only) && calls++ >= k;
      if (isDead) throw killed;
    }, save);
    return isDead; // the last calls may fail unnoticed
  } catch (error) {
    if (!isDead) throw error;
    return true;
  } finally {
    Object.defineProperty(process, "pid", { value: pid });
  }
}

/** Runs `save`; its k-th change, from 0, is refused by the system, once. @returns false when there was no k-th */
export function failingAt(k: number, code: string, save: () => void): boolean {
  let calls = 0;
  watching((name) => {
    if (calls++ === k) throw Object.assign(new Error(`${code}: made up, ${name}`), { code });
  }, save);
  return calls > k;
}
