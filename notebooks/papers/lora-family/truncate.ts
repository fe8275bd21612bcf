/** @file A model whose ΔW is cut to a rank: what is lost where an update becomes plain LoRA. */
import { array, scope, svd } from "lowrank/core";
import { isLinearLike, type LanguageModel } from "lowrank/nn";
import type { Update } from "./updates.ts";

/** A copy of the base with W0 + [ΔW]_r in every layer, [ΔW]_r the best approximation of rank r (Eckart and Young, 1936). */
export function truncatedModels(
  base: () => LanguageModel,
  updates: readonly Update[],
  ranks: readonly number[],
): LanguageModel[] {
  const models = ranks.map(() => base());
  for (const { layer, shape, delta } of updates) {
    const [out, into] = shape;
    const { U, S, V } = svd(delta, out, into);
    const p = S.length;
    models.forEach((model, k) => {
      const module = model.getModule(layer);
      if (!isLinearLike(module)) throw new RangeError(`${layer}: expected a linear layer`);
      const W = Float64Array.from(scope(() => module.denseWeight().value.data.slice()));
      for (let i = 0; i < out; i++)
        for (let t = 0; t < Math.min(ranks[k], p); t++)
          for (let j = 0, scale = U[i * p + t] * S[t]; j < into; j++) W[i * into + j] += scale * V[j * p + t];
      model.replaceModule(layer, module.withWeight(array(W, [out, into])) as typeof module);
    });
  }
  return models;
}
