/** @file How the three terms of the linear toy grow with the width, under three rules for the two rates. */
import { random } from "lowrank/core";
import { exponent, linearToy, median } from "./linear-toy.ts";

export interface Scaling {
  /** The rule for the rates. */
  readonly name: string;
  /** The exponent of n that theory gives f and δ₁, δ₂, δ₃. */
  readonly theory: readonly number[];
  readonly widths: readonly number[];
  /** medians[seed][width]: |f|, |δ₁|, |δ₂|, |δ₃|, each the median of the draws. */
  readonly medians: readonly (readonly (readonly number[])[])[];
  /** exponents[quantity][seed], in the same order. */
  readonly exponents: readonly (readonly number[])[];
}

const DRAWS = 256;
const STEPS = 3;

const RULES: readonly {
  readonly name: string;
  readonly theory: readonly number[];
  a(n: number): number;
  b(n: number): number;
}[] = [
  {
    name: "both ½/√n",
    theory: [-0.5, -0.5, -0.5, -0.5],
    a: (n) => 0.5 / Math.sqrt(n),
    b: (n) => 0.5 / Math.sqrt(n),
  },
  { name: "both ½/n", theory: [-1, -2, -1, -2], a: (n) => 0.5 / n, b: (n) => 0.5 / n },
  { name: "A ½/n, B ½", theory: [0, 0, 0, 0], a: (n) => 0.5 / n, b: () => 0.5 },
];

export function scalings(widths: readonly number[], seeds: number): Scaling[] {
  return RULES.map(({ name, theory, a, b }) => {
    const medians = Array.from({ length: seeds }, (_, seed) =>
      widths.map((n) => {
        const repeat = (rate: number): number[] => Array<number>(DRAWS).fill(rate);
        const rng = random(seed).split(`width ${n}`);
        const { f, terms } = linearToy(n, repeat(a(n)), repeat(b(n)), { steps: STEPS, rng });
        return [f, ...terms].map((values) => median(values.map(Math.abs)));
      }),
    );
    const exponents = theory.map((_, k) =>
      medians.map((of) =>
        exponent(
          widths,
          of.map((values) => values[k]),
        ),
      ),
    );
    return { name, theory, widths, medians, exponents };
  });
}
