/**
 * @file What scaling a part of a trained update does: the top intruder of each matrix, a neighbour of it that is none, or
 * the whole update. Shuttleworth et al., 2024, arXiv:2410.21228, §5.
 */
import { validationLoss } from "../../support/experiments/evaluation.ts";
import {
  type Detection,
  intrudersOf,
  putWeights,
  type Spectrum,
  scaled,
  similarities,
  spectrumOf,
  type Weight,
  weightsOf,
} from "./intruders.ts";
import type { ScaledLoss } from "./pictures.ts";
import type { Ground, Kept } from "./runs.ts";

export const PARTS = ["the whole update", "the top intruders", "their neighbours"] as const;

/** The losses of a trained model whose parts are scaled by each of the factors. */
export function scalings(
  { shift, own, ownLoss, weights, spectra }: Ground,
  { model, point }: Kept,
  factors: readonly number[],
  detection: Detection,
): ScaledLoss[] {
  const after = weightsOf(model);
  const found = [...after].map(([name, weight]) => {
    const spectrum = spectrumOf(weight);
    const all = intrudersOf(spectra.get(name) as Spectrum, spectrum, weight.out, {
      ...detection,
      k: spectrum.S.length,
    });
    const top = all.find((j) => j < detection.k);
    return {
      name,
      weight,
      spectrum,
      top,
      near: top === undefined ? undefined : neighbour(top, all, spectrum.S),
    };
  });
  const changed = (what: (typeof PARTS)[number], factor: number): Map<string, Weight> =>
    new Map(
      found.map(({ name, weight, spectrum, top, near }) => {
        if (what === "the whole update") return [name, between(weights.get(name) as Weight, weight, factor)];
        const which = what === "the top intruders" ? top : near;
        return [name, which === undefined ? weight : scaled(weight, spectrum, [which], factor)];
      }),
    );
  return PARTS.flatMap((what) =>
    factors.map((factor): ScaledLoss => {
      const judged = putWeights(model, changed(what, factor));
      const losses = {
        learned: validationLoss(judged, shift.domain),
        forgotten: validationLoss(judged, own) - ownLoss,
      };
      putWeights(model, after);
      return { what, factor, seed: point.seed, ...losses };
    }),
  );
}

/** The singular value nearest to that of the intruder among those of no intruder. */
function neighbour(top: number, intruders: readonly number[], S: Float64Array): number | undefined {
  const others = Array.from(S.keys()).filter((j) => !intruders.includes(j));
  if (others.length === 0) return undefined;
  return others.reduce((best, j) => (Math.abs(S[j] - S[top]) < Math.abs(S[best] - S[top]) ? j : best));
}

/** W₀ + λ (W − W₀). */
function between(before: Weight, after: Weight, factor: number): Weight {
  const values = before.values.map((value, i) => value + factor * (after.values[i] - value));
  return { ...after, values };
}

/** Of each seed: the share of the forgetting that a factor removes, less the share of the learning that it costs. */
export function netShare(
  rows: readonly ScaledLoss[],
  what: string,
  factor: number,
  newLoss: number,
): number[] {
  const of = (part: string, by: number, seed: number): ScaledLoss =>
    rows.find((row) => row.what === part && row.factor === by && row.seed === seed) as ScaledLoss;
  return [...new Set(rows.map(({ seed }) => seed))].map((seed) => {
    const [plain, less] = [of(what, 1, seed), of(what, factor, seed)];
    const removed = (plain.forgotten - less.forgotten) / plain.forgotten;
    const cost = (less.learned - plain.learned) / (newLoss - plain.learned);
    return removed - cost;
  });
}

/** |cos| of the first singular vectors, after and before, in the matrix of the second MLP layer of the last block. */
export function mostChanged({ spectra }: Ground, { model }: Kept, first: number): number[][] {
  const [name, weight] = [...weightsOf(model)]
    .filter(([one]) => one.endsWith("mlp.c_proj.weight"))
    .slice(-1)[0];
  return similarities(spectra.get(name) as Spectrum, spectrumOf(weight), weight.out, first);
}
