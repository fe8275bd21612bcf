/** @file Matrix products. */

import * as nd from "../../core/index.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";
import { add } from "./arithmetic.ts";
import { mT, reshape } from "./movement.ts";

/**
 * Matrix product over the last two axes; leading axes are batch axes and broadcast as in NumPy (p∨q). A vector
 * stands for one row (left) or one column (right), and that axis is dropped again.
 *
 *     Y = A B       A [...p, n, k]   B [...q, k, m]   Y [...p∨q, n, m]
 *     Ā = Ȳ Bᵀ      [...p∨q, n, k]
 *     B̄ = Aᵀ Ȳ      [...p∨q, k, m]
 *
 * An input repeated along a batch axis collects the sum over it; backward() does that for every op.
 * @throws ShapeError when the inner lengths differ
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const [p, q] = [operand("matmul", a, "a").shape, operand("matmul", b, "b").shape];
  if (p.length === 1 && q.length > 0)
    return squeeze(matmul(reshape(a, [1, p[0]]), b), q.length === 1 ? -1 : -2);
  if (q.length === 1 && p.length > 0) return squeeze(matmul(a, reshape(b, [q[0], 1])), -1);
  if (p.length > 2 && q.length === 2 && p.at(-1) === q[0]) {
    // One B for all batches: they are only more rows, so that B̄ is one product too.
    return reshape(matmul(reshape(a, [nd.sizeOf(p.slice(0, -1)), q[0]]), b), [...p.slice(0, -1), q[1]]);
  }
  return record("matmul", nd.matmul(a.value, b.value), [
    { input: a, saves: [b], vjp: (dY, B) => matmul(dY, mT(B)) }, // Ā = Ȳ Bᵀ
    { input: b, saves: [a], vjp: (dY, A) => matmul(mT(A), dY) }, // B̄ = Aᵀ Ȳ
  ]);
}

function squeeze(x: Tensor, axis: number): Tensor {
  const at = x.shape.length + axis;
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/**
 * A linear layer in PyTorch's layout.
 *
 *     Y = X Wᵀ + b      X [..., k]   W [m, k]   b [m]   Y [..., m]
 *     X̄ = Ȳ W           W̄ = Ȳᵀ X               b̄ = Σ Ȳ
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  operand("linear", x);
  operand("linear", weight, "weight");
  if (weight.shape.length !== 2 || x.shape.length === 0 || x.shape.at(-1) !== weight.shape[1]) {
    throw new nd.ShapeError("linear", "x [..., k] and weight [m, k]", { x: x.shape, weight: weight.shape });
  }
  const [m, k] = weight.shape;
  if (bias && (operand("linear", bias, "bias").rank !== 1 || bias.shape[0] !== m))
    throw new nd.ShapeError("linear", "weight [m, k] and bias [m]", {
      weight: weight.shape,
      bias: bias.shape,
    });
  const rows = x.shape.length === 2 ? x : reshape(x, [nd.sizeOf(x.shape.slice(0, -1)), k]);
  const y = record("linear", nd.matmul(rows.value, nd.mT(weight.value)), [
    { input: rows, saves: [weight], vjp: (dY, W) => matmul(dY, W) }, // X̄ = Ȳ W
    { input: weight, saves: [rows], vjp: (dY, X) => matmul(mT(dY), X) }, // W̄ = Ȳᵀ X
  ]);
  const shaped = x.shape.length === 2 ? y : reshape(y, [...x.shape.slice(0, -1), m]);
  return bias ? add(shaped, bias) : shaped;
}
