/**
 * @file The analysis of DoRA's §3.2: how far training has moved a weight W [out, in] in magnitude and in direction, with
 * W = m V/‖V‖ and one magnitude per output unit, a row.
 *
 *     ΔM = mean |m_n − m⁰_n|             ΔD = mean (1 − cos(W_n, W⁰_n))          over the rows n          (Eq. 3, 4)
 */

export interface Deviation {
  /** ΔM */
  readonly magnitude: number;
  /** ΔD */
  readonly direction: number;
}

/**
 * ΔM and ΔD between the weights `W0` and `W`, both row-major with `inFeatures` columns. The cosine with a row of zeros
 * is taken as 1, since such a row has no direction that could change.
 *
 * @throws RangeError if the sizes do not fit
 */
export function deviation(W0: ArrayLike<number>, W: ArrayLike<number>, inFeatures: number): Deviation {
  const out = W0.length / inFeatures;
  if (!Number.isInteger(out) || W.length !== W0.length)
    throw new RangeError(
      `deviation: expected rows of ${inFeatures}; got ${W0.length} and ${W.length} numbers`,
    );
  let [magnitude, direction] = [0, 0];
  for (let n = 0; n < out; n++) {
    let [before, after, inner] = [0, 0, 0];
    for (let i = n * inFeatures; i < (n + 1) * inFeatures; i++) {
      before += W0[i] ** 2;
      after += W[i] ** 2;
      inner += W0[i] * W[i];
    }
    const norms = Math.sqrt(before) * Math.sqrt(after);
    magnitude += Math.abs(Math.sqrt(after) - Math.sqrt(before)) / out;
    direction += (norms > 0 ? 1 - inner / norms : 0) / out;
  }
  return { magnitude, direction };
}
