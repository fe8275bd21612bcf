/**
 * @file Rotary position embedding (Su et al., 2021, RoFormer, arXiv:2104.09864, §3.2.2): at position m the pair i of
 * coordinates is turned by the angle m θ_i, so that ⟨R_m q, R_n k⟩ depends on m − n only.
 *
 *     θ_i = base^(−2i/d), i = 0 … d/2 − 1
 *
 * Pairs are (i, i + d/2), the halves convention of Llama's published weights; the paper pairs neighbours (2i, 2i + 1),
 * which is the same after a permutation of the rows of Wq and Wk.
 */

import { rotate, Tensor } from "../../autograd/index.ts";
import { ArgumentError, array, type IndexLike, indices, type Shape } from "../../core/index.ts";
import type { Llama3RopeScaling, RopeScaling, YarnRopeScaling } from "../config/config.ts";
import { checkLayer } from "../module/options.ts";

/** Cosines and sines of the angles, [time, d/2] or [batch, time, d/2]. */
export interface Angles {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** The options of `Rotary`. */
export interface RotaryOptions {
  /** Base of the frequencies. @default 10000 */
  readonly base?: number;
  /** How the frequencies are changed for inputs longer than those of the training. @default null, not at all */
  readonly scaling?: RopeScaling | null;
}

/**
 * Rotary position embedding for heads of width d.
 *
 * @example
 * const rotary = new Rotary(64);
 * const q = rotary.turn(queries, rotary.angles(time)); //       queries [batch, heads, time, 64]
 */
export class Rotary {
  /** θ_i, one for each pair of coordinates. */
  readonly frequencies: Float64Array;
  /** Factor on cosines and sines; 1 except with YaRN. */
  readonly magnitude: number;

  /**
   * @param d width of a head
   * @throws ArgumentError unless d is even and base positive
   */
  constructor(d: number, options: RotaryOptions = {}) {
    checkLayer("Rotary", options, ["base", "scaling"]);
    const { base = 10000, scaling = null } = options;
    if (!Number.isSafeInteger(d) || d < 2 || d % 2 !== 0)
      throw new ArgumentError("Rotary", "an even d", { d });
    if (typeof base !== "number" || !(base > 0 && base < Infinity))
      throw new ArgumentError("Rotary", "a positive base", { base });
    const thetas = Float64Array.from({ length: d / 2 }, (_, i) => base ** ((-2 * i) / d));
    this.frequencies = scaling ? scaled(thetas, base, scaling) : thetas;
    this.magnitude = scaling?.rope_type === "yarn" ? scaling.attention_factor : 1;
  }

  /**
   * The cosines and sines at each position.
   * @param positions the positions, [time] or [batch, time]; or a number n, for the positions start … start + n − 1
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
        for (let i = 0; i < h; i++) values[t * h + i] = this.magnitude * f(at.data[t] * this.frequencies[i]);
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

function scaled(thetas: Float64Array, base: number, scaling: RopeScaling): Float64Array {
  switch (scaling.rope_type) {
    case "linear":
      return thetas.map((theta) => theta / scaling.factor);
    case "dynamic":
      return thetas; // unchanged up to max_position_embeddings, the longest input of a model here
    case "yarn":
      return interpolatedByParts(thetas, base, scaling);
    case "llama3":
      return thetas.map((theta) => stretched(theta, scaling));
  }
}

/**
 * YaRN's "NTK-by-parts" (Peng et al., 2023, arXiv:2309.00071, §3.2): pairs that turn more than beta_fast times within the
 * original context stay, those that turn less than beta_slow times are slowed by `factor`, and between the two is a ramp
 * over the pairs' numbers.
 */
function interpolatedByParts(
  thetas: Float64Array,
  base: number,
  { factor, original_max_position_embeddings: original, beta_fast, beta_slow, truncate }: YarnRopeScaling,
): Float64Array {
  const d = 2 * thetas.length;
  /** The pair i, as a real number, that turns this many times: original · base^(−2i/d) = 2π turns. */
  const pairThatTurns = (turns: number): number =>
    (d * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(base));
  const [first, last] = [pairThatTurns(beta_fast), pairThatTurns(beta_slow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const end = Math.min(truncate ? Math.ceil(last) : last, d - 1);
  const high = low === end ? end + 0.001 : end; // no division by zero
  return thetas.map((theta, i) => {
    const slowed = Math.min(Math.max((i - low) / (high - low), 0), 1);
    return slowed * (theta / factor) + (1 - slowed) * theta;
  });
}

/**
 * Llama 3.1's frequencies for contexts longer than those of its first training (`original`): wavelengths λ = 2π/θ beyond
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
