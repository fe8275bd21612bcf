/** @file safetensors files on disk. */

import { readFile, writeFileAtomic } from "#disk";
import {
  parseSafetensors,
  type SafetensorsContent,
  type SafetensorsOptions,
  safetensorsParts,
  type TensorBytes,
} from "./safetensors.ts";

/**
 * The tensors and metadata of a safetensors file.
 * @throws CheckpointError when it cannot be read, or is not exactly such a file
 */
export function loadSafetensors(path: string): SafetensorsContent {
  return parseSafetensors(readFile(path), path);
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
