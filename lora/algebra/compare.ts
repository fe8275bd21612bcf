/**
 * @file compare: two adapters by their ΔW, layer by layer. Never by A and B: B A = (B R⁻¹)(R A) for any invertible R.
 *
 *     φ(i, j) = ‖U₁ᵀ U₂‖²_F / min(i, j)      in [0, 1]        LoRA, Eq. 4: U₁ and U₂ the first i and j singular vectors
 *
 * φ is 1 when one span holds the other and 0 when they are orthogonal. Of random spans in n dimensions it is
 * max(i, j)/n on average. The principal angles are arccos of the singular values of U₁ᵀ U₂.
 */

import {
  AdapterError,
  checkOptions,
  frobeniusNorm,
  matmul,
  mT,
  type NDArray,
  scope,
  slice,
  svd,
  withPrecision,
} from "../../core/index.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { deltaAt, numericalRank, type Spectrum, spectrumAt } from "./spectrum.ts";

export interface LayerComparison {
  readonly layer: string;
  /** ‖ΔW‖_F of the first and the second; 0 where an adapter is not on the layer. */
  readonly norms: readonly [number, number];
  /** ⟨ΔW₁, ΔW₂⟩ / (‖ΔW₁‖ ‖ΔW₂‖); 0 where one is zero. */
  readonly cosine: number;
  /** ‖ΔW₁ − ΔW₂‖_F. */
  readonly distance: number;
  /** φ(i, j) at [i − 1][j − 1], up to the ranks of the two. */
  readonly overlap: readonly (readonly number[])[];
  /** Between the spans of all singular vectors, in radians, ascending. */
  readonly angles: readonly number[];
}

/**
 * @param options side: which singular vectors span the subspaces: "input", those that A spans (the paper's choice), or "output"
 * @throws AdapterError on an unknown name
 */
export function compare(
  model: AdaptedModel,
  first: string,
  second: string,
  options: { readonly side?: "input" | "output" } = {},
): LayerComparison[] {
  checkOptions("compare", options, ["side"]);
  const { side = "input" } = options;
  if (side !== "input" && side !== "output")
    throw new AdapterError(`compare: expected side to be "input" or "output"; got ${JSON.stringify(side)}`);
  const on = new Set([...model.adapter(first).keys(), ...model.adapter(second).keys()]);
  const basis = (spectrum: Spectrum): NDArray =>
    slice(side === "input" ? spectrum.V : spectrum.U, 1, 0, numericalRank(spectrum));
  return [...model.layers].flatMap(([path, layer]) => {
    if (!on.has(path)) return [];
    const comparison = scope(() =>
      withPrecision("float64", () => {
        const [d1, d2] = [first, second].map((name) => deltaAt(layer, name).data);
        const bases = [first, second].map((name) =>
          layer.adapters.has(name) ? basis(spectrumAt(layer, name)) : null,
        );
        const norms = [frobeniusNorm(d1), frobeniusNorm(d2)] as const;
        let inner = 0;
        for (let i = 0; i < d1.length; i++) inner += d1[i] * d2[i];
        const both = bases[0] && bases[1];
        return {
          norms,
          cosine: norms[0] * norms[1] > 0 ? inner / (norms[0] * norms[1]) : 0,
          distance: frobeniusNorm(Float64Array.from(d1, (value: number, i: number) => value - d2[i])),
          overlap: both ? subspaceOverlap(bases[0] as NDArray, bases[1] as NDArray) : [],
          angles: both ? principalAngles(bases[0] as NDArray, bases[1] as NDArray) : [],
        };
      }),
    );
    return [{ layer: path, ...comparison }];
  });
}

/**
 * φ(i, j) at [i − 1][j − 1] of two orthonormal bases, most important vector first.
 * @param U1 [n, p]
 * @param U2 [n, q]
 */
export function subspaceOverlap(U1: NDArray, U2: NDArray): number[][] {
  const G = products(U1, U2);
  const [p, q] = G.shape;
  const total = Array.from({ length: p }, () => new Array<number>(q).fill(0)); // Σ over the first i, j of G²
  return total.map((row, i) =>
    row.map((_, j) => {
      const before =
        (i > 0 ? total[i - 1][j] : 0) + (j > 0 ? row[j - 1] : 0) - (i > 0 && j > 0 ? total[i - 1][j - 1] : 0);
      row[j] = before + G.data[i * q + j] ** 2;
      return row[j] / Math.min(i + 1, j + 1);
    }),
  );
}

/** The principal angles between the spans of two orthonormal bases [n, p] and [n, q], in radians, ascending. */
export function principalAngles(U1: NDArray, U2: NDArray): number[] {
  const G = products(U1, U2);
  return Array.from(svd(G.data, G.shape[0], G.shape[1]).S, (cosine) => Math.acos(Math.min(1, cosine)));
}

/** U₁ᵀ U₂ [p, q]. */
function products(U1: NDArray, U2: NDArray): NDArray {
  if (U1.rank === 2 && U2.rank === 2 && U1.shape[0] === U2.shape[0]) return matmul(mT(U1), U2);
  throw new AdapterError(
    `overlap: expected bases [n, p] and [n, q]; got [${U1.shape.join(", ")}] and [${U2.shape.join(", ")}]`,
  );
}
