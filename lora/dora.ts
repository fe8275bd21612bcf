/**
 * @file DoRA: Weight-Decomposed Low-Rank Adaptation. Liu et al., 2024, arXiv:2402.09353.
 *
 *     W' = m V'/‖V'‖_c      V' = W0 + (α/r) B A                             (Eq. 5)
 *
 *     W0 [out, in]  pretrained, frozen       m [out]    magnitude, starts at ‖V'‖_c, which is ‖W0‖_c while B A = 0
 *     B  [out, r]   starts at zero           A [r, in]  starts Kaiming-uniform
 *
 * With g = m/‖V'‖_c [out], W' x = g ∘ (W0 x + (α/r) B A x): W' itself is never formed. For gradients ‖V'‖_c is a
 * constant (§4.3), so that V̄' = g ∘ W̄' (Eq. 11); `normGradient` gives the full gradient (Eq. 6) and keeps V' for it.
 *
 * Departures from the text, as in the authors' released code:
 * - ‖·‖_c is one norm per output unit, a row of our [out, in] layout; the text says columns of W [d, k].
 * - V' carries LoRA's factor α/r, which Eq. 5 leaves out.
 * - Dropout acts on x in both terms of the change: y = W0 x + (g − 1) W0 x̃ + g (α/r) B A x̃.
 *
 * Where ‖V'‖ is 0, g is 1: the row of W' is zero whatever g is, and with g = 1, unlike 0, B can still learn.
 */

import { isRecording, matmul, noGrad, type Parameter, Tensor, where } from "../autograd/index.ts";
import {
  concat,
  copy,
  currentPrecision,
  type NDArray,
  optionNames,
  type Random,
  scope,
} from "../core/index.ts";
import { firstValues } from "./init/index.ts";
import { Adapter, type AdapterOptions, commonOptions } from "./model/adapter.ts";
import { branchInput, factor } from "./model/low-rank.ts";
import { remembered } from "./model/remembered.ts";
import { type LayerInput, type Site, siteOf } from "./model/weight-view.ts";

export interface DoRAOptions extends AdapterOptions {
  /** Let gradients pass through ‖V'‖ too. False unless given (§4.3). */
  readonly normGradient?: boolean;
}

const constantNorms = remembered<Tensor>();

export class DoRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<DoRAOptions, "rng">>({
    ...commonOptions,
    init: true,
    loftq: true,
    normGradient: true,
  });
  readonly method = "dora";
  A: Parameter;
  B: Parameter;
  m: Parameter;
  readonly normGradient: boolean;
  readonly dropout: number;
  readonly rng: Random;

  constructor(site: Site, options: DoRAOptions) {
    super(options);
    this.normGradient = options.normGradient ?? false;
    this.dropout = options.dropout ?? 0;
    this.rng = options.rng.split("dropout");
    const { A, B, remainder } = firstValues(site, { ...options, scaling: this.scaling });
    this.A = factor(A);
    this.B = factor(B);
    this.remainder = remainder;
    const start = remainder ? siteOf(site.withWeight(remainder)) : site;
    this.m = factor(this.constantNorm(start).value); //                            m = ‖V'‖, so g = 1 to the last bit
  }

  /** (W' − W0) x. */
  override update(site: Site, x: LayerInput, W0x: Tensor): Tensor {
    const { A, B, scaling } = this;
    const dropped = branchInput(x, this.dropout, this.training, this.rng); //      x̃ [..., in]
    const base = dropped === x ? W0x : site.project(dropped); //                   W0 x̃ [..., out]
    const BAx = site.up(site.down(dropped, A).mul(scaling), B); //                 (α/r) B A x̃ [..., out]
    return site.scaleOutput(base.add(BAx), this.gain(site)).sub(base); //          g ∘ V' x̃ − W0 x̃
  }

  /** ΔW = W' − W0 = g ∘ V' − W0   [out, in] */
  override deltaWeight(site: Site): Tensor {
    return this.direction(site).mul(this.gain(site).reshape(site.out, 1)).sub(site.weight());
  }

  /** V' = W0 + (α/r) B A   [out, in] */
  direction(site: Site): Tensor {
    return site.weight().add(matmul(this.B.mul(this.scaling), this.A));
  }

  /** g = m/‖V'‖   [out] */
  gain(site: Site): Tensor {
    const c = this.normGradient ? this.direction(site).norm(1) : this.constantNorm(site);
    const empty = c.eq(0);
    return where(empty, 1, this.m.div(where(empty, 1, c)));
  }

  /** ‖V'‖ [out] without history. Outside training it is remembered until W0, A or B change: a text needs it once. */
  private constantNorm(site: Site): Tensor {
    if (isRecording()) return new Tensor(this.rowNorms(site));
    const { storage: a } = this.A.value;
    const { storage: b } = this.B.value;
    const of = [site, site.version(), a, a.version, b, b.version, currentPrecision()];
    return constantNorms(this, of, () => new Tensor(copy(this.rowNorms(site), "adapters")));
  }

  /**
   * ‖V'‖, with V' formed a block of rows at a time. The expansion ‖W0‖² + 2s⟨W0, BA⟩ + s²‖BA‖² needs no V' and takes
   * half the time (768 × 768, r = 8: 1.8 against 3.9 ms; W0 x of 256 tokens takes 18), but it cancels where B A takes
   * W0 away: with ‖V'‖ = ‖W0‖/100 four digits of the square are gone, and a row of zeros can come out as NaN.
   */
  private rowNorms(site: Site): NDArray {
    const rows = Math.max(1, Math.floor(BLOCK / site.in));
    return scope(() =>
      noGrad(() => {
        const W0 = site.weight();
        const norms = (from: number, to: number): NDArray =>
          scope(() => {
            const BA = matmul(this.B.slice(0, from, to).mul(this.scaling), this.A);
            return W0.slice(0, from, to).add(BA).norm(1).value;
          });
        const starts = Array.from({ length: Math.ceil(site.out / rows) }, (_, i) => i * rows);
        return concat(starts.map((from) => norms(from, Math.min(site.out, from + rows))));
      }),
    );
  }

  override describe(): string {
    return `r ${this.rank}, α ${this.alpha}, scaling ${this.scaling}`;
  }
}

/** Elements of V' that are in memory at a time. */
const BLOCK = 2 ** 20;
