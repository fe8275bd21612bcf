/**
 * @file compare: two adapters by their ΔW, layer by layer, never by A and B: B A = (B R⁻¹)(R A) for any invertible R.
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
import type { AdaptedLayer } from "../model/adapted-layer.ts";
import type { AdaptedModel } from "../model/adapted-model.ts";
import { deltaAt, numericalRank, type Spectrum, spectrumAt } from "./spectrum.ts";

/** What `compare` says of one layer. */
export interface LayerComparison {
  /** The name of the layer. */
  readonly layer: string;
  /** ‖ΔW‖_F of the first and the second adapter; 0 for one that is not on the layer. */
  readonly norms: readonly [number, number];
  /** ⟨ΔW₁, ΔW₂⟩ / (‖ΔW₁‖ ‖ΔW₂‖); 0 when one of them is zero. */
  readonly cosine: number;
  /** ‖ΔW₁ − ΔW₂‖_F. */
  readonly distance: number;
  /** φ(i, j) at [i − 1][j − 1], up to the ranks of the two; empty when an adapter is not on the layer. */
  readonly overlap: readonly (readonly number[])[];
  /** The principal angles between the spans of all singular vectors, in radians, ascending. */
  readonly angles: readonly number[];
}

/** Which singular vectors span the subspaces that are compared. */
type Side = "input" | "output";

/**
 * Compares two adapters of a model, on every layer that one of them is on.
 *
 * @param options side: which singular vectors span the subspaces: "input" for those that A spans, the paper's choice, or
 *   "output" for those of B
 * @default side: "input"
 * @throws AdapterError on an unknown name or side
 * @example
 * const [{ layer, cosine, overlap }] = compare(model, "french", "legal");
 * overlap[0][0]; // φ(1, 1): how far the two first directions agree
 */
export function compare(
  model: AdaptedModel,
  first: string,
  second: string,
  options: { readonly side?: Side } = {},
): LayerComparison[] {
  checkOptions("compare", options, ["side"]);
  const { side = "input" } = options;
  if (side !== "input" && side !== "output")
    throw new AdapterError(`compare: expected side to be "input" or "output"; got ${JSON.stringify(side)}`);
  const names = [first, second] as const;
  const adapted = new Set(names.flatMap((name) => [...model.adapter(name).keys()]));
  return [...model.layers]
    .filter(([path]) => adapted.has(path))
    .map(([path, layer]) => ({
      layer: path,
      ...scope(() => withPrecision("float64", () => compareAt(layer, names, side))),
    }));
}

/** The comparison on one layer, in double precision. */
function compareAt(
  layer: AdaptedLayer,
  [first, second]: readonly [string, string],
  side: Side,
): Omit<LayerComparison, "layer"> {
  const [d1, d2] = [deltaAt(layer, first).data, deltaAt(layer, second).data];
  const norms = [frobeniusNorm(d1), frobeniusNorm(d2)] as const;
  let inner = 0;
  for (let i = 0; i < d1.length; i++) inner += d1[i] * d2[i];
  const bases = [first, second]
    .filter((name) => layer.adapters.has(name))
    .map((name) => basisOf(spectrumAt(layer, name), side));
  return {
    norms,
    cosine: norms[0] * norms[1] > 0 ? inner / (norms[0] * norms[1]) : 0,
    distance: frobeniusNorm(Float64Array.from(d1, (value: number, i: number) => value - d2[i])),
    overlap: bases.length === 2 ? subspaceOverlap(bases[0], bases[1]) : [],
    angles: bases.length === 2 ? principalAngles(bases[0], bases[1]) : [],
  };
}

/** The singular vectors of one side that belong to singular values above zero, [n, rank]. */
const basisOf = (spectrum: Spectrum, side: Side): NDArray =>
  slice(side === "input" ? spectrum.V : spectrum.U, 1, 0, numericalRank(spectrum));

/**
 * φ(i, j) of the spans of the first i and j vectors of two orthonormal bases, for all i and j.
 * @param U1 [n, p], the most important vector first
 * @param U2 [n, q]
 * @returns φ(i, j) at [i − 1][j − 1]
 * @throws AdapterError when the bases are not matrices with the same number of rows
 */
export function subspaceOverlap(U1: NDArray, U2: NDArray): number[][] {
  const G = innerProducts(U1, U2);
  const [p, q] = G.shape;
  const sums = Array.from({ length: p }, () => new Array<number>(q).fill(0)); // Σ G² over the first i rows, j columns
  return sums.map((row, i) =>
    row.map((_, j) => {
      const before =
        (i > 0 ? sums[i - 1][j] : 0) + (j > 0 ? row[j - 1] : 0) - (i > 0 && j > 0 ? sums[i - 1][j - 1] : 0);
      row[j] = before + G.data[i * q + j] ** 2;
      return row[j] / Math.min(i + 1, j + 1);
    }),
  );
}

/**
 * The principal angles between the spans of two orthonormal bases, in radians, ascending.
 * @param U1 [n, p]
 * @param U2 [n, q]
 * @throws AdapterError when the bases are not matrices with the same number of rows
 */
export function principalAngles(U1: NDArray, U2: NDArray): number[] {
  const G = innerProducts(U1, U2);
  return Array.from(svd(G.data, G.shape[0], G.shape[1]).S, (cosine) => Math.acos(Math.min(1, cosine)));
}

/** U₁ᵀ U₂ [p, q]. */
function innerProducts(U1: NDArray, U2: NDArray): NDArray {
  if (U1.rank === 2 && U2.rank === 2 && U1.shape[0] === U2.shape[0]) return matmul(mT(U1), U2);
  throw new AdapterError(
    `overlap: expected bases [n, p] and [n, q]; got [${U1.shape.join(", ")}] and [${U2.shape.join(", ")}]`,
  );
}
