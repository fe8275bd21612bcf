/** @file Adapter: the base class of all methods. One adapter changes the weight of one layer by ΔW. */

import { dropout, type Parameter, parameter, Tensor } from "../../autograd/index.ts";
import { checkOptions, type NDArray, type Random } from "../../core/index.ts";
import { Module } from "../../nn/index.ts";
import type { Init } from "../init/index.ts";
import type { LoftQ } from "../init/loftq.ts";
import { elsewhere } from "./elsewhere.ts";
import type { LayerInput, WeightView } from "./weight-view.ts";

/** The options that most methods have, for the list `options` of their classes. */
export const commonOptions = { rank: true, alpha: true, rankStabilized: true, dropout: true } as const;

export interface AdapterOptions {
  /** r, the inner size of the update. */
  readonly rank: number;
  /**
   * α: the update is scaled by s = α/r, or by α/√r when it is rank-stabilized.
   * @default rank
   */
  readonly alpha?: number;
  /**
   * Rank-stabilized scaling, s = α/√r (Kalajdzievski 2023, arXiv:2312.03732).
   * @default false
   */
  readonly rankStabilized?: boolean;
  /**
   * Initial values of A and B; see init/index.ts.
   * @default "kaiming"
   */
  readonly init?: Init;
  /** For `init: "loftq"`: the weight before it was quantized. */
  readonly loftq?: LoftQ;
  /**
   * Probability with which an element of x is dropped in training, on its way into A.
   * @default 0
   */
  readonly dropout?: number;
  /** The generator of initial values and of dropout; `inject` makes one from its option `seed`. */
  readonly rng: Random;
}

/**
 * One adapter on one layer with the frozen weight W0 [out, in]. The adapted layer computes
 *
 *     h = W0 x + ΔW x + b
 *
 * A method extends this class: it makes its parameters in the constructor, writes ΔW x in `delta` and ΔW itself in
 * `deltaWeight`. The base has what all methods share: the sum above, the scaling s, dropout, the names of options.
 * Parameters are the fields of the adapter, as in any Module. At every layer W0 is seen through a `WeightView`, as one
 * matrix, so that a method is written once for linear layers, embeddings, convolutions and quantized layers.
 */
export abstract class Adapter extends Module {
  /** Names of the options that the method takes, `rng` not counted. A class without this list takes any. */
  static readonly options?: readonly string[];
  /** The name of the method, as in `inject(model, { method })`. */
  abstract readonly method: string;
  /** r */
  readonly rank: number;
  /** α */
  readonly alpha: number;
  /** s, the factor on the update: α/r, or α/√r when rank-stabilized. */
  readonly scaling: number;
  /** Probability of dropout on x, in training. */
  readonly dropout: number;
  /** The generator of dropout. */
  readonly rng: Random;
  /**
   * For PiSSA, OLoRA and LoftQ, whose initial A and B take a part of W over: the residual weight W − s B A [out, in],
   * which the layer must hold from now on so that it still computes W x. Null when the layer keeps its weight.
   */
  residual: NDArray | null = null;

  /** @throws ArgumentError on an option that the method does not have */
  constructor(options: AdapterOptions) {
    super();
    const { options: known } = new.target;
    if (known) checkOptions(new.target.name, options, [...known, "rng", "shared"], elsewhere);
    const { rank, alpha = rank, rankStabilized = false, dropout = 0, rng } = options;
    this.rank = rank;
    this.alpha = alpha;
    this.scaling = alpha / (rankStabilized ? Math.sqrt(rank) : rank);
    this.dropout = dropout;
    this.rng = rng.split("dropout");
  }

  /** h = W0 x + ΔW x + b   [..., out] */
  forward(W0: WeightView, x: LayerInput): Tensor {
    const W0x = W0.project(x);
    const y = W0.addBias(W0x.add(this.delta(W0, x, W0x)));
    const db = this.deltaBias();
    return db ? W0.shiftOutput(y, db) : y;
  }

  /**
   * ΔW x, what the adapter adds to the layer's output.
   * @param W0 the frozen weight [out, in]
   * @param x [..., in], or ids for an embedding
   * @param W0x W0 x [..., out], for methods that need it
   * @returns [..., out]
   */
  abstract delta(W0: WeightView, x: LayerInput, W0x: Tensor): Tensor;

  /** ΔW [out, in], the update as a change of the weight: what merging adds to W0. */
  abstract deltaWeight(W0: WeightView): Tensor;

  /** Δb [out], the update as a change of the layer's bias: what merging adds to it. Null: none. */
  deltaBias(): Tensor | null {
    return null;
  }

  /** B [out, r] and A [r, in] with ΔW = B A, when ΔW is such a product whatever W0 is; else null. */
  factors(): { readonly A: Tensor; readonly B: Tensor } | null {
    return null;
  }

  /** The rank in use: r, or less where a method prunes. */
  activeRank(): number {
    return this.rank;
  }

  /** One line about the adapter, for `print` and tables. */
  override describe(): string {
    return `r ${this.rank}, α ${this.alpha}, scaling ${this.scaling}`;
  }

  /** x with dropout in training; ids pass unchanged. */
  protected dropped(x: LayerInput): LayerInput {
    const { training, dropout: p } = this;
    return training && p > 0 && x instanceof Tensor ? dropout(x, p, this.rng) : x;
  }

  /** @deprecated Named `delta` now. */
  update(W0: WeightView, x: LayerInput, W0x: Tensor = W0.project(x)): Tensor {
    return this.delta(W0, x, W0x);
  }

  /** @deprecated Named `residual` now. */
  get remainder(): NDArray | null {
    return this.residual;
  }
}

/** A parameter of an adapter: trainable, and counted under the category `adapters` of memory. */
export const adapterParameter = (values: NDArray): Parameter => parameter(values, "adapters");
