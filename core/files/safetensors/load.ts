/** @file safetensors files on disk. */

import { fileSize, readFile, readPart, writeFileAtomic } from "#disk";
import { CheckpointError } from "../../errors.ts";
import { contentOf, parseSafetensors, type SafetensorsContent } from "./read.ts";
import type { TensorBytes } from "./tensor.ts";
import { type SafetensorsOptions, safetensorsParts } from "./write.ts";

/**
 * The tensors and metadata of a safetensors file.
 * @throws CheckpointError when it cannot be read, or is not exactly such a file
 */
export function loadSafetensors(path: string): SafetensorsContent {
  return parseSafetensors(readFile(path), path);
}

/**
 * The same, but only the header is read now and the values of a tensor when they are asked for, each time anew: a file
 * of many gigabytes is never in memory whole. It must stay as it is as long as its tensors are in use.
 * @throws CheckpointError when it cannot be read, or is not exactly such a file
 */
export function openSafetensors(path: string): SafetensorsContent {
  const read = (begin: number, end: number): Uint8Array => {
    const bytes = readPart(path, begin, end - begin);
    if (bytes.length === end - begin) return bytes;
    throw new CheckpointError(
      `${path}: expected ${end} bytes at least, as when it was opened; it is cut short`,
    );
  };
  return contentOf(read, fileSize(path), path);
}

/**
 * Writes a safetensors file, whole or not at all.
 * @throws CheckpointError when it cannot be written; ArgumentError or ShapeError for what a file cannot hold
 */
export function saveSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorBytes]>,
  options: SafetensorsOptions = {},
): void {
  writeFileAtomic(path, safetensorsParts(tensors, options));
}
