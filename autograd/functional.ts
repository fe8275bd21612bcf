/** @file Derivatives of functions: grad, vjp, jacobian, hessian. They nest: `grad(grad(f))` is the second derivative. */

import { ArgumentError, synchronous, zeros } from "../core/index.ts";
import { gradients } from "./backward.ts";
import { reshape, stack } from "./ops/movement.ts";
import { withRecording } from "./record.ts";
import { Tensor } from "./tensor.ts";

type Function = (...xs: Tensor[]) => Tensor;

/** A tensor with the same value to differentiate with respect to, still part of an outer differentiation if x is. */
function variable(x: Tensor): Tensor {
  if (x.node) return reshape(x, x.shape);
  const leaf = x.detach();
  leaf.requiresGrad = true;
  return leaf;
}

/** Runs f on fresh variables and hands value and variables to `use`; keeps history only where an outer one asks for it. */
function differentiate<T>(
  xs: readonly Tensor[],
  f: Function,
  use: (y: Tensor, xs: Tensor[], nested: boolean) => T,
): T {
  const nested = xs.some((x) => x.node !== null);
  return withRecording(true, () => {
    const variables = xs.map(variable);
    const y = synchronous("differentiate", f(...variables));
    if (!(y instanceof Tensor))
      throw new ArgumentError("differentiate", "a function that returns a tensor", { result: y });
    return use(y, variables, nested);
  });
}

/**
 * ∇f: a function with f's arguments that returns ∂f/∂(argument number `argument`). f returns a scalar.
 * @throws ShapeError when f's result has more than one element
 */
export function grad(f: Function, argument = 0): Function {
  return (...xs) => {
    if (!xs[argument])
      throw new ArgumentError("grad", `at least ${argument + 1} arguments`, { arguments: xs.length });
    return differentiate(xs, f, (y, variables, nested) => {
      if (!y.node) return new Tensor(zeros(variables[argument].shape));
      return gradients(y, [variables[argument]], undefined, { createGraph: nested })[0];
    });
  };
}

/** The vector-Jacobian product: f(xs), and uᵀJ for each argument. u has the shape of f(xs). */
export function vjp(f: Function, xs: readonly Tensor[], u: Tensor): { value: Tensor; gradients: Tensor[] } {
  return differentiate(xs, f, (y, variables, nested) => ({
    value: nested ? y : y.detach(),
    gradients: y.node
      ? gradients(y, variables, u, { createGraph: nested })
      : variables.map((x) => new Tensor(zeros(x.shape))),
  }));
}

/** ∂f(x)/∂x, of shape [...f(x), ...x]: one backward pass for each element of f(x). */
export function jacobian(f: (x: Tensor) => Tensor, x: Tensor): Tensor {
  return differentiate([x], f as Function, (y, [variable], nested) => {
    const shape = [...y.shape, ...x.shape];
    if (!y.node || y.size === 0) return new Tensor(zeros(shape));
    const rows = Array.from({ length: y.size }, (_, i) => {
      const unit = zeros(y.shape);
      unit.storage.data[i] = 1;
      return gradients(y, [variable], new Tensor(unit), { createGraph: nested, retainGraph: true })[0];
    });
    return reshape(stack(rows), shape);
  });
}

/** ∂²f(x)/∂x², of shape [...x, ...x]. f returns a scalar. */
export const hessian = (f: (x: Tensor) => Tensor, x: Tensor): Tensor => jacobian(grad(f as Function), x);
