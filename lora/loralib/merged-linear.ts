/**
 * @file LoRA on a fused projection, such as GPT-2's query, key and value in one: some of its slices are adapted, each
 * with a pair of its own. loralib's MergedLinear (Hu et al., 2021, arXiv:2106.09685, and its code).
 *
 *     W0 = [W_1; …; W_n]      ΔW_j = (α/r) B_e A_e where slice j is adapted, the e-th that is; else 0
 *
 *     W0 [out, in] in n slices of out/n rows          k of the n slices adapted
 *     A [k r, in]    A_e are its blocks of r rows     B [k out/n, r]    B_e are its blocks of out/n rows
 *
 * All A_e x are one product. So are all B_e z_e: with B̃ [out, k r], which has B_e where row block j meets column block
 * e, ΔW = (α/r) B̃ A. (loralib computes them as a grouped convolution.)
 */

import { concat, matmul, type Parameter, pad, Tensor } from "../../autograd/index.ts";
import { AdapterError, optionNames, zeros } from "../../core/index.ts";
import { kaimingUniform } from "../../nn/index.ts";
import { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "../model/adapter.ts";
import type { LayerInput, WeightView } from "../model/weight-view.ts";

export interface MergedLinearOptions extends Omit<AdapterOptions, "init" | "loftq"> {
  /**
   * Which of the equal slices of the outputs are adapted, in order: [true, false, true] for query and value.
   * @default [true]
   */
  readonly slices?: readonly boolean[];
}

/** loralib's MergedLinear on one fused projection: some of its equal slices have a pair B_e, A_e each. */
export class MergedLinear extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<MergedLinearOptions, "rng">>({
    ...commonOptions,
    slices: true,
  });
  readonly method = "merged-linear";
  A: Parameter; // [k r, in]
  B: Parameter; // [k out/n, r]
  readonly slices: readonly boolean[];

  /** @throws AdapterError unless one slice at least is adapted and the outputs divide into the slices */
  constructor(W0: WeightView, options: MergedLinearOptions) {
    super(options);
    const { rank, rng, slices = [true] } = options;
    if (!Array.isArray(slices))
      throw new AdapterError(`slices: expected a list of true and false; got ${JSON.stringify(slices)}`);
    const adapted = slices.filter(Boolean).length;
    if (adapted === 0 || W0.out % slices.length !== 0) {
      throw new AdapterError(
        `slices: expected slices that divide the ${W0.out} outputs, one of them at least adapted; ` +
          `got [${slices.join(", ")}]`,
      );
    }
    this.slices = slices;
    this.A = adapterParameter(kaimingUniform(rng, [adapted * rank, W0.in], W0.in));
    this.B = adapterParameter(zeros([(adapted * W0.out) / slices.length, rank]));
  }

  /** ΔW x = (α/r) B̃ A x */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const z = W0.down(this.dropped(x), this.A); //        A x            [..., k r]
    return W0.up(z.mul(this.scaling), this.spread()); //  (α/r) B̃ A x    [..., out]
  }

  /** ΔW = (α/r) B̃ A   [out, in] */
  override deltaWeight(_W0?: WeightView): Tensor {
    return matmul(this.spread(), this.A).mul(this.scaling);
  }

  /** A and (α/r) B̃. */
  override factors(): { A: Tensor; B: Tensor } {
    return { A: this.A, B: this.spread().mul(this.scaling) };
  }

  /** B̃ [out, k r]. */
  private spread(): Tensor {
    const { B, slices } = this;
    const r = B.shape[1];
    const width = this.A.shape[0];
    const rows = B.shape[0] / (width / r); // out/n
    let e = 0;
    const blocks = slices.map((adapted) => {
      if (!adapted) return new Tensor(zeros([rows, width]));
      const block = pad(B.slice(0, e * rows, (e + 1) * rows), 1, e * r, width);
      e++;
      return block;
    });
    return concat(blocks, 0);
  }

  override describe(): string {
    return `r ${this.rank}, α ${this.alpha}, slices ${this.slices.map((adapted) => (adapted ? "■" : "□")).join("")}`;
  }
}
