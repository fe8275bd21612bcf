/**
 * @file The laws of quantization and of training on a quantized base. The tests run each on hundreds of random trials;
 * anybody can run one:
 *
 *     quantizationLaws.halfGap.check({ x, format: "nf4", blockSize: 64 })      { holds: true, error: …, bound: … }
 */

import { type GuardedLaw, guardLaws, type Law, type NDArray } from "../../core/index.ts";
import type { AdamSettings, Module } from "../../nn/index.ts";
import type { QuantizedLinear } from "../layer/quantized-linear.ts";
import type { PagedAdamWOptions } from "../optim/paged-adamw.ts";
import type { QuantizeOptions } from "../options.ts";
import { type FormatLaw, guard, laws, type QuantizationTrial } from "./quantization.ts";
import { gradients, paging, untouched } from "./training.ts";

export type { QuantizationTrial } from "./quantization.ts";
export type { GradientsTrial, PagingTrial, UntouchedTrial } from "./training.ts";

/** A law of quantization: the formats of which it is true, and a check of it on numbers. */
export type QuantizationLaw = GuardedLaw<QuantizationTrial, FormatLaw> & {
  /** @deprecated Use `check`. This one does not ask whether the law applies to the format. */
  holds(x: Float32Array, options: QuantizeOptions): boolean;
};

const guarded = guardLaws<QuantizationTrial, FormatLaw, keyof typeof laws>("quantizationLaws", laws, guard);

export const quantizationLaws = Object.fromEntries(
  Object.entries<GuardedLaw<QuantizationTrial, FormatLaw>>(guarded).map(([key, law]) => {
    const unguarded = laws[key as keyof typeof laws];
    return [
      key,
      {
        ...law,
        holds: (x: Float32Array, options: QuantizeOptions) => unguarded.check({ x, ...options }).holds,
      },
    ];
  }),
) as Readonly<Record<keyof typeof laws, QuantizationLaw>>;

/** A law with `holds`, which takes the members of a trial one by one. */
const withHolds = <Trial, Members extends unknown[]>(
  law: Law<Trial>,
  trialOf: (...members: Members) => Trial,
) => ({
  ...law,
  /** @deprecated Use `check`. */
  holds: (...members: Members): boolean => law.check(trialOf(...members)).holds,
});

export const trainingLaws = {
  gradients: withHolds(gradients, (layer: QuantizedLinear, x: NDArray, dY: NDArray) => ({ layer, x, dY })),
  paging: withHolds(
    paging,
    (
      values: readonly NDArray[],
      gradients: readonly (readonly (NDArray | null)[])[],
      settings: Partial<AdamSettings>,
      paging: PagedAdamWOptions,
    ) => ({ values, gradients, settings, paging }),
  ),
  untouched: withHolds(untouched, (model: Module, train: () => void) => ({ model, train })),
} as const;
