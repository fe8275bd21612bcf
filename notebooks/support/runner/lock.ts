/** @file A lock between processes, held by the operating system: it ends with its holder, however that ends. */
import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";

/** fs-native-extensions: what is used of it. Its native part is not there for every platform. */
interface Locks {
  waitForLockSync(fd: number): void;
}

/**
 * Runs `body` while no other process runs one under the lock of the same file, which is made if need be and stays.
 * Waits without an event loop. Where the platform or the file system has no locks, `body` runs at once: use it only
 * where two at a time are a waste and not a mistake.
 */
export function withLock<T>(file: string, body: () => T): T {
  const fd = openSync(file, "a");
  try {
    lock(fd);
    return body();
  } finally {
    closeSync(fd); // gives the lock back
  }
}

function lock(fd: number): void {
  try {
    const { waitForLockSync } = createRequire(import.meta.url)("fs-native-extensions") as Locks;
    waitForLockSync(fd);
  } catch {
    // No locks here.
  }
}
