/** @file Reading files in Node, whole or in part. */

import * as fs from "node:fs";
import { attempt } from "./attempt.node.ts";

/** The most bytes of one read or write. The system fails beyond 2^31 - 1. */
export const chunk = 2 ** 30;

/**
 * The bytes of a file.
 * @throws CheckpointError when it is missing or cannot be read
 */
export function readFile(path: string): Uint8Array<ArrayBuffer> {
  return readPart(path, 0, Number.POSITIVE_INFINITY);
}

/**
 * At most `length` bytes of a file, from `start` on; fewer when the file ends before.
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
 * The length of a file in bytes.
 * @throws CheckpointError when it is missing
 */
export function fileSize(path: string): number {
  return attempt(`cannot read ${path}`, () => fs.statSync(path).size);
}
