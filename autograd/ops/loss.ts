/** @file Losses as ops: cross-entropy and mean squared error. */

import {
  ArgumentError,
  checkIndices,
  checkOptions,
  type IndexLike,
  type Indices,
  indices,
  type Shape,
  ShapeError,
  sameShape,
  warn,
} from "../../core/index.ts";
import { tensor } from "../create.ts";
import { operand, type Tensor } from "../tensor.ts";
import { add, div, mul, neg, sub, where } from "./arithmetic.ts";
import { gather } from "./gather.ts";
import { reshape } from "./movement.ts";
import { mean, sum } from "./reduce.ts";
import { logSoftmax } from "./softmax.ts";
import { square } from "./unary.ts";

export interface CrossEntropyOptions {
  /** Labels equal to this do not count: their logits, even NaN, enter neither loss nor gradient. @default -100 */
  readonly ignoreIndex?: number;
  /**
   * ε: the target is (1 − ε) on the label and ε/C on every class (Szegedy et al. 2016). A class whose logit is −∞ is
   * masked out and has no part of ε: the row is as it would be without that class (PyTorch: the loss is ∞). @default 0
   */
  readonly labelSmoothing?: number;
  /** The mean over the labels that count, their sum, or each loss, 0 where ignored. @default "mean" */
  readonly reduction?: "mean" | "sum" | "none";
}

export const crossEntropyOptions = ["ignoreIndex", "labelSmoothing", "reduction"];
export const crossEntropySpellings = { ignore_index: "ignoreIndex", label_smoothing: "labelSmoothing" };

/** The checked arguments of a cross-entropy. */
interface CrossEntropyTask {
  readonly target: Indices;
  /** 1 for each label that counts, 0 for the ignored. */
  readonly counted: Float32Array;
  /** How many count. */
  readonly count: number;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  readonly reduction: "mean" | "sum" | "none";
}

/**
 * −log softmax(logits)[label], averaged over the labels that count. When none does, the loss and its gradient are 0, and
 * a warning says so once (PyTorch: NaN).
 * @param logits [..., C]
 * @param labels [...], each in [0, C) or equal to `ignoreIndex`
 * @throws ShapeError when labels are not of the leading shape of logits; ArgumentError on a label out of range and on
 *   options that make no sense
 */
export function crossEntropy(logits: Tensor, labels: IndexLike, options: CrossEntropyOptions = {}): Tensor {
  const { shape } = operand("crossEntropy", logits, "logits");
  const classes = shape.at(-1) ?? 0;
  const expected = "logits [..., C] and labels [...]";
  const task = crossEntropyTask("crossEntropy", expected, { logits: shape }, classes, labels, options);
  const { target, counted, count, ignoreIndex, labelSmoothing, reduction } = task;
  const rows = target.data.length;
  const onlyCounted = (x: Tensor): Tensor => (count < rows ? where(tensor(counted, [rows, 1]), x, 0) : x);
  const safe = { data: target.data.map((label) => (label === ignoreIndex ? 0 : label)), shape: [rows, 1] };

  const given = reshape(logits, [rows, classes]); // [rows, C]
  const x = isFiniteWhereIgnored(given, counted) ? given : onlyCounted(given);
  const logP = logSoftmax(x); // [rows, C]
  const onLabel = neg(gather(logP, safe)); // [rows, 1]
  const each =
    labelSmoothing === 0
      ? onLabel
      : add(mul(onLabel, 1 - labelSmoothing), mul(meanOverClasses(x, logP), labelSmoothing));
  const losses = onlyCounted(each);
  if (reduction === "none") return reshape(losses, target.shape);
  const total = sum(losses);
  return reduction === "sum" ? total : div(total, divisor("crossEntropy", task));
}

/**
 * Whether the rows that do not count hold finite numbers only. Then they contribute 0 times a finite number, and no copy
 * of x [rows, n] without them is needed.
 */
export function isFiniteWhereIgnored({ value: { data } }: Tensor, counted: Float32Array): boolean {
  const n = data.length / counted.length;
  return counted.every(
    (counts, row) => counts || data.subarray(row * n, (row + 1) * n).every(Number.isFinite),
  );
}

/** The mean of −log p over the classes that are not masked out by a logit of −∞: [rows, C] → [rows, 1]. */
function meanOverClasses(x: Tensor, logP: Tensor): Tensor {
  const over = { keepdims: true };
  const { data } = x.value;
  if (!data.includes(-Infinity)) return neg(mean(logP, -1, over));
  const present = tensor(
    Float32Array.from(data, (logit) => (logit === -Infinity ? 0 : 1)),
    x.shape,
  );
  return neg(div(sum(where(present, logP, 0), -1, over), sum(present, -1, over)));
}

/** The divisor of the mean: how many labels count, at least 1. */
export function divisor(who: string, { count, ignoreIndex }: CrossEntropyTask): number {
  if (count === 0) warn(`${who}: no label counts (all equal ignoreIndex ${ignoreIndex}): the loss is 0`);
  return Math.max(1, count);
}

/**
 * Checks labels and options.
 * @param expected the shapes of inputs and labels, for the message
 * @param given the shape of the one input, by its name: labels have it without its last axis
 */
export function crossEntropyTask(
  who: string,
  expected: string,
  given: Readonly<Record<string, Shape>>,
  classes: number,
  labels: IndexLike,
  options: CrossEntropyOptions,
): CrossEntropyTask {
  checkOptions(who, options, crossEntropyOptions, crossEntropySpellings);
  const { ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" } = options;
  const target = indices(labels);
  const [shape] = Object.values(given);
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), target.shape))
    throw new ShapeError(who, expected, { ...given, labels: target.shape });
  if (typeof labelSmoothing !== "number" || !(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ArgumentError(who, "labelSmoothing from 0 to 1", { labelSmoothing });
  if (!["mean", "sum", "none"].includes(reduction))
    throw new ArgumentError(who, 'reduction "mean", "sum" or "none"', { reduction });
  if (!Number.isSafeInteger(ignoreIndex))
    throw new ArgumentError(who, "ignoreIndex an integer", { ignoreIndex });
  checkIndices(who, target, classes, ignoreIndex);
  const counted = Float32Array.from(target.data, (label) => (label === ignoreIndex ? 0 : 1));
  const count = counted.reduce((n, c) => n + c, 0);
  return { target, counted, count, ignoreIndex, labelSmoothing, reduction };
}

/** The mean, or the sum, of (prediction − target)². */
export function mseLoss(prediction: Tensor, target: Tensor, reduction: "mean" | "sum" = "mean"): Tensor {
  operand("mseLoss", prediction, "prediction");
  operand("mseLoss", target, "target");
  if (!sameShape(prediction.shape, target.shape)) {
    throw new ShapeError("mseLoss", "equal shapes", { prediction: prediction.shape, target: target.shape });
  }
  if (reduction !== "mean" && reduction !== "sum")
    throw new ArgumentError("mseLoss", 'reduction "mean" or "sum"', { reduction });
  const squares = square(sub(prediction, target));
  return reduction === "sum" ? sum(squares) : mean(squares);
}
