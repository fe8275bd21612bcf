/** @file Dropout (Srivastava et al. 2014): each element kept with probability 1 − p and scaled by 1/(1 − p), or zero. */

import { ArgumentError, fromHost, masked as maskedArray, type Random, random } from "../../core/index.ts";
import { replayable } from "../checkpoint.ts";
import { record } from "../record.ts";
import { operand, Tensor } from "../tensor.ts";

/**
 * Each element of x with probability p becomes 0, and else x/(1 − p).
 * @throws ArgumentError unless 0 ≤ p < 1 and `generator` was made by `random`
 */
export function dropout(x: Tensor, p: number, generator: Random): Tensor {
  operand("dropout", x);
  if (typeof p !== "number" || !(p >= 0 && p < 1)) throw new ArgumentError("dropout", "0 ≤ p < 1", { p });
  if (typeof generator?.bits !== "function")
    throw new ArgumentError("dropout", "a generator, made by random(seed)", { generator });
  if (p === 0) return x;
  const seed = replayable(() => generator.bits()); // so that a recomputed forward drops the same elements
  const mask = random(seed).uniform(x.size, 0, 1);
  const scale = 1 / (1 - p);
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] < p ? 0 : scale;
  return masked(x, new Tensor(fromHost(mask, x.shape)));
}

/** x ∘ mask, and 0 where the mask is 0, even if x is infinite or NaN there. */
function masked(x: Tensor, mask: Tensor): Tensor {
  return record("dropout", maskedArray(x.value, mask.value), [
    { input: x, saves: [mask], vjp: (dY, M) => masked(dY, M) },
  ]);
}
