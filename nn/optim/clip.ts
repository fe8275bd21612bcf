/** @file Gradient clipping by global norm (Pascanu et al. 2013, arXiv:1211.5063). */

import { type Parameter, Tensor } from "../../autograd/index.ts";
import { ArgumentError } from "../../core/index.ts";

/** The global norm √Σ g² of the gradients of all parameters, each parameter once. @throws ArgumentError on anything but parameters */
export function gradientNorm(parameters: Iterable<Parameter>): number {
  let sum = 0;
  for (const { gradValue } of distinct("gradientNorm", parameters)) {
    if (!gradValue) continue;
    const { data } = gradValue;
    for (let i = 0; i < data.length; i++) sum += data[i] * data[i];
  }
  return Math.sqrt(sum);
}

/**
 * Scales all gradients by min(1, maxNorm / (norm + 1e-6)). When the norm is NaN or infinite, the gradients stay unchanged,
 * since no factor would be right: check the result.
 *
 * @example
 * loss.backward();
 * clipGradientNorm(model.parameters(), 1);
 * optimizer.step();
 * @returns the norm before scaling
 * @throws ArgumentError on a negative maxNorm, and on anything but parameters
 */
export function clipGradientNorm(parameters: Iterable<Parameter>, maxNorm: number): number {
  if (!(typeof maxNorm === "number" && maxNorm >= 0))
    throw new ArgumentError("clipGradientNorm", "maxNorm ≥ 0", { maxNorm });
  const all = distinct("clipGradientNorm", parameters);
  const norm = gradientNorm(all);
  const factor = maxNorm / (norm + 1e-6);
  if (factor >= 1 || !Number.isFinite(norm)) return norm;
  const storages = new Set([...all].flatMap(({ gradValue }) => (gradValue ? [gradValue.storage] : [])));
  for (const storage of storages) {
    const data = storage.write();
    for (let i = 0; i < data.length; i++) data[i] *= factor;
  }
  return norm;
}

/** Each parameter once. @throws ArgumentError unless `parameters` are tensors */
function distinct(who: string, parameters: Iterable<unknown>): ReadonlySet<Parameter> {
  const isIterable = typeof parameters === "object" && parameters !== null && Symbol.iterator in parameters;
  const all = isIterable ? new Set(parameters) : null;
  if (all && [...all].every((one) => one instanceof Tensor)) return all as Set<Parameter>;
  throw new ArgumentError(who, "parameters, such as model.parameters()", {
    parameters: all ? "a list of other things" : parameters,
  });
}
