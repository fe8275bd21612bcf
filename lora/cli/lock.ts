/**
 * @file Locks: a file that says which process works on something, so that another one waits or takes up other work.
 * They save work, and are not what keeps files whole: that is the rename of a finished file.
 */

import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";

/** A lock that this process holds. */
export interface Lock {
  /** Says that the work goes on: call it from time to time, if it takes more than minutes. */
  touch(): void;
  /** Gives it up. */
  release(): void;
}

/** A lock that nobody has touched for so long is given up. */
const FORGOTTEN = 5 * 60_000;

/**
 * Takes the lock at `path`; null when another process that is alive holds it. The lock of a process that is gone is
 * taken over; so is one that was not touched for five minutes: whether a process of another computer lives (on a shared
 * disk) cannot be asked.
 */
export function tryLock(path: string): Lock | null {
  const text = JSON.stringify({ pid: process.pid, host: hostname(), key: randomBytes(8).toString("hex") });
  for (let tries = 0; tries < 10; tries++) {
    if (create(path, text)) return held(path, text);
    const other = read(path);
    if (other === undefined) continue; // given up just now
    if (!isLeft(path, other)) return null;
    remove(path, other);
  }
  return null;
}

function held(path: string, text: string): Lock {
  return {
    touch() {
      const now = new Date();
      ignoring(() => utimesSync(path, now, now));
    },
    release() {
      if (read(path) === text) rmSync(path, { force: true });
    },
  };
}

/** Creates the file; false when it is there. Who reads it before its text is there takes it for held. */
function create(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether the process that wrote a lock is gone. */
function isLeft(path: string, text: string): boolean {
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  let pid: unknown;
  let host: unknown;
  try {
    ({ pid, host } = JSON.parse(text));
  } catch {
    return age > FORGOTTEN; // not ours, or cut off by a full disk
  }
  if (age > FORGOTTEN) return true; // also where another process has that number by now
  if (host !== hostname() || !Number.isSafeInteger(pid)) return false;
  return pid !== process.pid && !isAlive(pid as number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // only asks
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes a lock that is left, unless another process has taken it over meanwhile. */
function remove(path: string, text: string): void {
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (read(aside) !== text) ignoring(() => linkSync(aside, path)); // it was another's: put it back
  rmSync(aside, { force: true });
}

function ignoring(action: () => void): void {
  try {
    action();
  } catch {}
}
