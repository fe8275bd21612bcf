/** @file Elementwise functions of one operand: for each its name, whether f′ is written in x or in y, and f′. */

import { type UnaryName, unary } from "../../core/index.ts";
import { OUTPUT, type Saveable } from "../graph.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";
import { add, gated, gt, mul, neg, sub } from "./arithmetic.ts";
import type { Operand } from "./operand.ts";

type Derivative = (saved: Tensor) => Operand;

/** y = f(x), dX = dY ∘ f′, where f′ is written in the input x or in the output y: only that one is kept. */
function elementwise(name: UnaryName, writtenIn: "x" | "y", derivative: Derivative): (x: Tensor) => Tensor {
  return (x) => {
    const saves: Saveable[] = [writtenIn === "x" ? x : OUTPUT];
    return record(name, unary(name, operand(name, x)), [
      { input: x, saves, vjp: (dY, s) => mul(dY, derivative(s)) },
    ]);
  };
}

/** As `elementwise`, for an f′ that can be infinite or undefined: where dY is 0, dX is 0. */
function withPoles(name: UnaryName, writtenIn: "x" | "y", derivative: Derivative): (x: Tensor) => Tensor {
  return (x) => {
    const saves: Saveable[] = [writtenIn === "x" ? x : OUTPUT];
    const vjp = (dY: Tensor, s: Tensor): Tensor => gated(dY, mul(dY, derivative(s)));
    return record(name, unary(name, operand(name, x)), [{ input: x, saves, vjp }]);
  };
}

/** y = f(x), dX = c dY: linear, nothing to keep. */
function linear(name: UnaryName, c: number): (x: Tensor) => Tensor {
  return (x) =>
    record(name, unary(name, operand(name, x)), [{ input: x, vjp: (dY) => (c === 1 ? dY : mul(dY, c)) }]);
}

export const abs = elementwise("abs", "x", (x) => sign(x));
export const sign = linear("sign", 0);
export const square = elementwise("square", "x", (x) => mul(x, 2));
export const sqrt = withPoles("sqrt", "y", (y) => mul(reciprocal(y), 0.5)); // ½ x^(−1/2)
export const rsqrt = withPoles("rsqrt", "y", (y) => mul(mul(square(y), y), -0.5)); // −½ x^(−3/2)
export const reciprocal = withPoles("reciprocal", "y", (y) => neg(square(y))); // −1/x²

export const exp = withPoles("exp", "y", (y) => y);
export const expm1 = withPoles("expm1", "y", (y) => add(y, 1));
export const log = withPoles("log", "x", (x) => reciprocal(x));
export const log1p = withPoles("log1p", "x", (x) => reciprocal(add(x, 1)));
export const sin = elementwise("sin", "x", (x) => cos(x));
export const cos = elementwise("cos", "x", (x) => neg(sin(x)));

export const tanh = elementwise("tanh", "y", (y) => sub(1, square(y)));
export const sigmoid = elementwise("sigmoid", "y", (y) => mul(y, sub(1, y)));
export const softplus = elementwise("softplus", "x", (x) => sigmoid(x)); // log(1 + eˣ)
export const relu = elementwise("relu", "y", (y) => gt(y, 0));

/** erf(x) = 2/√π ∫₀ˣ exp(−t²) dt. */
export const erf = elementwise("erf", "x", (x) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)));

/** gelu(x) = x Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415). */
export const gelu = elementwise("gelu", "x", (x) => geluGrad(x));
/** gelu′ = Φ + x φ; gelu″ = φ (2 − x²), φ = e^(−x²/2)/√(2π). */
const geluGrad = elementwise("geluGrad", "x", (x) =>
  mul(mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI)), sub(2, square(x))),
);

const C = Math.sqrt(2 / Math.PI);
const D = 0.044715;
/** GPT-2's gelu: x/2 (1 + t), t = tanh u, u = √(2/π) (x + 0.044715 x³). */
export const geluTanh = elementwise("geluTanh", "x", (x) => geluTanhGrad(x));
/** gelu′ = ½(1 + t) + ½x (1 − t²) u′; gelu″ = (1 − t²) (u′ + ½x (u″ − 2t u′²)). */
const geluTanhGrad = elementwise("geluTanhGrad", "x", (x) => {
  const t = tanh(mul(mul(x, add(mul(square(x), D), 1)), C));
  const du = mul(add(mul(square(x), 3 * D), 1), C); // u′ = √(2/π) (1 + 3·0.044715 x²)
  const ddu = mul(x, 6 * D * C); // u″
  return mul(sub(1, square(t)), add(du, mul(mul(x, 0.5), sub(ddu, mul(mul(t, square(du)), 2)))));
});

/** silu(x) = x σ(x). */
export const silu = elementwise("silu", "x", (x) => siluGrad(x));
/** silu′ = σ (1 + x (1 − σ)); silu″ = σ (1 − σ) (2 + x (1 − 2σ)). */
const siluGrad = elementwise("siluGrad", "x", (x) => {
  const s = sigmoid(x);
  return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2));
});

/** x rounded to bfloat16; the gradient passes straight through (Bengio et al. 2013, arXiv:1308.3432). */
export const bfloat16 = linear("bfloat16", 1);
/** x rounded to IEEE half precision; the gradient passes straight through. */
export const float16 = linear("float16", 1);
