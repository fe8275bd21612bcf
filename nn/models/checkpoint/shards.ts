/** @file How the tensors of a checkpoint are divided among files, and the index that says where each of them is. */

import {
  ArgumentError,
  itemBytes,
  type JsonObject,
  type Shape,
  sizeOf,
  type TensorPlan,
} from "../../../core/index.ts";

export const WEIGHTS = "model.safetensors";
export const INDEX = `${WEIGHTS}.index.json`;

/** Bytes of the values of a tensor. */
export const bytesOf = ({ dtype, shape }: TensorPlan): number => sizeOf(shape as Shape) * itemBytes[dtype];

/**
 * Divides tensors among files of at most `most` bytes of values, in their order. A larger tensor has a file of its own.
 * @returns the tensors of each file by its name: model.safetensors alone, or model-00001-of-00003.safetensors and so on
 * @throws ArgumentError unless `most` is a positive number
 */
export function divide<T extends TensorPlan>(tensors: readonly T[], most: number): Map<string, T[]> {
  if (!(most > 0))
    throw new ArgumentError("maxShardSize", "a positive number of bytes", { maxShardSize: most });
  const shards: T[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = most;
    }
    shards[shards.length - 1].push(tensor);
    room -= bytes;
  }
  if (shards.length <= 1) return new Map([[WEIGHTS, shards[0] ?? []]]);
  const number = (n: number): string => String(n).padStart(5, "0");
  return new Map(
    shards.map((shard, i) => [`model-${number(i + 1)}-of-${number(shards.length)}.safetensors`, shard]),
  );
}

/**
 * The text of model.safetensors.index.json.
 * @param metadata of the index that was there before
 */
export function indexText(
  files: ReadonlyMap<string, readonly (TensorPlan & { readonly name: string })[]>,
  metadata: JsonObject = {},
): string {
  const entries = [...files].flatMap(([file, tensors]) => tensors.map(({ name }) => [name, file] as const));
  const total_size = [...files.values()].flat().reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ metadata: { ...metadata, total_size }, weight_map: Object.fromEntries(sorted) }, null, 2)}\n`;
}
