// What a library must offer to be measured: a product of two square matrices, a training step of a small GPT,
// or both. The same interface is kept by lowrank's own devices, by the peers and by the PyTorch subprocess.

import type { Batch, GptConfig, Parameter } from "./gpt-problem.ts";

/** C = A·B prepared inside a library, ready to be computed again and again. */
export interface Product {
  /** Computes C `times` times and resolves to the seconds that took, results finished but not read back. */
  run(times: number): Promise<number>;
  /** The last C, row-major, n·n entries. */
  result(): Promise<Float32Array>;
  dispose(): void;
}

/** A GPT held by a library, trained on one batch. */
export interface Training {
  /** Loss and gradient of every parameter at the current weights, which stay as they are. */
  gradients(): Promise<{ loss: number; gradients: ReadonlyMap<string, Float32Array> }>;
  /** One step: forward, backward, AdamW. `loss` is the one before the update, `seconds` what the step took. */
  step(): Promise<{ loss: number; seconds: number }>;
  dispose(): void;
}

export interface Contestant {
  readonly name: string;
  /** Version and threads, for the record; known once `open` has resolved. */
  readonly details: string;
  /** Loads the library. Resolves to null when it is ready, else to the reason why it cannot run here. */
  open(): Promise<string | null>;
  /** Larger products than this would only make the bench slow. */
  readonly largestProduct: number;
  product?(a: Float32Array, b: Float32Array, n: number): Promise<Product>;
  training?(config: GptConfig, weights: readonly Parameter[], batch: Batch): Promise<Training>;
  close(): void;
}

/** Seconds that `times` calls of a synchronous `work` take. */
export function clock(times: number, work: () => void): number {
  const start = performance.now();
  for (let i = 0; i < times; i++) work();
  return (performance.now() - start) / 1000;
}
