/** @file safetensors files on disk: loading one whole, opening one of which tensors are read on demand, and saving. */

import { fileSize, readFile, readPart, writeFileAtomic } from "#disk";
import { CheckpointError } from "../../errors.ts";
import { contentOf, parseSafetensors, type SafetensorsContent } from "./read.ts";
import type { TensorBytes } from "./tensor.ts";
import { type SafetensorsOptions, safetensorsParts } from "./write.ts";

/**
 * Loads a safetensors file: its tensors and metadata.
 * @throws CheckpointError when it cannot be read, or is not exactly such a file
 */
export function loadSafetensors(path: string): SafetensorsContent {
  return parseSafetensors(readFile(path), path);
}

/**
 * Opens a safetensors file. Only the header is read now. The values of a tensor are read whenever they are asked for
 * and are not cached, so a file of many gigabytes is never in memory as a whole. The file must not change while its
 * tensors are in use.
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
 * Saves a safetensors file, whole or not at all.
 * @throws CheckpointError when it cannot be written
 * @throws ArgumentError for a name that `loadSafetensors` would refuse, ShapeError for bytes that do not fit their
 *   shape
 */
export function saveSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorBytes]>,
  options: SafetensorsOptions = {},
): void {
  writeFileAtomic(path, safetensorsParts(tensors, options));
}
