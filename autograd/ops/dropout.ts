/** @file Dropout (Srivastava et al. 2014): each element kept with probability 1 − p and scaled by 1/(1 − p), or zero. */

import { ArgumentError, fromHost, type Random, random } from "../../core/index.ts";
import { drawn } from "../checkpoint.ts";
import { Tensor } from "../tensor.ts";
import { mul } from "./arithmetic.ts";

/** @throws ArgumentError unless 0 ≤ p < 1 */
export function dropout(x: Tensor, p: number, generator: Random): Tensor {
  if (!(p >= 0 && p < 1)) throw new ArgumentError("dropout", "0 ≤ p < 1", { p });
  if (p === 0) return x;
  const seed = drawn(() => generator.bits()); // so that a recomputed forward drops the same elements
  const mask = random(seed).uniform(x.size, 0, 1);
  const scale = 1 / (1 - p);
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] < p ? 0 : scale;
  return mul(x, new Tensor(fromHost(mask, x.shape)));
}
