/**
 * @file The analysis of DoRA's §3.2: how far training has moved a weight W [out, in] in magnitude and in direction, with
 * W = m V/‖V‖ and one magnitude per output unit, a row.
 *
 *     ΔM = mean |m_n − m⁰_n|             ΔD = mean (1 − cos(W_n, W⁰_n))          over the rows n          (Eq. 3, 4)
 */
import { noGrad } from "lowrank/autograd";
import { random } from "lowrank/core";
import type { GPT2, LinearLike } from "lowrank/nn";
import { mean } from "../../support/experiments/statistics.ts";

export interface Deviation {
  /** ΔM */
  readonly magnitude: number;
  /** ΔD */
  readonly direction: number;
}

/**
 * The change of each row from `W0` to `W`, both row-major with `inFeatures` columns. The cosine with a row of zeros is
 * taken as 1, since such a row has no direction that could change.
 *
 * @throws RangeError if the sizes do not fit
 */
export function rowDeviations(W0: ArrayLike<number>, W: ArrayLike<number>, inFeatures: number): Deviation[] {
  const out = W0.length / inFeatures;
  if (!Number.isInteger(out) || W.length !== W0.length)
    throw new RangeError(
      `deviation: expected rows of ${inFeatures}; got ${W0.length} and ${W.length} numbers`,
    );
  return Array.from({ length: out }, (_, n) => {
    let [before, after, inner] = [0, 0, 0];
    for (let i = n * inFeatures; i < (n + 1) * inFeatures; i++) {
      before += W0[i] ** 2;
      after += W[i] ** 2;
      inner += W0[i] * W[i];
    }
    const norms = Math.sqrt(before) * Math.sqrt(after);
    return {
      magnitude: Math.abs(Math.sqrt(after) - Math.sqrt(before)),
      direction: norms > 0 ? 1 - inner / norms : 0,
    };
  });
}

/** ΔM and ΔD between the weights `W0` and `W`: the means over the rows. */
export function deviation(W0: ArrayLike<number>, W: ArrayLike<number>, inFeatures: number): Deviation {
  const rows = rowDeviations(W0, W, inFeatures);
  return {
    magnitude: mean(rows.map(({ magnitude }) => magnitude)),
    direction: mean(rows.map(({ direction }) => direction)),
  };
}

/** ΔM and ΔD of one block's queries after some steps, with those of each row. */
export interface Moved extends Deviation {
  readonly step: number;
  readonly block: number;
  readonly rows: readonly Deviation[];
}

/** The query matrices W_q [d, d] of a GPT-2, block by block: the first third of the rows of c_attn. */
export function queries(model: GPT2): Float32Array[] {
  const size = model.config.n_embd ** 2;
  return model.transformer.h.map((_, block) => {
    const layer = model.getModule(`transformer.h.${block}.attn.c_attn`) as unknown as LinearLike;
    return noGrad(() => Float32Array.from(layer.denseWeight().toArray().slice(0, size)));
  });
}

/** Follows the queries of a model in training: `afterStep` goes into `fit`, and `moved` holds what it saw. */
export function follow(model: GPT2, moments: readonly number[]) {
  const before = queries(model);
  const d = model.config.n_embd;
  const moved: Moved[] = [];
  const afterStep = (index: number): void => {
    if (!moments.includes(index + 1)) return;
    queries(model).forEach((W, block) => {
      const rows = rowDeviations(before[block], W, d);
      moved.push({ step: index + 1, block, rows, ...deviation(before[block], W, d) });
    });
  };
  return { moved, afterStep };
}

/**
 * What a random update of the weights `W0` does to them: ΔD and ΔM at several sizes, independent normal numbers being
 * added to every weight. In d dimensions nearly all of such an update is at right angles to the row.
 */
export function randomUpdates(W0: readonly Float32Array[], d: number, sizes: readonly number[]): Deviation[] {
  const all = W0.flatMap((W) => [...W]);
  const scale = Math.sqrt(mean(all.map((w) => w * w)));
  return sizes.map((size, i) => {
    const noise = random(i).normal(all.length, 0, size * scale);
    return deviation(
      all,
      all.map((w, k) => w + noise[k]),
      d,
    );
  });
}
