/** @file Whether a file's bytes are those that its name in the cache says: their SHA-256, or Git's SHA-1. */

import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** The hash of a content of `size` bytes whose name is `hash`; undefined when the name is no hash that is known. */
export function hasher(hash: string, size: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(hash)) return createHash("sha256");
  if (/^[0-9a-f]{40}$/.test(hash)) return createHash("sha1").update(`blob ${size}\0`); // as Git names contents
  return undefined;
}

/** Adds the first `length` bytes of a file to a hash. `tell` is called with the number of bytes of each piece. */
export function addFile(
  hash: Hash,
  path: string,
  length: number,
  tell: (bytes: number) => void = () => {},
): void {
  const file = openSync(path, "r");
  const piece = new Uint8Array(2 ** 20);
  try {
    for (let at = 0; at < length; ) {
      const count = readSync(file, piece, 0, Math.min(piece.length, length - at), at);
      if (count === 0) return; // it became shorter: the hash will not fit
      hash.update(piece.subarray(0, count));
      at += count;
      tell(count);
    }
  } finally {
    closeSync(file);
  }
}

/** Whether the file at `path` has this size and this hash (where the name is a hash). */
export function isContent(
  path: string,
  { hash, size }: { readonly hash: string; readonly size?: number },
  tell?: (bytes: number) => void,
): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile() || (size !== undefined && found.size !== size)) return false;
  const sum = hasher(hash, found.size);
  if (!sum) return true;
  addFile(sum, path, found.size, tell);
  return sum.digest("hex") === hash;
}
