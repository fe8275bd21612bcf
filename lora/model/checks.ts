/** @file Validation of adapters' names, options, values and places, before anything is changed. */

import { Tensor } from "../../autograd/index.ts";
import { AdapterError, indices, type NDArray } from "../../core/index.ts";
import { parametersIn } from "../../nn/index.ts";
import type { AdaptedLayer } from "./adapted-layer.ts";
import type { AdapterOptions } from "./adapter.ts";
import type { LayerInput } from "./weight-view.ts";

/**
 * Names become parts of parameter names and of paths.
 * @throws AdapterError on an empty name, one with a dot or a slash or "lora_" in it, or one that is taken
 */
export function checkName(name: string, taken: readonly string[]): void {
  const given = `got ${JSON.stringify(name)}`;
  if (typeof name !== "string" || !/^[^./\\\s]+$/.test(name) || name.includes("lora_")) {
    throw new AdapterError(
      `name: expected a name without dots, slashes, spaces or "lora_" for the adapter; ${given}`,
    );
  }
  if (taken.includes(name))
    throw new AdapterError(`name: expected one that is not taken (${taken.join(", ")}); ${given}`);
}

/** @throws AdapterError naming the first element that is NaN or infinite */
export function checkFinite(who: string, { data, shape }: NDArray): void {
  const index = (data as Float32Array).findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  throw new AdapterError(
    `${who}: expected finite values; got ${data[index]} at element ${index} of [${shape.join(", ")}]`,
  );
}

/** @throws AdapterError naming a layer without a bias, when one of the adapters `names` changes its bias */
export function checkBiases(layers: ReadonlyMap<string, AdaptedLayer>, names: Iterable<string>): void {
  const chosen = [...names];
  for (const [path, { original, adapters }] of layers) {
    if (!chosen.some((name) => adapters.get(name)?.deltaBias())) continue;
    if (Array.from(parametersIn(original)).some(({ name }) => name === "bias")) continue;
    throw new AdapterError(
      `lora_bias: the adapter adds a bias to ${path}, which has none that could hold it; expected layers with a bias, to ` +
        "merge it; beside its base it acts in full",
    );
  }
}

/** @throws AdapterError unless the first of x's axes, two or more, has one entry per row */
export function checkBatch(x: LayerInput, rows: number): void {
  const { shape } = x instanceof Tensor ? x : indices(x);
  if (shape.length >= 2 && shape[0] === rows) return;
  throw new AdapterError(
    `withRows: expected a batch of ${rows} rows along the first of at least two axes; a layer got [${shape.join(", ")}]`,
  );
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
