/** @file What losses and logits mean to people. */

import { argmax, type Tensor } from "../../autograd/index.ts";
import { type IndexLike, indices, ShapeError, sameShape } from "../../core/index.ts";

/** e to the mean cross-entropy: among how many equally likely tokens the model chooses, as it were. */
export const perplexity = (loss: Tensor | number): number =>
  Math.exp(typeof loss === "number" ? loss : loss.item());

/**
 * The share of labels at which the logits are largest; NaN when none counts. Logits with a NaN have no largest: wrong.
 * @param logits [..., C]
 * @param labels [...]; those equal to `ignoreIndex`, −100 unless given, do not count
 */
export function accuracy(logits: Tensor, labels: IndexLike, { ignoreIndex = -100 } = {}): number {
  const target = indices(labels);
  const predicted = argmax(logits);
  if (!sameShape(predicted.shape, target.shape)) {
    throw new ShapeError("accuracy", "logits [..., C] and labels [...]", {
      logits: logits.shape,
      labels: target.shape,
    });
  }
  const { data } = logits.value;
  const classes = logits.shape.at(-1) as number;
  let counted = 0;
  let right = 0;
  for (const [i, label] of target.data.entries()) {
    if (label === ignoreIndex) continue;
    counted++;
    const place = predicted.data[i];
    if (label === place && !Number.isNaN(data[i * classes + place])) right++;
  }
  return right / counted;
}
