/** @file ΔW of every linear layer after training, in double precision, and its singular values. */

import { noGrad } from "lowrank/autograd";
import { frobeniusNorm, scope, svd, withPrecision } from "lowrank/core";
import { isLinearLike, type LanguageModel } from "lowrank/nn";
import type { Trained } from "../../support/methods/recipes.ts";

/** ΔW [out, in] of one layer. */
export interface Update {
  /** The layer's name, "transformer.h.0.attn.c_attn". */
  readonly layer: string;
  readonly shape: readonly [out: number, into: number];
  readonly delta: Float64Array;
  /** Its singular values, in descending order. */
  readonly values: Float64Array;
  /** ‖ΔW‖_F / ‖W0‖_F */
  readonly size: number;
  /** Number of singular values above the roundings. */
  readonly rank: number;
}

/** Singular values below this part of ‖W0‖ are roundings: float32 has 24 bits. */
const ROUNDING = 2 ** -24;

/** The dense weights [out, in] of the layers that adapters go on, by name. */
function weights(model: LanguageModel): Map<string, { data: Float64Array; shape: readonly number[] }> {
  return new Map(
    [...model.namedModules()].flatMap(([name, module]) =>
      isLinearLike(module) && /(c_attn|c_proj|c_fc|[a-z]+_proj)$/.test(name)
        ? [
            [
              name,
              scope(() => {
                const W = noGrad(() => module.denseWeight().value);
                return { data: Float64Array.from(W.data), shape: W.shape };
              }),
            ] as const,
          ]
        : [],
    ),
  );
}

/** ΔW of every adapted layer: of adapters from their own factors, of other methods as a difference of weights. */
export function updatesOf({ model, adapters }: Trained, base: LanguageModel): Update[] {
  const before = weights(base);
  const after = adapters ? null : weights(model);
  return [...before].map(([name, { data: W0, shape }]): Update => {
    const [out, into] = shape as [number, number];
    const delta = adapters
      ? scope(() =>
          withPrecision("float64", () =>
            noGrad(() => {
              const layer = adapters.layers.get(name);
              return layer
                ? Float64Array.from(layer.delta("default").value.data)
                : new Float64Array(out * into);
            }),
          ),
        )
      : (after?.get(name)?.data ?? W0).map((value, i) => value - W0[i]);
    const values = Float64Array.from(svd(delta, out, into).S);
    const whole = frobeniusNorm(W0);
    return {
      layer: name,
      shape: [out, into],
      delta,
      values,
      size: frobeniusNorm(delta) / whole,
      rank: values.filter((value) => value > ROUNDING * whole).length,
    };
  });
}
