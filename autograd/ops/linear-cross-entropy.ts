/** @file Cross-entropy over a large vocabulary, from the hidden states, without all logits in memory at once. */

import {
  ArgumentError,
  checkOptions,
  type IndexLike,
  type Indices,
  type Shape,
  sizeOf,
} from "../../core/index.ts";
import { checkpoint } from "../checkpoint.ts";
import { sumOfChunks } from "../chunks.ts";
import { tensor } from "../create.ts";
import { operand, Tensor } from "../tensor.ts";
import { where } from "./arithmetic.ts";
import {
  type CrossEntropyOptions,
  crossEntropy,
  crossEntropyOptions,
  crossEntropySpellings,
  crossEntropyTask,
  divisor,
  isFiniteWhereIgnored,
} from "./loss.ts";
import { linear } from "./matmul.ts";
import { concat, reshape, slice } from "./movement.ts";

/** A layer that maps states [rows, d] to logits [rows, C], row by row: a linear layer, adapted, quantized or plain. */
export interface Head {
  readonly outFeatures: number;
  forward(x: Tensor): Tensor;
}

export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** Logits are computed in chunks of rows of at most so many bytes (one row at least). @default 32 MiB */
  readonly chunkBytes?: number;
}

/**
 * crossEntropy(h Wᵀ, labels), or of head.forward(h): the same loss and gradients, in memory for a few chunks of logits
 * instead of all (see `sumOfChunks`; for reduction "none" chunks are computed again in backward). What fits in one
 * chunk is computed as crossEntropy(head(h)) is, to the bit; chunks differ from that by the rounding of sums only: the
 * loss is the sum of the chunks' sums in their order, in double precision, and so are weights' gradients, in float32.
 *
 * @param h [..., d]. Rows whose label is ignored do not contribute, NaN included
 * @param head W [C, d], or a layer
 * @param labels [...], each in [0, C) or equal to `ignoreIndex`
 * @throws as `crossEntropy`; ArgumentError unless chunkBytes is positive
 */
export function linearCrossEntropy(
  h: Tensor,
  head: Tensor | Head,
  labels: IndexLike,
  given: LinearCrossEntropyOptions = {},
): Tensor {
  const who = "linearCrossEntropy";
  checkOptions(who, given, ["chunkBytes", ...crossEntropyOptions], crossEntropySpellings);
  const { chunkBytes = 32 * 2 ** 20, ...options } = given;
  const project = (x: Tensor): Tensor => (head instanceof Tensor ? linear(x, head) : head.forward(x));
  operand(who, h, "h");
  const classes = head instanceof Tensor ? head.shape[0] : head?.outFeatures;
  const projects = head instanceof Tensor || typeof head?.forward === "function";
  if (!projects || !Number.isSafeInteger(classes) || classes < 1)
    throw new ArgumentError(who, "a head: W [C, d], or a layer with outFeatures", {
      head,
      outFeatures: classes,
    });
  if (typeof chunkBytes !== "number" || !(chunkBytes > 0))
    throw new ArgumentError(who, "chunkBytes a positive number", { chunkBytes });
  const lead = h.shape.slice(0, -1);
  const expected = "h [..., d] and labels [...]";
  const task = crossEntropyTask(who, expected, { h: h.shape }, classes, labels, options);
  const { target, counted, reduction } = task;
  const rows = target.data.length;
  const states = isFiniteWhereIgnored(h, counted) ? h : where(tensor(counted, [...lead, 1]), h, 0);
  const most = Math.floor(chunkBytes / (4 * classes)); // rows in a chunk
  if (rows <= most) return crossEntropy(project(states), target, options);

  // Chunks are cut along the last axis of rows, so that a head sees a batch as one; where even one position of the
  // batch is more than a chunk, along all rows.
  const batch = sizeOf(lead.slice(0, -1));
  const shape = batch <= most ? lead : [rows];
  const x = reshape(states, [...shape, h.shape.at(-1) as number]);
  const axis = shape.length - 1;
  const size = Math.max(1, Math.floor(most / (batch <= most ? batch : 1)));
  const chunkLoss = (chunk: Tensor, start: number, how: "sum" | "none"): Tensor =>
    crossEntropy(project(chunk), columns(target.data, shape, start, chunk.shape[axis]), {
      ...options,
      reduction: how,
    });
  if (reduction !== "none") {
    const by = reduction === "mean" ? divisor(who, task) : 1;
    return sumOfChunks((chunk, start) => chunkLoss(chunk, start, "sum"), x, axis, size, by);
  }
  const parts: Tensor[] = [];
  for (let start = 0; start < shape[axis]; start += size) {
    const chunk = slice(x, axis, start, Math.min(shape[axis], start + size));
    parts.push(checkpoint((part) => chunkLoss(part, start, "none"), chunk));
  }
  return reshape(concat(parts, axis), target.shape);
}

/** labels[..., start … start + length − 1], labels of `shape`. */
function columns(labels: Int32Array, shape: Shape, start: number, length: number): Indices {
  const n = shape.at(-1) as number;
  const rows = sizeOf(shape.slice(0, -1));
  const data = new Int32Array(rows * length);
  for (let row = 0; row < rows; row++)
    data.set(labels.subarray(row * n + start, row * n + start + length), row * length);
  return { data, shape: [...shape.slice(0, -1), length] };
}
