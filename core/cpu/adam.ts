/** @file AdamW on the cpu device: one step, in place. */

import { reshape } from "../array/movement.ts";
import { contiguous, type NDArray } from "../array/ndarray.ts";
import type { AdamStep } from "../device/kernels.ts";
import type { Operands } from "./operands.ts";
import { floatBits, kernels, type WasmRuntime } from "./wasm-runtime.ts";

/**
 * Bytes copied into the window at a time: few enough to stay in the second-level cache while the kernel works on
 * them.
 */
const BYTES = 2 ** 18;

/**
 * M ← β₁M + (1 − β₁)G, V ← β₂V + (1 − β₂)G², W ← (1 − lr λ)W − lr (M/c₁) / (√(V/c₂) + ε). With the corrections moved
 * out, the last term is (lr √c₂/c₁) M / (√V + ε √c₂).
 *
 * Parameters and their state live outside the kernels' memory and are copied into the window block by block. With the
 * copies a step still takes half the time of plain loops.
 */
export function adam(
  runtime: WasmRuntime,
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
  if (parameter.size === 0) return;
  const changed = [parameter, m, v];
  for (const { storage } of changed) storage.write();
  const arrays = [contiguous(gradient), ...changed].map((x) => reshape(x, [x.size]));
  const run = (operands: Operands, [G, ...inPlace]: readonly NDArray[]): void => {
    const [w, M, V] = inPlace.map((x) => operands.output(x, true).address);
    runtime.run(kernels.adam, 1, [w, operands.input(G).address, M, V, G.size, ...constants]);
  };
  runtime.pieces(arrays, run, { step: 16, limit: Math.min(BYTES, runtime.piece) });
}
