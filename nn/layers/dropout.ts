/** @file Dropout (Srivastava et al., 2014, JMLR 15). */

import { dropout, type Tensor } from "../../autograd/index.ts";
import { ArgumentError, type Random, random } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { defaultRandom } from "./init.ts";

/** In training an element is kept with probability 1 − p and scaled by 1/(1 − p), or else set to zero; in evaluation y = x. */
export class Dropout extends Module {
  readonly p: number;
  /** The layer's own generator. */
  readonly generator: Random;

  /**
   * @param p probability that an element is dropped
   * @param options rng: one draw from it seeds the layer's own generator
   * @throws ArgumentError unless 0 ≤ p < 1
   */
  constructor(p: number, options: { readonly rng?: Random } = {}) {
    super();
    checkLayer("Dropout", options, ["rng"]);
    const { rng = defaultRandom() } = options;
    if (!(typeof p === "number" && p >= 0 && p < 1)) throw new ArgumentError("Dropout", "0 ≤ p < 1", { p });
    this.p = p;
    this.generator = random(rng.bits());
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, this.p, this.generator) : x;
  }

  override describe(): string {
    return `p ${this.p}`;
  }
}
