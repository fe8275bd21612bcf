/**
 * @file VeRA: Vector-based Random Matrix Adaptation. Kopiczko, Blankevoort & Asano, 2024, arXiv:2310.11454. A method that
 * is not in the library, built on it: what it takes to try one of your own.
 *
 *     h = W0 x + Λ_b B Λ_d A x                                                  (Eq. 2)
 *
 *     A [r, in], B [out, r]   random, frozen, and shared by all layers
 *     d [r]    trained, starts at 0.1          b [out]   trained, starts at 0, so that ΔW = 0
 *
 * A layer trains r + out numbers. A smaller layer takes the first rows and columns of the shared matrices.
 */

import { matmul, type Parameter, type Tensor } from "lowrank/autograd";
import { full, optionNames, zeros } from "lowrank/core";
import {
  Adapter,
  type AdapterOptions,
  adapterParameter,
  defineMethod,
  type LayerInput,
  laws,
  type WeightView,
} from "lowrank/lora";
import { kaimingUniform } from "lowrank/nn";

export interface VeraOptions extends Pick<AdapterOptions, "rank" | "dropout" | "rng"> {
  /**
   * The initial value of d.
   * @default 0.1
   */
  readonly initialD?: number;
  /** A and B, large enough for every layer; `inject` supplies them. */
  readonly shared: { readonly A: Parameter; readonly B: Parameter };
}

/** VeRA on one layer: h = W0 x + Λ_b B Λ_d A x + b_layer. Only the vectors b and d are trained. */
export class VeRA extends Adapter {
  static override readonly options: readonly string[] = optionNames<Omit<VeraOptions, "rng" | "shared">>({
    rank: true,
    dropout: true,
    initialD: true,
  });
  readonly method = "vera";
  A: Parameter; // shared and frozen, at least [r, in]
  B: Parameter; // shared and frozen, at least [out, r]
  d: Parameter; // [r]
  b: Parameter; // [out]
  readonly in: number;

  constructor(W0: WeightView, options: VeraOptions) {
    super(options);
    const { rank, initialD = 0.1, shared } = options;
    this.in = W0.in;
    this.A = shared.A;
    this.B = shared.B;
    this.d = adapterParameter(full([rank], initialD));
    this.b = adapterParameter(zeros([W0.out]));
  }

  /** Λ_d A [r, in] and Λ_b B [out, r]. */
  override factors(): { A: Tensor; B: Tensor } {
    const { A, B, d, b } = this;
    const [r, out] = [d.size, b.size];
    return {
      A: A.slice(0, 0, r).slice(1, 0, this.in).mul(d.reshape(r, 1)),
      B: B.slice(0, 0, out).slice(1, 0, r).mul(b.reshape(out, 1)),
    };
  }

  /** ΔW x = Λ_b B Λ_d A x   (Eq. 2) */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    const { A, B } = this.factors();
    return W0.up(W0.down(this.dropped(x), A), B);
  }

  /** ΔW = Λ_b B Λ_d A   [out, in] */
  override deltaWeight(): Tensor {
    const { A, B } = this.factors();
    return matmul(B, A);
  }
}

/** VeRA as a value for `inject(model, { method: vera, rank: 256, target: … })`. */
export const vera = defineMethod({
  name: "vera",
  adapter: VeRA,
  count: {
    trained: (r, _, d_out) => r + d_out,
    shared: (r, d_in, d_out) => r * (d_in + d_out),
  },
  laws: [laws.rankAtMostR],
  shared(largest, _options, rng) {
    const frozen = (rows: number, columns: number, label: string): Parameter => {
      const matrix = adapterParameter(kaimingUniform(rng.split(label), [rows, columns], columns));
      matrix.requiresGrad = false;
      return matrix;
    };
    return { A: frozen(largest.rank, largest.in, "A"), B: frozen(largest.out, largest.rank, "B") };
  },
});
