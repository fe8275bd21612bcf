/** @file The power aᵇ, with gradients of both operands. */

import { OUTPUT } from "../graph.ts";
import { record } from "../record.ts";
import type { Tensor } from "../tensor.ts";
import { eq, gated, ge, mul, sub, where } from "./arithmetic.ts";
import { applied, constant, type Operand } from "./operand.ts";
import { log } from "./unary.ts";

/** y = aᵇ, with 1ᵇ = 1 for every b, as IEEE 754 says. The exponent's gradient needs a > 0; at a = 0 it is 0 where b ≥ 0. */
export function pow(a: Operand, b: Operand): Tensor {
  return record("pow", applied("pow", a, b), [
    {
      input: a,
      saves: [a, b],
      vjp: (dY, A, B) => gated(dY, mul(dY, where(eq(B, 0), 0, mul(B, pow(A, sub(B, 1)))))), // Ā = Ȳ ∘ b aᵇ⁻¹
    },
    {
      input: b,
      saves: [a, b, OUTPUT],
      vjp: (dY, A, B, Y) => gated(dY, mul(dY, where(mul(eq(A, 0), ge(B, 0)), 0, mul(Y, log(constant(A)))))), // B̄ = Ȳ ∘ y ln a
    },
  ]);
}
