/**
 * @file Arithmetic on two operands, with NumPy's broadcasting.
 *
 * Each rule ends with its formula: Ȳ = ∂L/∂Y comes in, Ā = ∂L/∂A goes out. Where a or b was broadcast, backward() sums
 * Ā or B̄ over the repeated axes, for all ops alike.
 */

import { ArgumentError, array, binary, hasNaN, select, unary } from "../../core/index.ts";
import { OUTPUT } from "../graph.ts";
import { record } from "../record.ts";
import { operand, Tensor } from "../tensor.ts";
import { applied, arrayOf, type Operand } from "./operand.ts";

/** y = a + b. */
export function add(a: Operand, b: Operand): Tensor {
  return record("add", applied("add", a, b), [
    { input: a, vjp: (dY) => dY }, // Ā = Ȳ
    { input: b, vjp: (dY) => dY }, // B̄ = Ȳ
  ]);
}

/** y = a − b. */
export function sub(a: Operand, b: Operand): Tensor {
  return record("sub", applied("sub", a, b), [
    { input: a, vjp: (dY) => dY }, // Ā = Ȳ
    { input: b, vjp: (dY) => neg(dY) }, // B̄ = −Ȳ
  ]);
}

/** y = −x. */
export function neg(x: Tensor): Tensor {
  return record("neg", unary("neg", operand("neg", x)), [
    { input: x, vjp: (dY) => mul(dY, -1) }, // X̄ = −Ȳ
  ]);
}

/** y = a ∘ b. */
export function mul(a: Operand, b: Operand): Tensor {
  return record("mul", applied("mul", a, b), [
    { input: a, saves: [b], vjp: (dY, B) => mul(dY, B) }, // Ā = Ȳ ∘ B
    { input: b, saves: [a], vjp: (dY, A) => mul(dY, A) }, // B̄ = Ȳ ∘ A
  ]);
}

/**
 * dX, with 0 where dY is 0: for functions whose derivative can be infinite or NaN. Elements that a mask left
 * out contribute nothing: the gradient of where(x > 0, log x, 0) is 0 at x = 0, and not 0 · ∞.
 */
export const gated = (dY: Tensor, dX: Tensor): Tensor =>
  hasNaN(dX.value) ? where(maximum(eq(dX, dX), sub(1, eq(dY, 0))), dX, 0) : dX;

/** y = a / b. */
export function div(a: Operand, b: Operand): Tensor {
  return record("div", applied("div", a, b), [
    { input: a, saves: [b], vjp: (dY, B) => gated(dY, div(dY, B)) }, // Ā = Ȳ / B
    { input: b, saves: [b, OUTPUT], vjp: (dY, B, Y) => gated(dY, neg(mul(dY, div(Y, B)))) }, // B̄ = −Ȳ ∘ A/B² = −Ȳ ∘ Y/B
  ]);
}

/** max(a, b), element by element; the gradient of a tie is shared by halves. */
export function maximum(a: Operand, b: Operand): Tensor {
  return record("maximum", applied("max", a, b, "maximum"), [
    { input: a, saves: [a, b], vjp: (dY, A, B) => mul(dY, share(A, B)) }, // Ā = Ȳ ∘ [a > b]
    { input: b, saves: [a, b], vjp: (dY, A, B) => mul(dY, share(B, A)) }, // B̄ = Ȳ ∘ [b > a]
  ]);
}

/** min(a, b), element by element; the gradient of a tie is shared by halves. */
export function minimum(a: Operand, b: Operand): Tensor {
  return record("minimum", applied("min", a, b, "minimum"), [
    { input: a, saves: [a, b], vjp: (dY, A, B) => mul(dY, share(B, A)) }, // Ā = Ȳ ∘ [a < b]
    { input: b, saves: [a, b], vjp: (dY, A, B) => mul(dY, share(A, B)) }, // B̄ = Ȳ ∘ [b < a]
  ]);
}

/** 1 where a > b, ½ where a = b, 0 elsewhere. */
const share = (a: Operand, b: Operand): Tensor => mul(add(gt(a, b), ge(a, b)), 0.5);

/** 1 where a = b, else 0. Has no gradient, like the other comparisons. */
export const eq = (a: Operand, b: Operand): Tensor => new Tensor(applied("eq", a, b));

/** 1 where a > b, else 0. */
export const gt = (a: Operand, b: Operand): Tensor => new Tensor(applied("gt", a, b));

/** 1 where a ≥ b, else 0. */
export const ge = (a: Operand, b: Operand): Tensor => new Tensor(applied("ge", a, b));

/** a where mask ≠ 0, b elsewhere; shapes broadcast. The mask has no gradient. */
export function where(mask: Tensor, a: Operand, b: Operand): Tensor {
  return record(
    "where",
    select(operand("where", mask, "mask"), arrayOf("where", a, "a"), arrayOf("where", b, "b")),
    [
      { input: a, saves: [mask], vjp: (dY, M) => where(M, dY, 0) }, // Ā = Ȳ where the mask is set
      { input: b, saves: [mask], vjp: (dY, M) => where(M, 0, dY) }, // B̄ = Ȳ elsewhere
    ],
  );
}

/**
 * x kept within [low, high]; the gradient is 0 outside, 1 inside and at the bounds.
 * @throws ArgumentError when not low ≤ high; ±∞ means no bound
 */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  if (typeof low !== "number" || typeof high !== "number" || !(low <= high))
    throw new ArgumentError("clamp", "numbers low ≤ high", { low, high });
  const value = binary("min", binary("max", operand("clamp", x), array(low, [])), array(high, []));
  return record("clamp", value, [
    { input: x, saves: [x, low, high], vjp: (dY, X, lo, hi) => mul(dY, mul(ge(X, lo), ge(hi, X))) }, // [low ≤ x ≤ high]
  ]);
}
