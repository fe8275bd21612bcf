/** @file Losses as ops: cross-entropy and mean squared error. */

import {
  ArgumentError,
  checkIndices,
  type IndexLike,
  indices,
  ShapeError,
  sameShape,
} from "../../core/index.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { add, div, mul, sub } from "./arithmetic.ts";
import { gather } from "./gather.ts";
import { reshape } from "./movement.ts";
import { mean, sum } from "./reduce.ts";
import { logSoftmax } from "./softmax.ts";
import { neg, square } from "./unary.ts";

export interface CrossEntropyOptions {
  /** Labels equal to this do not count. */
  readonly ignoreIndex?: number;
  /** ε: the target is (1 − ε) on the label and ε/C on every class (Szegedy et al. 2016). */
  readonly labelSmoothing?: number;
  readonly reduction?: "mean" | "sum" | "none";
}

/**
 * −log softmax(logits)[label], averaged over the labels that count (0/0 = NaN when none does).
 * @param logits [..., C]
 * @param labels [...], each in [0, C) or equal to `ignoreIndex`
 */
export function crossEntropy(logits: Tensor, labels: IndexLike, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" } = options;
  const target = indices(labels);
  const classes = logits.shape.at(-1) ?? 0;
  if (!sameShape(logits.shape.slice(0, -1), target.shape) || logits.shape.length === 0) {
    throw new ShapeError("crossEntropy", "logits [..., C] and labels [...]", {
      logits: logits.shape,
      labels: target.shape,
    });
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError("crossEntropy", "labelSmoothing from 0 to 1", { labelSmoothing });
  }
  checkIndices("crossEntropy", target, classes, ignoreIndex);

  const rows = target.data.length;
  const counts = Float32Array.from(target.data, (label) => (label === ignoreIndex ? 0 : 1));
  const counted = tensor(counts, [rows, 1]);
  const safe = { data: target.data.map((label) => (label === ignoreIndex ? 0 : label)), shape: [rows, 1] };

  const logP = logSoftmax(reshape(logits, [rows, classes])); //             [rows, C]
  const onLabel = neg(gather(logP, safe)); //                               [rows, 1]
  const onAll = (): Tensor => neg(mean(logP, -1, { keepdims: true }));
  const each =
    labelSmoothing === 0 ? onLabel : add(mul(onLabel, 1 - labelSmoothing), mul(onAll(), labelSmoothing));
  const losses = mul(each, counted);
  if (reduction === "none") return reshape(losses, target.shape);
  const total = sum(losses);
  return reduction === "sum"
    ? total
    : div(
        total,
        counts.reduce((n, c) => n + c, 0),
      );
}

/** The mean (or sum) of (prediction − target)². */
export function mseLoss(prediction: Tensor, target: Tensor, reduction: "mean" | "sum" = "mean"): Tensor {
  if (!sameShape(prediction.shape, target.shape)) {
    throw new ShapeError("mseLoss", "equal shapes", { prediction: prediction.shape, target: target.shape });
  }
  const squares = square(sub(prediction, target));
  return reduction === "sum" ? sum(squares) : mean(squares);
}
