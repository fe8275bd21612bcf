/** @file checkGradients: backward against central differences, in double precision. Public: check your own ops with it. */

import { AutogradError, array, scope, withPrecision } from "../core/index.ts";
import { gradients } from "./backward.ts";
import { mul, sum } from "./ops/index.ts";
import { noGrad, withRecording } from "./record.ts";
import { Tensor } from "./tensor.ts";

export interface CheckOptions {
  /** Step of the central difference, h. */
  readonly step?: number;
  readonly rtol?: number;
  readonly atol?: number;
}

/**
 * Checks backward of Σ u ∘ f(...inputs), u fixed and irregular, against (f(x + h) − f(x − h)) / 2h for every
 * element of every input, on the reference device in float64.
 *
 * @returns the largest |difference|
 * @throws AutogradError naming the input, the element and both numbers, where they differ by more than
 *   atol + rtol |numeric| (defaults: PyTorch's, h = 1e-6, rtol 1e-3, atol 1e-5)
 */
export function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { step = 1e-6, rtol = 1e-3, atol = 1e-5 }: CheckOptions = {},
): number {
  const check = (): number => {
    const leaves = inputs.map((input) => {
      const leaf = new Tensor(array(input.value.data, input.shape));
      leaf.requiresGrad = true;
      return leaf;
    });
    const y = withRecording(true, () => f(...leaves));
    const u = new Tensor(
      array(
        Float64Array.from({ length: y.size }, (_, i) => Math.sin(1 + 1.7 * i)),
        y.shape,
      ),
    );
    const analytic = y.node ? gradients(y, leaves, u) : leaves.map((leaf) => mul(leaf.detach(), 0));
    const value = (): number => noGrad(() => sum(mul(f(...leaves), u)).item());

    let worst = 0;
    leaves.forEach((leaf, which) => {
      const x = leaf.value.data;
      const computed = analytic[which].value.data;
      for (let i = 0; i < x.length; i++) {
        const at = x[i];
        const set = (to: number): void => void (leaf.value.storage.write()[i] = to); // seen by whoever remembers
        set(at + step);
        const above = value();
        set(at - step);
        const below = value();
        set(at);
        const numeric = (above - below) / (2 * step);
        const difference = Math.abs(computed[i] - numeric);
        if (!(difference <= atol + rtol * Math.abs(numeric))) {
          throw new AutogradError(
            `checkGradients: input ${which}, element ${i}: backward gives ${computed[i]}, differences give ${numeric}`,
          );
        }
        worst = Math.max(worst, difference);
      }
    });
    return worst;
  };
  return withPrecision("float64", () => scope(check));
}
