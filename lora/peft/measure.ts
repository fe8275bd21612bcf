/** @file measureUpdate: norms, singular values and effective rank of one layer's update, from its factors. */

import { frobeniusNorm, scope, withPrecision } from "../../core/index.ts";
import { numericalRank, spectrumOfProduct } from "../algebra/spectrum.ts";
import type { OpenLayer } from "./open.ts";

/** How large an update is, and in how many directions. */
export interface UpdateMeasure {
  /** ‖A‖_F. */
  readonly normA: number;
  /** ‖B‖_F as in the file, without scaling and Λ. */
  readonly normB: number;
  /** ‖ΔW‖_F, of s B A. */
  readonly norm: number;
  /** The singular values of ΔW, descending: as many as the smallest of rank, outputs and inputs. */
  readonly singularValues: readonly number[];
  /** The number of singular values above rounding. */
  readonly numericalRank: number;
  /**
   * exp(−Σ p log p) with p = σ/Σσ: r for r equal singular values, 1 for a single direction, 0 for ΔW = 0 (Roy & Vetterli,
   * 2007, "The effective rank").
   */
  readonly effectiveRank: number;
}

/**
 * Measures an update in double precision, without forming ΔW: r² (in + out) operations.
 *
 * @returns null when the file has no factors A and B for the layer, or one of them holds NaN or ∞
 * @throws CheckpointError when the file cannot be read
 */
export function measureUpdate(layer: OpenLayer): UpdateMeasure | null {
  return scope(() =>
    withPrecision("float64", () => {
      const factors = layer.factors();
      if (!factors) return null;
      const { A, B } = factors;
      if (![A, B].every(({ data }) => data.every(Number.isFinite))) return null;
      const raw = [...layer.tensors].find(([key]) => /^lora_(embedding_)?B/.test(key) && !/bias$/.test(key));
      const [normA, normB] = [frobeniusNorm(A.data), raw ? frobeniusNorm(raw[1].floats()) : 0];
      if (layer.rank === 0 || B.data.length === 0 || A.data.length === 0)
        return { normA, normB, norm: 0, singularValues: [], numericalRank: 0, effectiveRank: 0 };
      const spectrum = spectrumOfProduct(factors);
      const singularValues = [...spectrum.S];
      return {
        normA,
        normB,
        norm: frobeniusNorm(spectrum.S),
        singularValues,
        numericalRank: numericalRank(spectrum),
        effectiveRank: effectiveRank(singularValues),
      };
    }),
  );
}

/** exp of the entropy of singular values as parts of their sum; 0 when all are 0. */
function effectiveRank(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const entropy = values.reduce((total, value) => {
    const p = value / sum;
    return p > 0 ? total - p * Math.log(p) : total;
  }, 0);
  return Math.exp(entropy);
}
