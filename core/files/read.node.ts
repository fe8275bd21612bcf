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
  return attempt(`cannot read ${path}`, () => {
    const file = fs.openSync(path, "r");
    try {
      const bytes = new Uint8Array(fs.fstatSync(file).size);
      let at = 0;
      while (at < bytes.length) {
        const count = fs.readSync(file, bytes, at, Math.min(chunk, bytes.length - at), at);
        if (count === 0) throw new Error(`it became shorter while it was read, after ${at} bytes`);
        at += count;
      }
      return bytes;
    } finally {
      fs.closeSync(file);
    }
  });
}
