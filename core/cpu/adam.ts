/** @file AdamW on the cpu device: plain loops, with what does not change taken out of them. */

import type { AdamStep } from "../kernels.ts";
import type { NDArray } from "../ndarray.ts";

/**
 * M ← β₁M + (1 − β₁)G, V ← β₂V + (1 − β₂)G², W ← W − lr λ W − lr (M/c₁) / (√(V/c₂) + ε). Parameters and their state
 * live outside the kernels' memory; copying them in and out would take longer than this.
 */
export function adam(parameter: NDArray, gradient: NDArray, m: NDArray, v: NDArray, step: AdamStep): void {
  const { lr, beta1, beta2, eps, weightDecay, correction1, correction2 } = step;
  const W = parameter.storage.write();
  const G = gradient.data;
  const M = m.storage.write();
  const V = v.storage.write();
  const rest1 = 1 - beta1;
  const rest2 = 1 - beta2;
  const keep = 1 - lr * weightDecay;
  const rate = lr / correction1;
  const scale = 1 / Math.sqrt(correction2);
  for (let i = 0; i < W.length; i++) {
    const g = G[i];
    const mean = Math.fround(beta1 * M[i] + rest1 * g);
    const variance = Math.fround(beta2 * V[i] + rest2 * g * g);
    M[i] = mean;
    V[i] = variance;
    W[i] = keep * W[i] - (rate * mean) / (Math.sqrt(variance) * scale + eps);
  }
}
