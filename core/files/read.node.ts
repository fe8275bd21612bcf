/** @file Reading, in Node. */

import * as fs from "node:fs";
import { attempt } from "./attempt.node.ts";

/** Most bytes asked of the system at once: a single read or write past 2^31 - 1 bytes fails. */
export const chunk = 2 ** 30;

/**
 * The whole file.
 * @throws CheckpointError when it is missing or cannot be read
 */
export function readFile(path: string): Uint8Array<ArrayBuffer> {
  return readPart(path, 0, Number.POSITIVE_INFINITY);
}

/**
 * The bytes of the file from `start` on, at most `length` of them: fewer where it ends before.
 * @throws CheckpointError when it is missing or cannot be read
 */
export function readPart(path: string, start: number, length: number): Uint8Array<ArrayBuffer> {
  return attempt(`cannot read ${path}`, () => {
    const file = fs.openSync(path, "r");
    try {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, fs.fstatSync(file).size - start)));
      let at = 0;
      while (at < bytes.length) {
        const count = fs.readSync(file, bytes, at, Math.min(chunk, bytes.length - at), start + at);
        if (count === 0) throw new Error(`it became shorter while it was read, after ${start + at} bytes`);
        at += count;
      }
      return bytes;
    } finally {
      fs.closeSync(file);
    }
  });
}

/**
 * Length of a file in bytes.
 * @throws CheckpointError when it is missing
 */
export function fileSize(path: string): number {
  return attempt(`cannot read ${path}`, () => fs.statSync(path).size);
}
