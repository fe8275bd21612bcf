/**
 * @file Multiply–adds of a training step: by the formula for one matrix, and counted in the engine, whose matmul kernel is
 * wrapped for one forward and backward pass.
 */
import { type Kernels, openDevice, withDevice } from "lowrank/core";
import { inject } from "lowrank/lora";
import { type GPT2, nextTokenLoss } from "lowrank/nn";
import type { Batch } from "../../support/data/domain.ts";

/** Multiply–adds for each token at a matrix [out, in]: forward and backward of full fine-tuning, and of LoRA. */
export const perToken = {
  full: (d_in: number, d_out: number): number => 3 * d_in * d_out,
  lora: (d_in: number, d_out: number, r: number): number => 2 * d_in * d_out + 3 * r * (d_in + d_out),
};

/** Counts the multiply–adds of all matmuls while `fn` runs: n k m for [n, k] by [k, m], times the batch. */
export function multiplyAdds(fn: () => void): number {
  const kernels = openDevice("reference").kernels as { matmul: Kernels["matmul"] };
  const original = kernels.matmul;
  let count = 0;
  kernels.matmul = (a, b) => {
    const y = original(a, b);
    count += y.size * a.shape[a.shape.length - 1];
    return y;
  };
  try {
    withDevice("reference", fn);
  } finally {
    kernels.matmul = original;
  }
  return count;
}

/** Multiply–adds of one forward and backward pass of the model; rank 0 is full fine-tuning. */
export function stepCost(copy: () => GPT2, { ids, labels }: Batch, rank: number): number {
  const model = copy();
  if (rank > 0) inject(model, { rank, target: "all-linear" });
  return multiplyAdds(() => nextTokenLoss(model, ids, labels).backward());
}
