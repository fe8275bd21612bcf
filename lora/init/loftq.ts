/**
 * @file LoftQ: LoRA-Fine-Tuning-Aware Quantization for Large Language Models. Li et al., 2023, arXiv:2310.08659.
 *
 *     min ‖W − (q(R) + s B A)‖_F, with q the quantization, over R, A and B                          (Alg. 1)
 *
 * T times in turns: q(R) of what s B A leaves of W, then s B A as the best approximation of what q(R) leaves. In LoftQ's
 * own code B A has no factor s; here s B A is what leaves W, so that the layer starts at W whatever α is.
 */

import {
  AdapterError,
  binary,
  checkOptions,
  type NDArray,
  optionNames,
  sameShape,
} from "../../core/index.ts";
import { isLinearLike, Module } from "../../nn/index.ts";
import { elsewhere } from "../model/elsewhere.ts";
import { viewWeight, type WeightView } from "../model/weight-view.ts";
import type { Initial, InitOptions } from "./index.ts";
import { bestApproximation, checkResidual, withResidual } from "./residual.ts";

export interface LoftQ {
  /**
   * W [out, in] before quantization, or the model before it, whose layer of the same name holds W: the quantized layer
   * cannot tell what was lost.
   */
  readonly original: NDArray | Module;
  /**
   * T of Algorithm 1.
   * @default 5, as in the paper's experiments
   */
  readonly iterations?: number;
}

const loftqOptions = optionNames<LoftQ>({ original: true, iterations: true });

/** LoftQ's options for the layer of that name. @throws AdapterError when the original there is no linear layer */
export function loftqAt(name: string, options: LoftQ): LoftQ {
  checkOptions("loftq", options, loftqOptions, elsewhere);
  const { original, ...rest } = options;
  if (!(original instanceof Module)) return { original, ...rest };
  const layer = original.getModule(name);
  if (isLinearLike(layer)) return { original: layer.denseWeight().value, ...rest };
  throw new AdapterError(`loftq: expected a linear layer at ${name}; got ${layer.constructor.name}`);
}

/**
 * LoftQ's initial values, for a quantized layer.
 * @throws AdapterError unless r ≤ min(out, in), α > 0, the layer is quantized and `loftq.original` is its weight before
 */
export function loftq(W0: WeightView, options: InitOptions): Initial {
  checkResidual(W0, options);
  const { original: W, iterations = 5 } = options.loftq ?? {};
  if (!W || W instanceof Module || !sameShape(W.shape, [W0.out, W0.in]) || !(iterations >= 1)) {
    throw new AdapterError(
      `init loftq: expected loftq.original, the weight [${W0.out}, ${W0.in}] before quantization, and ` +
        `loftq.iterations ≥ 1; got ${W && !(W instanceof Module) ? `[${W.shape.join(", ")}]` : "none"}, ${iterations}`,
    );
  }
  let residual = W;
  for (let t = 1; ; t++) {
    const quantized = viewWeight(W0.withWeight(residual)).weight().value; // q(W − s B A)
    const error = binary("sub", W, quantized);
    if (t === 1 && error.data.every((value: number) => value === 0))
      throw new AdapterError("init loftq: expected a quantized layer; this one keeps its weight exactly");
    const pair = bestApproximation(error, options);
    if (t >= iterations) return { ...pair, residual };
    residual = withResidual(W, pair, options).residual as NDArray;
  }
}
