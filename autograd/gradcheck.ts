/**
 * @file checkGradients: backward against central differences in double precision, and backward on the device in use
 * against backward in double precision. Public: check your own ops with it.
 */

import {
  ArgumentError,
  AutogradError,
  array,
  checkOptions,
  currentDevice,
  currentPrecision,
  scope,
  withPrecision,
} from "../core/index.ts";
import { gradients } from "./backward.ts";
import { mul, sum } from "./ops/index.ts";
import { noGrad, withRecording } from "./record.ts";
import { checkFunction, type Differentiable, operand, returnedTensor, Tensor } from "./tensor.ts";

export interface CheckOptions {
  /** Step of the central difference, h. @default 1e-6 */
  readonly step?: number;
  /** Relative tolerance of the central differences. @default 1e-3 */
  readonly rtol?: number;
  /** Absolute tolerance. @default 1e-5 */
  readonly atol?: number;
  /**
   * Tolerance of a gradient in float32 on the device in use against the one in float64, relative to the largest of all
   * gradients; `atol` is added. @default 1e-4
   */
  readonly deviceRtol?: number;
}

/**
 * Checks backward of Σ u ∘ f(...inputs), u fixed and irregular:
 * - in float64, on the reference device, against (f(x + h) − f(x − h)) / 2h for every element of every input;
 * - in float32, on the device in use, against the same in float64. Left out inside `withPrecision("float64", …)`.
 *
 *     checkGradients((A, B) => A.matmul(B), [tensor([[1, 2]]), tensor([[3], [4]])]);
 *
 * @returns the largest |difference| to the central differences
 * @throws AutogradError naming the device, the input, the element and both numbers, where they differ by more than
 *   atol + rtol |numeric| (the defaults are PyTorch's), or atol + deviceRtol · the largest gradient
 */
export function checkGradients(
  f: Differentiable,
  inputs: readonly Tensor[],
  options: CheckOptions = {},
): number {
  checkOptions("checkGradients", options, ["step", "rtol", "atol", "deviceRtol"], { eps: "step" });
  const { step = 1e-6, rtol = 1e-3, atol = 1e-5, deviceRtol = 1e-4 } = options;
  checkFunction("checkGradients", f);
  if (!Array.isArray(inputs)) throw new ArgumentError("checkGradients", "a list of tensors", { inputs });
  for (const input of inputs) operand("checkGradients", input, "each input");
  if (!(step > 0)) throw new ArgumentError("checkGradients", "a positive step", { step });
  const exact = withPrecision("float64", () =>
    scope(() => {
      const { leaves, u, analytic } = differentiated(f, inputs);
      return { analytic, worst: checkDifferences(f, leaves, u, analytic, { step, rtol, atol }) };
    }),
  );
  if (currentPrecision() === "float32") {
    const onDevice = scope(() => differentiated(f, inputs).analytic);
    checkDevice(onDevice, exact.analytic, atol, deviceRtol);
  }
  return exact.worst;
}

/** Copies of the inputs that require a gradient, u, and the gradients of Σ u ∘ f(...leaves), in the precision in use. */
function differentiated(f: Differentiable, inputs: readonly Tensor[]) {
  const leaves = inputs.map((input) => {
    const leaf = new Tensor(array(input.value.data, input.shape));
    leaf.requiresGrad = true;
    return leaf;
  });
  const y = withRecording(true, () => returnedTensor("checkGradients", f(...leaves)));
  const u = new Tensor(
    array(
      Float64Array.from({ length: y.size }, (_, i) => Math.sin(1 + 1.7 * i)),
      y.shape,
    ),
  );
  const analytic = y.node ? gradients(y, leaves, u) : leaves.map((leaf) => mul(leaf.detach(), 0));
  return { leaves, u, analytic: analytic.map(({ value }) => value.data.slice()) };
}

type Numbers = ArrayLike<number>;

function checkDifferences(
  f: Differentiable,
  leaves: readonly Tensor[],
  u: Tensor,
  analytic: readonly Numbers[],
  { step, rtol, atol }: Required<Omit<CheckOptions, "deviceRtol">>,
): number {
  const value = (): number => noGrad(() => sum(mul(f(...leaves), u)).item());
  let worst = 0;
  leaves.forEach((leaf, which) => {
    const x = leaf.value.data;
    for (let i = 0; i < x.length; i++) {
      const at = x[i];
      // write() raises the version, so that caches notice
      const set = (to: number): void => void (leaf.value.storage.write()[i] = to);
      set(at + step);
      const above = value();
      set(at - step);
      const below = value();
      set(at);
      const numeric = (above - below) / (2 * step);
      const difference = Math.abs(analytic[which][i] - numeric);
      if (!(difference <= atol + rtol * Math.abs(numeric))) {
        throw new AutogradError(
          `checkGradients: input ${which}, element ${i}: backward gives ${analytic[which][i]}, ` +
            `differences give ${numeric} (reference, float64)`,
        );
      }
      worst = Math.max(worst, difference);
    }
  });
  return worst;
}

function checkDevice(
  actual: readonly Numbers[],
  exact: readonly Numbers[],
  atol: number,
  deviceRtol: number,
): void {
  let largest = 0;
  for (const values of exact)
    for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  const tolerance = atol + deviceRtol * largest;
  exact.forEach((values, which) => {
    for (let i = 0; i < values.length; i++) {
      if (Math.abs(actual[which][i] - values[i]) <= tolerance) continue;
      throw new AutogradError(
        `checkGradients: input ${which}, element ${i}: backward on device ${currentDevice().name} gives ` +
          `${actual[which][i]}, reference in float64 ${values[i]}`,
      );
    }
  });
}
