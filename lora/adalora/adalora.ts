/**
 * @file AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning. Zhang et al., 2023, arXiv:2303.10512.
 *
 *     W = W0 + P Λ Q                                                          (Eq. 3)
 *     R(P, Q) = ‖Pᵀ P − I‖²_F + ‖Q Qᵀ − I‖²_F                                 (Eq. 4)
 *     loss = task loss + γ Σ R(P_k, Q_k)                                      (§3.2)
 *
 *     W0 [out, in]  pretrained, frozen         Λ = diag λ; lambda [r, 1] the singular values, which start at zero
 *     P  [out, r]   left singular vectors      Q [r, in] right singular vectors; both start Gaussian
 *
 * Triplet i is (P_*i, λ_i, Q_i*). The budget allocator (adalora-allocator.ts) masks a triplet by λ_i = 0 and keeps its
 * vectors, so that it can come back.
 *
 * An adapter that was loaded pruned keeps its masked triplets out for good, as PEFT, whose file does not hold them.
 *
 * What the text leaves open is as in the authors' code: P and Q start N(0, 0.02²); the update has LoRA's factor α/r,
 * r the rank at the start. Departures of the code, as options:
 * - `ranknum`: the factor is α/(r + 10⁻⁵), with r in the place of α where α is not positive, in their code and PEFT's.
 * - `orthogonality(…, { form: "code" })`: norms that are not squared, averaged over all P and Q.
 *
 * PEFT calls P lora_B, lambda lora_E and Q lora_A.
 */

import { add, matmul, mT, type Parameter, sub, type Tensor, tensor } from "../../autograd/index.ts";
import { AdapterError, checkOptions, optionNames, zeros } from "../../core/index.ts";
import { normal } from "../../nn/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "../model/adapter.ts";
import type { LayerInput, WeightView } from "../model/weight-view.ts";

export interface AdaLoraOptions extends Omit<AdapterOptions, "init" | "loftq"> {
  /** The factor α/(r + 1e-5) of the authors' code and of PEFT, for adapters that are exchanged with them. */
  readonly ranknum?: boolean;
}

/** AdaLoRA on one layer: h = W0 x + s P Λ Q x + b. P, Λ and Q are trained; a `BudgetAllocator` prunes Λ. */
export class AdaLoRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<AdaLoraOptions, "rng">>({
    ...commonOptions,
    ranknum: true,
  });
  readonly method = "adalora";
  P: Parameter; // [out, r]
  lambda: Parameter; // [r, 1]
  Q: Parameter; // [r, in]
  /** 1 for the triplets that take part, 0 for those that were pruned before it was loaded, [r, 1]; null when all do. */
  kept: Tensor | null = null;
  override readonly scaling: number;

  /** @throws AdapterError when both `ranknum` and `rankStabilized` are set */
  constructor(W0: WeightView, options: AdaLoraOptions) {
    super(options);
    const { rank, rng, ranknum = false, rankStabilized = false } = options;
    if (ranknum && rankStabilized)
      throw new AdapterError("ranknum, rankStabilized: expected one of them; got both");
    this.P = adapterParameter(normal(rng, [W0.out, rank], 0.02));
    this.lambda = adapterParameter(zeros([rank, 1]));
    this.Q = adapterParameter(normal(rng, [rank, W0.in], 0.02));
    const ofRanknum = (this.alpha > 0 ? this.alpha : rank) / (rank + 1e-5);
    this.scaling = ranknum ? ofRanknum : this.alpha / (rankStabilized ? Math.sqrt(rank) : rank);
  }

  /** ΔW x = s P Λ Q x   (Eq. 3) */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const z = W0.down(this.dropped(x), this.scaledRight()); // s Λ Q x      [..., r]
    return W0.up(z, this.P); //                                s P Λ Q x    [..., out]
  }

  /** ΔW = s P Λ Q   [out, in] */
  override deltaWeight(_W0?: WeightView): Tensor {
    return matmul(this.P, this.scaledRight());
  }

  /** s Λ Q   [r, in] */
  private scaledRight(): Tensor {
    const lambda = this.kept ? this.lambda.mul(this.kept) : this.lambda;
    return this.Q.mul(lambda.mul(this.scaling));
  }

  /** s Λ Q and P. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.scaledRight(), B: this.P };
  }

  /** False for a triplet that was pruned before the adapter was loaded. */
  isKept(triplet: number): boolean {
    return this.kept === null || this.kept.value.data[triplet] !== 0;
  }

  /** The number of singular values that are not masked. */
  override activeRank(): number {
    return this.lambda.value.data.filter((λ: number, i: number) => λ !== 0 && this.isKept(i)).length;
  }

  override describe(): string {
    return `r ${this.activeRank()} of ${this.rank}, α ${this.alpha}, scaling ${this.scaling}`;
  }
}

export interface OrthogonalityOptions {
  /**
   * γ (§4, Table 8: 0.1 to 0.5).
   * @default 0.1
   */
  readonly weight?: number;
  /**
   * "paper": γ Σ_k R(P_k, Q_k). "code": γ times the mean over all P and Q of ‖·‖_F, not squared, as in the authors' code
   * and PEFT's.
   * @default "paper"
   */
  readonly form?: "paper" | "code";
}

/** The term to add to the loss: a scalar. Of AdaLoRA's adapters, or of other P [out, r] and Q [r, in]: LoRA's B and A. */
export function orthogonality(
  pairs: Iterable<{ readonly P: Tensor; readonly Q: Tensor }>,
  options: OrthogonalityOptions = {},
): Tensor {
  checkOptions("orthogonality", options, ["weight", "form"], {
    gamma: "weight",
    γ: "weight",
    orth_reg_weight: "weight",
  });
  const { weight = 0.1, form = "paper" } = options;
  if (!Number.isFinite(weight))
    throw new AdapterError(`orthogonality: expected a finite weight; got ${weight}`);
  if (form !== "paper" && form !== "code")
    throw new AdapterError(
      `orthogonality: expected form to be "paper" or "code"; got ${JSON.stringify(form)}`,
    );
  const distances = Array.from(pairs, ({ P, Q }) => [
    distanceToIdentity(matmul(mT(P), P)), // Pᵀ P − I
    distanceToIdentity(matmul(Q, mT(Q))), // Q Qᵀ − I
  ]).flat();
  const terms = distances.map((D) => (form === "paper" ? D.square().sum() : D.norm()));
  const total = terms.reduce((sum, term) => add(sum, term), tensor(0, []));
  return total.mul(form === "paper" ? weight : weight / Math.max(1, terms.length));
}

/** G − I for a square G. */
function distanceToIdentity(G: Tensor): Tensor {
  const n = G.shape[0];
  return sub(
    G,
    tensor(
      Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
      [n, n],
    ),
  );
}
