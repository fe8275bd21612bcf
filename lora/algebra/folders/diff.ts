/**
 * @file diffAdapters: two adapters' folders compared by their ΔW, layer by layer, from their factors alone.
 *
 *     ⟨ΔW₁, ΔW₂⟩ = Σ (B₁ᵀ B₂) ∘ (A₁ A₂ᵀ)                    [r₁, r₂]; ΔW is never formed
 *     ΔW₁ − ΔW₂ = [B₁ −B₂] [A₁; A₂]                         whose singular values give the distance, without cancelling
 *     φ(i, j) = ‖U₁ᵀ U₂‖²_F / min(i, j)                     LoRA, Eq. 4
 */

import {
  array,
  binary,
  checkOptions,
  concat,
  frobeniusNorm,
  matmul,
  mT,
  type NDArray,
  slice,
} from "../../../core/index.ts";
import { loadPretrained, type PretrainedModel } from "../../../nn/index.ts";
import type { AdaptedModel } from "../../model/adapted-model.ts";
import { loadAdapter } from "../../peft/index.ts";
import { compare, subspaceOverlap } from "../compare.ts";
import { type Factors, numericalRank, type Spectrum, spectrumOfProduct } from "../spectrum.ts";
import { checkSameShape, factorsOf, inDouble, openFactored } from "./updates.ts";

/** How two adapters differ on one layer. */
export interface LayerDifference {
  readonly layer: string;
  /** ‖ΔW‖_F of the first and the second; 0 for one that is not on the layer. */
  readonly norms: readonly [number, number];
  /** Ranks above rounding, of the first and the second. */
  readonly ranks: readonly [number, number];
  /** ‖ΔW₁ − ΔW₂‖_F. */
  readonly distance: number;
  /** The distance over √(‖ΔW₁‖² + ‖ΔW₂‖²): 0 when they are equal, 1 when orthogonal, √2 when opposite; 0 when both are 0. */
  readonly relative: number;
  /** ⟨ΔW₁, ΔW₂⟩ / (‖ΔW₁‖ ‖ΔW₂‖); 0 when one of them is zero. */
  readonly cosine: number;
  /** φ of the spans of all input singular vectors, which A spans; null when one has none. */
  readonly inputOverlap: number | null;
  /** φ of the spans of all output singular vectors, which B spans. */
  readonly outputOverlap: number | null;
}

/** How two adapters differ. */
export interface AdapterDifference {
  readonly layers: readonly LayerDifference[];
  /** Over all layers together. */
  readonly total: Pick<LayerDifference, "norms" | "distance" | "relative" | "cosine">;
  /** Copies of parameters of the base that one of them brings, or that differ: they are not in these numbers. */
  readonly others: readonly string[];
}

/**
 * Compares two adapters.
 *
 * @param options base: the folder of the base, needed where ΔW depends on it
 * @example
 * const { total } = diffAdapters("monday", "tuesday");
 * total.cosine; // 0.93
 * @throws CheckpointError when a folder is malformed, needs the base, or they are for different bases
 */
export function diffAdapters(
  first: string,
  second: string,
  options: { readonly base?: string } = {},
): AdapterDifference {
  checkOptions("diffAdapters", options, ["base"]);
  if (options.base !== undefined) return onBase(first, second, options.base);
  const folders = [first, second] as const;
  const opened = folders.map(openFactored);
  const names = [...new Set(opened.flatMap(({ layers }) => layers.map(({ name }) => name)))];
  const layers = names.map((name): LayerDifference => {
    const here = opened.map(({ byName }) => byName.get(name));
    const known = opened.flatMap(({ folder }, i) => (here[i] ? [[folder, here[i]] as const] : []));
    checkSameShape(name, known);
    return inDouble(() => {
      const factors = here.map((layer, i) => (layer ? factorsOf(folders[i], layer) : null));
      return { layer: name, ...differenceOf(factors[0], factors[1]) };
    });
  });
  const keys = new Set(opened.flatMap(({ others }) => [...others.keys()]));
  const same = (key: string): boolean => {
    const [a, b] = opened.map(({ others }) => others.get(key)?.bytes);
    return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
  };
  return { layers, total: totalOf(layers), others: [...keys].filter((key) => !same(key)) };
}

/** The comparison of two ΔW by their factors, in double precision; null is ΔW = 0. */
function differenceOf(first: Factors | null, second: Factors | null): Omit<LayerDifference, "layer"> {
  const spectra = [first, second].map((factors) => factors && spectrumOfProduct(factors));
  const norms = spectra.map((spectrum) => (spectrum ? frobeniusNorm(spectrum.S) : 0)) as [number, number];
  const ranks = spectra.map((spectrum) => (spectrum ? numericalRank(spectrum) : 0)) as [number, number];
  let [inner, distance] = [0, norms[0] || norms[1]];
  if (first && second) {
    const [left, right] = [matmul(mT(first.B), second.B), matmul(first.A, mT(second.A))].map(
      ({ data }) => data,
    );
    for (let i = 0; i < left.length; i++) inner += left[i] * right[i];
    const B = concat([first.B, binary("mul", second.B, array(-1, []))], 1);
    distance = frobeniusNorm(spectrumOfProduct({ B, A: concat([first.A, second.A], 0) }).S);
  }
  const overlap = (side: "U" | "V"): number | null => {
    const [a, b] = spectra as (Spectrum | null)[];
    if (!a || !b || ranks[0] === 0 || ranks[1] === 0) return null;
    const basis = (spectrum: Spectrum, rank: number): NDArray => slice(spectrum[side], 1, 0, rank);
    return subspaceOverlap(basis(a, ranks[0]), basis(b, ranks[1])).at(-1)?.at(-1) ?? null;
  };
  return {
    norms,
    ranks,
    ...ratios(norms, distance, inner),
    inputOverlap: overlap("V"),
    outputOverlap: overlap("U"),
  };
}

function ratios([a, b]: readonly [number, number], distance: number, inner: number) {
  const relative = a + b === 0 ? 0 : distance / Math.hypot(a, b);
  const cosine = a * b === 0 ? 0 : Math.min(1, Math.max(-1, inner / (a * b)));
  return { distance, relative, cosine };
}

/** The difference over all layers, as of one long vector. */
function totalOf(layers: readonly LayerDifference[]): AdapterDifference["total"] {
  const norms = [0, 1].map((i) => Math.hypot(...layers.map((layer) => layer.norms[i]))) as [number, number];
  const inner = layers.reduce((sum, { cosine, norms: [a, b] }) => sum + cosine * a * b, 0);
  return { norms, ...ratios(norms, Math.hypot(...layers.map(({ distance }) => distance)), inner) };
}

/** The same on the model, where ΔW depends on its weights. */
function onBase(first: string, second: string, base: string): AdapterDifference {
  const model = loadAdapter<PretrainedModel>(loadPretrained(base), first, { name: "first" });
  loadAdapter(model as AdaptedModel<PretrainedModel>, second, { name: "second" });
  const outputs = new Map(
    compare(model, "first", "second", { side: "output" }).map((one) => [one.layer, one]),
  );
  const layers = compare(model, "first", "second").map(
    ({ layer, norms, cosine, distance, overlap }): LayerDifference => {
      const output = outputs.get(layer)?.overlap ?? [];
      const ranks = [overlap.length, overlap[0]?.length ?? 0] as const;
      return {
        ...{ layer, norms, ranks, cosine, distance },
        relative: norms[0] + norms[1] === 0 ? 0 : distance / Math.hypot(...norms),
        inputOverlap: overlap.at(-1)?.at(-1) ?? null,
        outputOverlap: output.at(-1)?.at(-1) ?? null,
      };
    },
  );
  const own = [
    ...new Set(["first", "second"].flatMap((name) => model.ownParameters(name).map((one) => one.name))),
  ];
  return { layers, total: totalOf(layers), others: own };
}
