/** @file Adapter: what every method of the family is, seen from the model: an update of one layer's output. */

import type { Tensor } from "../../autograd/index.ts";
import { checkOptions, type NDArray, type Random } from "../../core/index.ts";
import { Module } from "../../nn/index.ts";
import type { Init } from "../init/index.ts";
import type { LoftQ } from "../init/residual.ts";
import { elsewhere } from "./elsewhere.ts";
import type { LayerInput, Site } from "./weight-view.ts";

/** The options that every method has, for the list `options` of its class. */
export const commonOptions = { rank: true, alpha: true, rankStabilized: true, dropout: true } as const;

export interface AdapterOptions {
  /** r: the inner size of the update. */
  readonly rank: number;
  /** α: the update is scaled by α/r (or α/√r when rank-stabilised). `rank` unless given. */
  readonly alpha?: number;
  /** Rank-stabilised scaling α/√r (Kalajdzievski 2023, arXiv:2312.03732). */
  readonly rankStabilized?: boolean;
  /** First values of A and B; "kaiming" unless given. See init.ts. */
  readonly init?: Init;
  /** For init "loftq": the weight before it was quantized. */
  readonly loftq?: LoftQ;
  /** Probability with which an element of x is dropped before A, in training. */
  readonly dropout?: number;
  readonly rng: Random;
}

/**
 * One adapter on one layer. The layer computes y = W x + b; with adapters, y + Σ update(x, W x).
 * Its parameters are the fields; A is [r, in], B is [out, r] at every site.
 */
export abstract class Adapter extends Module {
  /** Names of the options that the method takes, the generator not counted; one that says none takes any. */
  static readonly options?: readonly string[];
  abstract readonly method: string;
  readonly rank: number;
  readonly alpha: number;
  /** The factor on B A. */
  readonly scaling: number;
  /**
   * W − s B A [out, in] where the first A and B took a part of W over (init "pissa", "olora", "loftq"): what the layer
   * must hold from now on, so that it still computes W x. Null where the layer stays as it is.
   */
  remainder: NDArray | null = null;

  /** @throws ArgumentError on an option that the method does not have */
  constructor(options: AdapterOptions) {
    super();
    const { options: known } = new.target;
    if (known) checkOptions(new.target.name, options, [...known, "rng"], elsewhere);
    const { rank, alpha = rank, rankStabilized = false } = options;
    this.rank = rank;
    this.alpha = alpha;
    this.scaling = alpha / (rankStabilized ? Math.sqrt(rank) : rank);
  }

  /** What the adapter adds to the layer's output. `Wx` is site.project(x), [..., out]. */
  abstract update(site: Site, x: LayerInput, Wx: Tensor): Tensor;

  /** ΔW [out, in]: the update as a change of the weight. */
  abstract deltaWeight(site: Site): Tensor;

  /** B [out, r] and A [r, in] with ΔW = B A, where ΔW is such a product whatever W is; else null. */
  factors(): { readonly A: Tensor; readonly B: Tensor } | null {
    return null;
  }
}
