/** @file The tensors of a merged checkpoint: those that adapters change, the others as they are or in another format. */

import { noGrad, type Tensor } from "../../../autograd/index.ts";
import {
  binary,
  type FloatArray,
  fromHost,
  itemBytes,
  type SafeTensor,
  scope,
  sizeOf,
  withPrecision,
} from "../../../core/index.ts";
import { copied, type NewTensor, type OpenModel, PIECE } from "../../../nn/index.ts";
import { AdaptedLayer } from "../../model/adapted-layer.ts";
import type { Change, Changes, MergedBias } from "./changes.ts";
import { CostSums, type FloatDtype, rounded } from "./rounding.ts";
import { type AdapterWeights, type MergedPart, mergedParts } from "./slices.ts";

/** All tensors of the new checkpoint, by the base's files. */
export function newTensors(
  { files }: OpenModel,
  { changed }: Changes,
  make: (change: Change, name: string) => NewTensor,
  dtype: FloatDtype | undefined,
): Map<string, NewTensor[]> {
  const changes = new Map(changed.flatMap((change) => change.names.map((name) => [name, change] as const)));
  const result = new Map<string, NewTensor[]>();
  for (const [file, { tensors }] of files) {
    const members = Array.from(tensors, ([name, tensor]) => {
      const change = changes.get(name);
      changes.delete(name);
      if (change) return make(change, name);
      return dtype === undefined || !/^B?F\d/.test(tensor.dtype) || tensor.dtype === dtype
        ? copied(name, tensor)
        : converted(name, tensor, dtype);
    });
    result.set(file, members);
  }
  const last = [...result.values()].at(-1) as NewTensor[];
  for (const [name, change] of changes) last.push(make(change, name));
  return result;
}

/** A tensor of floats in another format. @throws CheckpointError for a value that is not finite there, and was */
function converted(name: string, tensor: SafeTensor, dtype: FloatDtype): NewTensor {
  const size = sizeOf(tensor.shape);
  return {
    name,
    dtype,
    shape: tensor.shape,
    *pieces() {
      const most = PIECE / 8;
      for (let from = 0; from < size; from += most) {
        const values = tensor.floatsOf(from, Math.min(size, from + most));
        yield [
          rounded(name, dtype, { before: values, delta: values, after: values }, new CostSums()),
          from * itemBytes[dtype],
        ];
      }
    },
  };
}

/** The values of a changed tensor, part by part. */
export function* partsOf(
  { source, original, tensor }: Change,
  weights: AdapterWeights,
  most: number,
): Generator<MergedPart> {
  const isInFile = tensor !== null && original.value.storage.isDeferred;
  const read = (from: number, to: number): FloatArray =>
    isInFile ? tensor.floatsOf(from, to) : original.value.data.slice(from, to);
  if (source instanceof AdaptedLayer) yield* mergedParts(source, weights, original.shape, read, most);
  else if ("biased" in source) yield mergedBias(source, weights, read(0, original.size));
  else {
    const values = source.value.data;
    const size = tensor ? sizeOf(tensor.shape) : 0;
    for (let from = 0; from < values.length; from += most) {
      const after = values.slice(from, from + most);
      const before = new Float64Array(after.length); // zeros for tokens that the base does not have
      if (tensor && from < size) before.set(tensor.floatsOf(from, Math.min(size, from + after.length)));
      yield {
        from,
        before,
        delta: Float64Array.from(after, (value: number, i: number) => value - before[i]),
        after,
      };
    }
  }
}

/** b + Σ w Δb as one part, in the precision of b in the file. */
function mergedBias({ biased, own }: MergedBias, weights: AdapterWeights, before: FloatArray): MergedPart {
  const start = own ? own.value.data : before;
  const merge = (): MergedPart =>
    scope(() => {
      const db = noGrad(() => biased.deltaBias(weights.keys(), weights)) as Tensor;
      const after = binary("add", fromHost(start, [start.length]), db.value).data.slice();
      return {
        from: 0,
        before,
        delta: Float64Array.from(after, (value: number, i: number) => value - before[i]),
        after,
      };
    });
  return before instanceof Float64Array ? withPrecision("float64", merge) : merge();
}
