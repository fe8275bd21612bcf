/** @file Layer norm (Ba et al. 2016, arXiv:1607.06450) and RMS norm (Zhang & Sennrich 2019, arXiv:1910.07467). */

import * as nd from "../../core/index.ts";
import { OUTPUT } from "../graph.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";
import { add, div, mul } from "./arithmetic.ts";
import { mean, sum } from "./reduce.ts";
import { square } from "./unary.ts";

/** y = w ∘ (x − mean) / √(var + eps) + b. x [..., n], w and b [n]. @throws ShapeError, or ArgumentError when eps < 0 */
export function layerNorm(x: Tensor, weight?: Tensor | null, bias?: Tensor | null, eps = 1e-5): Tensor {
  checkNorm("layerNorm", x, eps, { weight, bias });
  const scaled = weight ? mul(normalize(x, eps, true), weight) : normalize(x, eps, true);
  return bias ? add(scaled, bias) : scaled;
}

/** y = w ∘ x / √(mean x² + eps). x [..., n], w [n]. @throws ShapeError, or ArgumentError when eps < 0 */
export function rmsNorm(x: Tensor, weight?: Tensor | null, eps = 1e-6): Tensor {
  checkNorm("rmsNorm", x, eps, { weight });
  return weight ? mul(normalize(x, eps, false), weight) : normalize(x, eps, false);
}

function checkNorm(
  who: string,
  x: Tensor,
  eps: number,
  own: Record<string, Tensor | null | undefined>,
): void {
  const n = operand(who, x).shape.at(-1);
  if (typeof eps !== "number" || !(eps >= 0 && eps < Infinity))
    throw new nd.ArgumentError(who, "eps a number from 0", { eps });
  for (const [name, w] of Object.entries(own)) {
    if (w && (operand(who, w, name).rank !== 1 || w.shape[0] !== n))
      throw new nd.ShapeError(who, `x [..., n] and ${name} [n]`, { x: x.shape, [name]: w.shape });
  }
}

/**
 * x̂ = r (x − μ), r = 1/√(mean (x − μ)² + eps), along the last axis; μ is the mean, or 0 when not `centre`.
 * Both x̂ and r come from one kernel; x̂ and r are kept, x is not.
 *
 * x̂ and r need each other in their rules, and x̂ does not exist yet when r's rule is written. So that rule reads x̂
 * from the closure and not from `saves`. It costs no memory: r lives only in the graph that x̂ keeps, and r's rule runs
 * for gradients of gradients only.
 */
function normalize(x: Tensor, eps: number, centre: boolean): Tensor {
  const n = x.shape.at(-1) ?? 1;
  const out = nd.normalize(x.value, eps, centre);
  const r = record("rstd", out.r, [
    { input: x, saves: [OUTPUT], vjp: (dR, R) => mul(mul(dR, square(R)), div(xHat, -n)) }, // ∂r/∂x = −r² x̂ / n
  ]);
  const xHat: Tensor = record("normalize", out.xHat, [
    { input: x, saves: [OUTPUT, r], vjp: (dY, X, R) => normalizeGrad(X, R, dY, centre) },
  ]);
  return xHat;
}

/** dX = r (dY − mean dY − x̂ mean(dY ∘ x̂)): one kernel, and an op for gradients of gradients, where u = ∂L/∂(dX). */
function normalizeGrad(xHat: Tensor, r: Tensor, dY: Tensor, centre: boolean): Tensor {
  return record("normalizeGrad", nd.normalizeGrad(xHat.value, r.value, dY.value, centre), [
    {
      input: xHat,
      saves: [xHat, r, dY],
      vjp: (u, X, R, G) => {
        const rows = { keepdims: true }; // −r (u mean(dY ∘ x̂) + dY mean(u ∘ x̂))
        return mul(mul(R, -1), add(mul(u, mean(mul(G, X), -1, rows)), mul(G, mean(mul(u, X), -1, rows))));
      },
    },
    {
      input: r,
      saves: [xHat, r, dY],
      vjp: (u, X, R, G) => sum(mul(u, div(normalizeGrad(X, R, G, centre), R)), -1, { keepdims: true }), // Σ u ∘ dX/r
    },
    { input: dY, saves: [xHat, r], vjp: (u, X, R) => normalizeGrad(X, R, u, centre) }, // the Jacobian is symmetric
  ]);
}
