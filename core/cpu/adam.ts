/** @file AdamW on the cpu device. */

import type { AdamStep } from "../kernels.ts";
import type { NDArray } from "../ndarray.ts";
import { floatBits, kernels, type Machine } from "./machine.ts";

/** Elements brought in at a time: four arrays of so many stay in the second-level cache. */
const BLOCK = 16384;

/**
 * M ← β₁M + (1 − β₁)G, V ← β₂V + (1 − β₂)G², W ← (1 − lr λ)W − lr (M/c₁) / (√(V/c₂) + ε). With the corrections moved out,
 * the last term is (lr √c₂/c₁) M / (√V + ε √c₂). Parameters and their state live outside the kernels' memory and are
 * brought in block by block, which still takes half the time of plain loops.
 */
export function adam(
  machine: Machine,
  parameter: NDArray,
  gradient: NDArray,
  m: NDArray,
  v: NDArray,
  { lr, beta1, beta2, eps, weightDecay, correction1, correction2 }: AdamStep,
): void {
  const rate = (lr * Math.sqrt(correction2)) / correction1;
  const numbers = [
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    1 - lr * weightDecay,
    rate,
    eps * Math.sqrt(correction2),
  ];
  const constants = numbers.map(floatBits);
  const G = gradient.data;
  if (G.length === 0) return;
  const inPlace = [parameter, m, v].map((x) => x.storage.write());
  machine.call((operands) => {
    const n = Math.min(BLOCK, G.length);
    const room = Array.from({ length: 4 }, () => operands.room(n));
    const [g, w, M, V] = room.map(({ address }) => address);
    for (let from = 0; from < G.length; from += n) {
      const length = Math.min(n, G.length - from);
      [G, ...inPlace].forEach((data, i) => {
        room[i].array.set(data.subarray(from, from + length));
      });
      machine.run(kernels.adam, 1, [w, g, M, V, length, ...constants]);
      inPlace.forEach((data, i) => {
        data.set(room[i + 1].array.subarray(0, length), from);
      });
    }
  });
}
