/** @file What the variants truly share: checking options, parameters, dropout on the branch. */

import { dropout, type Parameter, parameter, Tensor } from "../../autograd/index.ts";
import { AdapterError, type NDArray, type Random } from "../../core/index.ts";
import type { AdapterOptions } from "./adapter.ts";
import type { LayerInput } from "./weight-view.ts";

/** A trainable factor: counted under `adapters`. */
export const factor = (values: NDArray): Parameter => parameter(values, "adapters");

/** x with dropout in training; ids pass unchanged. */
export function branchInput(x: LayerInput, p: number, training: boolean, rng: Random): LayerInput {
  return training && p > 0 && x instanceof Tensor ? dropout(x, p, rng) : x;
}

/** @throws AdapterError unless rank is a positive integer, alpha finite, dropout in [0, 1), and switches are booleans */
export function checkValues(options: Omit<AdapterOptions, "rng">): void {
  const { rank, alpha = rank, dropout: p = 0 } = options;
  if (!Number.isSafeInteger(rank) || rank <= 0)
    throw new AdapterError(`rank: expected a positive integer; got ${rank}`);
  if (!Number.isFinite(alpha)) throw new AdapterError(`alpha: expected a finite number; got ${alpha}`);
  if (typeof p !== "number" || !(p >= 0 && p < 1))
    throw new AdapterError(`dropout: expected a number, 0 ≤ p < 1; got ${JSON.stringify(p)}`);
  for (const name of switches) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined && typeof value !== "boolean")
      throw new AdapterError(`${name}: expected true or false; got ${JSON.stringify(value)}`);
  }
}

/** Options of the methods that are true or false. */
const switches = ["rankStabilized", "normGradient", "ranknum"] as const;
