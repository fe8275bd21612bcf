/** @file Metrics: perplexity of a loss, accuracy of logits. */

import { argmax, type Tensor } from "../../autograd/index.ts";
import { type IndexLike, indices, ShapeError, sameShape } from "../../core/index.ts";

/** Perplexity: e to the mean cross-entropy. It is n for a model that finds n tokens equally likely. */
export const perplexity = (loss: Tensor | number): number =>
  Math.exp(typeof loss === "number" ? loss : loss.item());

/**
 * Accuracy: the fraction of positions whose largest logit is that of the label; NaN when no label counts. Logits with a
 * NaN count as wrong.
 *
 * @example
 * accuracy(model.forward(ids), labels); // 0.9
 * @param logits [..., C]
 * @param labels [...]
 * @param options ignoreIndex: labels equal to it do not count; by default −100
 * @throws ShapeError when the shapes do not fit
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
