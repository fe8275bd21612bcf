/**
 * @file The laws of quantization and of training on a quantized base. The tests run each on hundreds of random trials;
 * anybody can run one:
 *
 *     quantizationLaws.halfGap.check({ x, format: "nf4", blockSize: 64 })      { holds: true, error: …, bound: … }
 */

import { type GuardedLaw, guardLaws, type NDArray } from "../../core/index.ts";
import type { Module } from "../../nn/index.ts";
import type { QuantizedLinear } from "../layer/quantized-linear.ts";
import type { QuantizeOptions } from "../options.ts";
import { type FormatLaw, guard, laws, type QuantizationTrial } from "./quantization.ts";
import { gradients, type PagingTrial, paging, untouched } from "./training.ts";

export type { QuantizationTrial } from "./quantization.ts";
export type { GradientsTrial, PagingTrial, UntouchedTrial } from "./training.ts";

/** A law of quantization: the formats of which it is true, and a check of it on numbers. */
export type QuantizationLaw = GuardedLaw<QuantizationTrial, FormatLaw> & {
  /** @deprecated Use `check`. This one does not ask whether the law applies to the format. */
  holds(x: Float32Array, options: QuantizeOptions): boolean;
};

const guarded = guardLaws<QuantizationTrial, FormatLaw, keyof typeof laws>("quantizationLaws", laws, guard);

const withHolds = (key: keyof typeof laws): QuantizationLaw => ({
  ...guarded[key],
  holds: (x, options) => laws[key].check({ x, ...options }).holds,
});

/** The laws of quantizing numbers. */
export const quantizationLaws = Object.fromEntries(
  (Object.keys(laws) as (keyof typeof laws)[]).map((key) => [key, withHolds(key)]),
) as Readonly<Record<keyof typeof laws, QuantizationLaw>>;

/** The laws of training on a quantized base. */
export const trainingLaws = {
  gradients: {
    ...gradients,
    /** @deprecated Use `check`. */
    holds: (layer: QuantizedLinear, x: NDArray, dY: NDArray): boolean =>
      gradients.check({ layer, x, dY }).holds,
  },
  paging: {
    ...paging,
    /** @deprecated Use `check`. */
    holds: (
      values: PagingTrial["values"],
      gradients: PagingTrial["gradients"],
      settings: PagingTrial["settings"],
      options: PagingTrial["paging"],
    ): boolean => paging.check({ values, gradients, settings, paging: options }).holds,
  },
  untouched: {
    ...untouched,
    /** @deprecated Use `check`. */
    holds: (model: Module, train: () => void): boolean => untouched.check({ model, train }).holds,
  },
} as const;
