/**
 * @file Products with a packed matrix. W is dequantized into a workspace for each product, in the forward and in the
 * backward pass, and the workspace is released after the product: between products only the packed bytes exist. The
 * workspace holds the whole W of one layer at a time, in float32.
 *
 * On a gpu device a 4-bit W needs no workspace: its codes are uploaded once, and the kernel of the product dequantizes
 * them (core/gpu/packed-matrix.ts, which also says how many bits a weight takes there). Formats of 8 bits and a W rounded to
 * bfloat16 need the workspace there, too: the cpu dequantizes them, and they are uploaded for each product. `kernelCounts`
 * shows which of the two happened.
 */

import { bfloat16, record, reshape, Tensor } from "../../autograd/index.ts";
import {
  dequantizeMatmul,
  empty,
  kernel,
  matmul,
  mT,
  type NDArray,
  ShapeError,
  scope,
  sizeOf,
  unary,
} from "../../core/index.ts";
import type { QuantizedTensor } from "../quantized-tensor.ts";

/**
 * The type that products are computed in. With "bfloat16" all operands, results and gradients are rounded to bfloat16;
 * sums are in float32, as on hardware that has bfloat16.
 */
export type ComputeDtype = "float32" | "bfloat16";

/** A packed matrix as an operand of a product. It is frozen: it has no gradient, and the graph does not save it. */
export interface PackedMatrix {
  readonly packed: QuantizedTensor; // [out, in]
  readonly computeDtype: ComputeDtype;
}

/**
 *     Y = X Wᵀ       X [..., in]   W [out, in]   Y [..., out]
 *     X̄ = Ȳ W
 *
 * @throws ShapeError unless the last axes of X and W have the same length
 */
export function timesTransposed(x: Tensor, W: PackedMatrix): Tensor {
  const [out, inner] = W.packed.shape;
  const { rows, rounded } = operand(x, inner, W);
  const y = record("timesTransposed", product(rows.value, W, true), [
    { input: rows, vjp: (dY) => times(dY, W) }, // X̄ = Ȳ W
  ]);
  return reshape(rounded(y), [...x.shape.slice(0, -1), out]);
}

/**
 *     Y = X W        X [..., out]   W [out, in]   Y [..., in]
 *     X̄ = Ȳ Wᵀ
 *
 * @throws ShapeError unless the last axis of X is as long as the first of W
 */
export function times(x: Tensor, W: PackedMatrix): Tensor {
  const [out, inner] = W.packed.shape;
  const { rows, rounded } = operand(x, out, W);
  const y = record("times", product(rows.value, W, false), [
    { input: rows, vjp: (dY) => timesTransposed(dY, W) }, // X̄ = Ȳ Wᵀ
  ]);
  return reshape(rounded(y), [...x.shape.slice(0, -1), inner]);
}

const identity = <T>(x: T): T => x;

/** The rounding of a compute type, as an op. */
export const roundingTo = (computeDtype: ComputeDtype): ((x: Tensor) => Tensor) =>
  computeDtype === "bfloat16" ? bfloat16 : identity;

function operand(x: Tensor, length: number, { computeDtype }: PackedMatrix) {
  if (x.shape.length === 0 || x.shape.at(-1) !== length)
    throw new ShapeError("QuantizedLinear", `x [..., ${length}]`, { x: x.shape });
  const rounded = roundingTo(computeDtype);
  const rows = x.shape.length === 2 ? x : reshape(x, [sizeOf(x.shape.slice(0, -1)), length]);
  return { rows: rounded(rows), rounded };
}

/** X Wᵀ if `transposed`, else X W. Temporaries are released. */
function product(x: NDArray, W: PackedMatrix, transposed: boolean): NDArray {
  const { nibbles } = W.packed;
  return scope(() => {
    if (nibbles && W.computeDtype === "float32") return dequantizeMatmul(x, nibbles, transposed);
    const numbers = dequantized(W);
    return matmul(x, transposed ? mT(numbers) : numbers);
  });
}

/** W [out, in] in the compute type. */
function dequantized({ packed, computeDtype }: PackedMatrix): NDArray {
  const W = numbersOf(packed);
  return computeDtype === "bfloat16" ? unary("bfloat16", W) : W;
}

/** W dequantized, for 4 bits by the kernel of the device; the values are those of `dequantizeInto` to the last bit. */
function numbersOf(packed: QuantizedTensor): NDArray {
  if (packed.nibbles) return kernel("dequantize")(packed.nibbles);
  const W = empty(packed.shape);
  const { data } = W.storage;
  if (data instanceof Float32Array) packed.dequantizeInto(data);
  else data.set(packed.toArray());
  return W;
}

/** W [out, in] as stored, not rounded to the compute type; without history. */
export const denseOf = (packed: QuantizedTensor): Tensor =>
  new Tensor(dequantized({ packed, computeDtype: "float32" }));
