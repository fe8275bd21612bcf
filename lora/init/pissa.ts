/**
 * @file PiSSA: Principal Singular Values and Singular Vectors Adaptation. Meng et al., 2024, arXiv:2404.02948.
 *
 *     W = U S Vᵀ      A and B start as the r largest singular triplets, the layer keeps the rest          (Eq. 2–4)
 *
 *     B = U_r √(S_r/s)   [out, r]      A = √(S_r/s) V_rᵀ   [r, in]      R = W − s B A   [out, in], frozen
 *
 * The paper has no factor s; here s B A is what leaves W, as in PEFT, so that the layer starts at W whatever α is.
 */

import type { WeightView } from "../model/weight-view.ts";
import type { Initial, InitOptions } from "./index.ts";
import { bestApproximation, checkResidual, withResidual } from "./residual.ts";

/** PiSSA's initial values. @throws AdapterError unless r ≤ min(out, in) and α > 0 */
export function pissa(W0: WeightView, options: InitOptions): Initial {
  checkResidual(W0, options);
  const W = W0.weight().value;
  return withResidual(W, bestApproximation(W, options), options);
}
