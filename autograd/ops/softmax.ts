/** @file Softmax and its logarithm over any axes. */

import * as nd from "../../core/index.ts";
import { OUTPUT } from "../graph.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";
import { mul, sub } from "./arithmetic.ts";
import { type Axes, sum } from "./reduce.ts";
import { exp } from "./unary.ts";

/** y = eˣ / Σ eˣ over `axes`. */
export function softmax(x: Tensor, axes: Axes = -1): Tensor {
  return record("softmax", nd.softmax(operand("softmax", x), axes), [
    { input: x, saves: [OUTPUT], vjp: (dY, Y) => softmaxGrad(Y, dY, axes) },
  ]);
}

/** Softmax of scores [..., queries, keys] in which each query sees one key more than the one before, the last all. */
export function causalSoftmax(x: Tensor): Tensor {
  return record("causalSoftmax", nd.causalSoftmax(operand("causalSoftmax", x)), [
    { input: x, saves: [OUTPUT], vjp: (dY, Y) => softmaxGrad(Y, dY, -1) }, // y = 0, so dX = 0, where not seen
  ]);
}

/** dX = y ∘ (dY − s), s = Σ dY ∘ y over `axes`: one kernel, and an op for gradients of gradients, where u = ∂L/∂(dX). */
function softmaxGrad(y: Tensor, dY: Tensor, axes: Axes): Tensor {
  return record("softmaxGrad", nd.softmaxGrad(y.value, dY.value, axes), [
    {
      input: y,
      saves: [y, dY],
      vjp: (u, Y, G) => {
        const s = sum(mul(G, Y), axes, { keepdims: true });
        return sub(mul(u, sub(G, s)), mul(G, sum(mul(u, Y), axes, { keepdims: true }))); // u ∘ (dY − s) − dY Σ u ∘ y
      },
    },
    { input: dY, saves: [y], vjp: (u, Y) => softmaxGrad(Y, u, axes) }, // the Jacobian is symmetric
  ]);
}

/** y = x − log Σ eˣ over `axes`. */
export function logSoftmax(x: Tensor, axes: Axes = -1): Tensor {
  return record("logSoftmax", nd.logSoftmax(operand("logSoftmax", x), axes), [
    { input: x, saves: [OUTPUT], vjp: (dY, Y) => sub(dY, mul(exp(Y), sum(dY, axes, { keepdims: true }))) }, // dX = dY − eʸ Σ dY
  ]);
}
