/** @file A lock between processes. The operating system holds it and releases it when its holder ends, in any way. */
import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";

/** The part of fs-native-extensions used here. Its native code does not exist for every platform. */
interface Locks {
  waitForLockSync(fd: number): void;
}

/**
 * Runs `body` while holding the lock of `file`, which is created if necessary and stays. Waits synchronously until no
 * other process holds the lock. Where the platform or the file system has no locks, `body` runs at once, so use this
 * only where two runs at a time are wasteful but harmless.
 */
export function withLock<T>(file: string, body: () => T): T {
  const fd = openSync(file, "a");
  try {
    lock(fd);
    return body();
  } finally {
    closeSync(fd); // releases the lock
  }
}

function lock(fd: number): void {
  try {
    const { waitForLockSync } = createRequire(import.meta.url)("fs-native-extensions") as Locks;
    waitForLockSync(fd);
  } catch {
    // This platform or file system has no locks.
  }
}
