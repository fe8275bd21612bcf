/** @file Derivatives of functions: grad, vjp, jacobian, hessian. They nest: `grad(grad(f))` is the second derivative. */

import { ArgumentError, zeros } from "../core/index.ts";
import { gradients } from "./backward.ts";
import { reshape, stack } from "./ops/movement.ts";
import { withRecording } from "./record.ts";
import { checkFunction, type Differentiable, operand, returnedTensor, Tensor } from "./tensor.ts";

/** A tensor of the value of x to differentiate with respect to. If x is part of a graph, so is this. */
function variable(x: Tensor): Tensor {
  if (x.node) return reshape(x, x.shape);
  const leaf = x.detach();
  leaf.requiresGrad = true;
  return leaf;
}

/**
 * Runs f on fresh variables and hands its value and the variables to `use`. `nested` says that an x is part of a graph:
 * then derivatives must be so too, for an outer differentiation.
 */
function differentiate<T>(
  who: string,
  xs: readonly Tensor[],
  f: Differentiable,
  use: (y: Tensor, xs: Tensor[], nested: boolean) => T,
): T {
  checkFunction(who, f);
  if (!Array.isArray(xs)) throw new ArgumentError(who, "a list of tensors", { xs });
  for (const x of xs) operand(who, x, "each argument");
  const nested = xs.some((x) => x.node !== null);
  return withRecording(true, () => {
    const variables = xs.map(variable);
    return use(returnedTensor(who, f(...variables)), variables, nested);
  });
}

/**
 * The gradient of f, as a function of f's arguments.
 *
 *     grad((x) => x.pow(3))(tensor(2)); // 12, which is 3 x²
 *
 * @param f returns a scalar
 * @param argument number of the argument to differentiate with respect to
 * @throws ShapeError when f's result has more than one element, ArgumentError when it is not a tensor
 */
export function grad(f: Differentiable, argument = 0): Differentiable {
  return (...xs) => {
    if (!xs[argument])
      throw new ArgumentError("grad", `at least ${argument + 1} arguments`, { arguments: xs.length });
    return differentiate("grad", xs, f, (y, variables, nested) => {
      if (!y.node) return new Tensor(zeros(variables[argument].shape));
      return gradients(y, [variables[argument]], undefined, { createGraph: nested })[0];
    });
  };
}

/**
 * The vector-Jacobian product: f(xs), and uᵀ J for each argument.
 * @param u of the shape of f(xs)
 */
export function vjp(
  f: Differentiable,
  xs: readonly Tensor[],
  u: Tensor,
): { value: Tensor; gradients: Tensor[] } {
  return differentiate("vjp", xs, f, (y, variables, nested) => ({
    value: nested ? y : y.detach(),
    gradients: y.node
      ? gradients(y, variables, u, { createGraph: nested })
      : variables.map((x) => new Tensor(zeros(x.shape))),
  }));
}

/** ∂f(x)/∂x, of shape [...f(x), ...x]: one backward pass for each element of f(x). */
export function jacobian(f: (x: Tensor) => Tensor, x: Tensor): Tensor {
  return differentiate("jacobian", [x], f as Differentiable, (y, [variable], nested) => {
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
export const hessian = (f: (x: Tensor) => Tensor, x: Tensor): Tensor =>
  jacobian(grad(f as Differentiable), x);
