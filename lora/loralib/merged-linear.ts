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
import { AdapterError, optionNames, type Random, zeros } from "../../core/index.ts";
import { kaimingUniform } from "../../nn/index.ts";
import { Adapter, type AdapterOptions, commonOptions } from "../model/adapter.ts";
import { branchInput, factor } from "../model/low-rank.ts";
import type { LayerInput, Site } from "../model/weight-view.ts";

export interface MergedLinearOptions extends Omit<AdapterOptions, "init" | "loftq"> {
  /** Of equal slices of the outputs, in order, which are adapted: [true, false, true] for query and value. One, adapted, unless given. */
  readonly slices?: readonly boolean[];
}

export class MergedLinear extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<MergedLinearOptions, "rng">>({
    ...commonOptions,
    slices: true,
  });
  readonly method = "merged-linear";
  A: Parameter;
  B: Parameter;
  readonly slices: readonly boolean[];
  readonly dropout: number;
  readonly rng: Random;

  /** @throws AdapterError unless one slice at least is adapted and the outputs divide into the slices */
  constructor(site: Site, options: MergedLinearOptions) {
    super(options);
    const { rank, rng, dropout = 0, slices = [true] } = options;
    if (!Array.isArray(slices))
      throw new AdapterError(`slices: expected a list of true and false; got ${JSON.stringify(slices)}`);
    const adapted = slices.filter(Boolean).length;
    if (adapted === 0 || site.out % slices.length !== 0) {
      throw new AdapterError(
        `slices: expected slices that divide the ${site.out} outputs, one of them at least adapted; ` +
          `got [${slices.join(", ")}]`,
      );
    }
    this.slices = slices;
    this.dropout = dropout;
    this.rng = rng.split("dropout");
    this.A = factor(kaimingUniform(rng, [adapted * rank, site.in], site.in));
    this.B = factor(zeros([(adapted * site.out) / slices.length, rank]));
  }

  /** (α/r) B̃ A x. */
  override update(site: Site, x: LayerInput): Tensor {
    const z = site.down(branchInput(x, this.dropout, this.training, this.rng), this.A); // [..., k r]
    return site.up(z.mul(this.scaling), this.spread()); //                                 [..., out]
  }

  /** ΔW = (α/r) B̃ A   [out, in] */
  override deltaWeight(_site?: Site): Tensor {
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
