/**
 * @file Rotary position embedding (Su et al., 2021, RoFormer, arXiv:2104.09864, §3.2.2): at position m the pair i of
 * coordinates is turned by the angle m θ_i, so that ⟨R_m q, R_n k⟩ depends on m − n only.
 *
 *     θ_i = base^(−2i/d), i = 0 … d/2 − 1
 *
 * Pairs are (i, i + d/2), the halves convention of Llama's published weights; the paper pairs neighbours (2i, 2i + 1),
 * which is the same after a permutation of the rows of Wq and Wk.
 */

import { rotate, Tensor } from "../autograd/index.ts";
import { ArgumentError, array, type IndexLike, indices, type Shape } from "../core/index.ts";
import type { Llama3RopeScaling } from "./config.ts";

/** Cosines and sines of the angles, [time, d/2] or [batch, time, d/2]. */
export interface Angles {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

export interface RotaryOptions {
  readonly base?: number;
  readonly scaling?: Llama3RopeScaling | null;
}

export class Rotary {
  /** θ_i. */
  readonly frequencies: Float64Array;

  /** @param d width of a head, even */
  constructor(d: number, { base = 10000, scaling = null }: RotaryOptions = {}) {
    if (!Number.isSafeInteger(d) || d < 2 || d % 2 !== 0)
      throw new ArgumentError("Rotary", "an even d", { d });
    this.frequencies = Float64Array.from({ length: d / 2 }, (_, i) => {
      const theta = base ** ((-2 * i) / d);
      return scaling ? stretched(theta, scaling) : theta;
    });
  }

  /**
   * Angles at the given positions, or at `positions` of them counted from `start`.
   * @param positions [time] or [batch, time]
   */
  angles(positions: number | IndexLike, start = 0): Angles {
    const at =
      typeof positions === "number"
        ? indices(Array.from({ length: positions }, (_, t) => start + t))
        : indices(positions);
    const h = this.frequencies.length;
    const shape: Shape = [...at.shape, h];
    const each = (f: (angle: number) => number): Tensor => {
      const values = new Float64Array(at.data.length * h);
      for (let t = 0; t < at.data.length; t++) {
        for (let i = 0; i < h; i++) values[t * h + i] = f(at.data[t] * this.frequencies[i]);
      }
      return new Tensor(array(values, shape));
    };
    return { cos: each(Math.cos), sin: each(Math.sin) };
  }

  /** R x: x [batch, heads, time, d] with each position's pairs turned by its angles. */
  turn(x: Tensor, { cos, sin }: Angles): Tensor {
    return rotate(x, cos, sin);
  }
}

/**
 * Llama 3.1's frequencies for contexts longer than it was trained on first (`original`): wavelengths λ = 2π/θ beyond
 * original/low are stretched by `factor`, those below original/high stay, and between the two is a linear transition.
 */
function stretched(theta: number, scaling: Llama3RopeScaling): number {
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  } = scaling;
  const turns = (original * theta) / (2 * Math.PI); // original/λ
  if (turns < low) return theta / factor;
  if (turns > high) return theta;
  const smooth = (turns - low) / (high - low);
  return (1 - smooth) * (theta / factor) + smooth * theta;
}
