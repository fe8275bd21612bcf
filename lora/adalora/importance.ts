/**
 * @file AdaLoRA's importance scores: how much each triplet matters to the loss. Zhang et al., 2023, arXiv:2303.10512, §3.2.
 *
 *     I_t(w) = |w ∂L/∂w|                                                 sensitivity        (Eq. 8)
 *     Ī_t = β₁ Ī_{t−1} + (1 − β₁) I_t                                    smoothed           (Eq. 9)
 *     Ū_t = β₂ Ū_{t−1} + (1 − β₂) |I_t − Ī_t|                            uncertainty        (Eq. 10)
 *     s_t(w) = Ī_t Ū_t                                                                      (Eq. 11)
 *     S_i = s(λ_i) + mean_j s(P_ji) + mean_j s(Q_ij)                     of triplet i       (Eq. 7)
 *
 * Ī and Ū start at zero, without correction, as in the authors' code.
 */

import type { Parameter } from "../../autograd/index.ts";
import { type NDArray, zeros } from "../../core/index.ts";
import type { AdaLoRA } from "./adalora.ts";

/** The score s(w): "smoothed" is Ī Ū, "sensitivity" I alone, "magnitude" S_i = |λ_i|; the last two as in Table 4. */
export type Measure = "smoothed" | "sensitivity" | "magnitude";

/** I, Ī and Ū of one parameter, with its shape; named as in the authors' code. */
export interface Score {
  readonly ipt: NDArray;
  readonly exp_avg_ipt: NDArray;
  readonly exp_avg_unc: NDArray;
}

/** The scores of the parameters of one adapter. */
export type TripletScores = Readonly<Record<"P" | "lambda" | "Q", Score>>;

const start = ({ shape }: Parameter): Score => ({
  ipt: zeros(shape, "optimizer"),
  exp_avg_ipt: zeros(shape, "optimizer"),
  exp_avg_unc: zeros(shape, "optimizer"),
});

/** The scores of an adapter before the first step: zeros. */
export const startScores = ({ P, lambda, Q }: AdaLoRA): TripletScores => ({
  P: start(P),
  lambda: start(lambda),
  Q: start(Q),
});

/** Updates the scores of an adapter from w and ∂L/∂w (Eq. 8–10). A parameter without a gradient keeps its scores. */
export function updateScores(
  adapter: AdaLoRA,
  scores: TripletScores,
  [beta1, beta2]: readonly [number, number],
): void {
  for (const name of ["P", "lambda", "Q"] as const) {
    const { value, gradValue } = adapter[name];
    if (!gradValue) continue;
    const [w, g] = [value.data, gradValue.data];
    const I = scores[name].ipt.storage.write();
    const smoothed = scores[name].exp_avg_ipt.storage.write();
    const uncertainty = scores[name].exp_avg_unc.storage.write();
    for (let i = 0; i < w.length; i++) {
      I[i] = Math.abs(w[i] * g[i]);
      smoothed[i] = beta1 * smoothed[i] + (1 - beta1) * I[i];
      uncertainty[i] = beta2 * uncertainty[i] + (1 - beta2) * Math.abs(I[i] - smoothed[i]);
    }
  }
}

/** S_i of every triplet of an adapter (Eq. 7). */
export function tripletScores(adapter: AdaLoRA, scores: TripletScores, measure: Measure): number[] {
  if (measure === "magnitude") return Array.from(adapter.lambda.value.data, Math.abs);
  const s = ({ ipt, exp_avg_ipt, exp_avg_unc }: Score): ((i: number) => number) =>
    measure === "sensitivity" ? (i) => ipt.data[i] : (i) => exp_avg_ipt.data[i] * exp_avg_unc.data[i];
  const [ofLambda, ofP, ofQ] = [s(scores.lambda), s(scores.P), s(scores.Q)];
  const [out, r] = adapter.P.shape;
  const into = adapter.Q.shape[1];
  return Array.from({ length: r }, (_, i) => {
    let [left, right] = [0, 0];
    for (let j = 0; j < out; j++) left += ofP(j * r + i);
    for (let j = 0; j < into; j++) right += ofQ(i * into + j);
    return ofLambda(i) + left / out + right / into;
  });
}
