/** @file Values of a run, step by step, stacked as the cases store them: [step, ...]. */

import { sizeOf } from "lowrank/core";
import type { Numbers } from "../check.ts";
import type { Outputs } from "./method.ts";

export class Steps {
  readonly #rows = new Map<string, { readonly shape: Numbers["shape"]; readonly data: number[] }>();

  /** Adds a copy of this step's values. */
  add(name: string, values: Numbers | number): void {
    const { shape, data } = typeof values === "number" ? { shape: [], data: [values] } : values;
    const row = this.#rows.get(name) ?? { shape, data: [] };
    row.data.push(...Array.from(data));
    this.#rows.set(name, row);
  }

  outputs(): Outputs {
    return Object.fromEntries(
      Array.from(this.#rows, ([name, { shape, data }]) => [
        name,
        { data, shape: [data.length / sizeOf(shape), ...shape] },
      ]),
    );
  }
}
