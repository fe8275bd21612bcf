// What the project promises about its speed, as checks on the figures of one run.

import type { Outcome } from "./outcome.ts";
import { gigabytes } from "./quantization.ts";

const OURS = "lowrank cpu";
const JAVASCRIPT_PEERS = ["tfjs cpu", "tfjs wasm", "jax-js wasm"];

export interface Claim {
  claim: string;
  ratio: number;
  holds: boolean;
}

/** Claims whose parties were all timed. */
export function checkClaims(
  products: ReadonlyMap<number, readonly Outcome[]>,
  gpt: readonly Outcome[],
  quantization: { readonly codes: readonly Outcome[]; readonly forward: readonly Outcome[] },
): Claim[] {
  const median = (outcomes: readonly Outcome[], name: string) =>
    outcomes.find((outcome) => outcome.name === name)?.timing?.median ?? Number.NaN;
  const bestPeer = (outcomes: readonly Outcome[]) =>
    Math.min(...JAVASCRIPT_PEERS.map((name) => median(outcomes, name)).filter((time) => !Number.isNaN(time)));
  const at512 = products.get(512) ?? [];
  const ours = { product: median(at512, OURS), step: median(gpt, OURS) };

  const faster = (claim: string, ratio: number, atLeast: number): Claim => ({
    claim,
    ratio,
    holds: ratio >= atLeast,
  });
  return [
    faster(
      "a 512³ product is at least 10× as fast as plain loops",
      median(at512, "plain loops") / ours.product,
      10,
    ),
    faster(
      "a 512³ product is at least as fast as the best of tfjs and jax-js",
      bestPeer(at512) / ours.product,
      1,
    ),
    faster("a GPT step is at least 2× as fast as the best of tfjs and jax-js", bestPeer(gpt) / ours.step, 2),
    faster(
      "a GPT step is at least 0.5× as fast as PyTorch on one thread",
      median(gpt, "PyTorch") / ours.step,
      0.5,
    ),
    ...["quantize", "dequantize"].map((name) =>
      faster(
        `one thread ${name}s NF4 at 0.5 GB/s of float32 at least`,
        gigabytes(median(quantization.codes, name)) / 0.5,
        1,
      ),
    ),
    faster(
      "a 1024 × 1024 layer in NF4 is at least 0.67× as fast as the dense one, batch 64",
      median(quantization.forward, "dense") / median(quantization.forward, "NF4"),
      1 / 1.5,
    ),
  ].filter(({ ratio }) => Number.isFinite(ratio));
}
