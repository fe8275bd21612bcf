/** @file Elementwise functions of one array and of two, with broadcasting, on the cpu device. */

import { broadcastTo } from "../array/movement.ts";
import { contiguous, empty, NDArray } from "../array/ndarray.ts";
import { type Shape, sameShape, stridesOf } from "../array/shape.ts";
import type { BinaryName, UnaryName } from "../device/functions.ts";
import { reference } from "../device/reference.ts";
import { footprint, type Operands, part } from "./operands.ts";
import { kernels, type WasmRuntime } from "./wasm-runtime.ts";

/** The unary kernel reads and writes whole groups of so many elements. */
const GROUP = 16;

/**
 * The unary functions that the kernel has: their number in assembly/elementwise.ts, and nanoseconds an element on one
 * thread. The others run on the plain loops of `reference`.
 */
const unaryFunctions: { readonly [Name in UnaryName]?: readonly [number, number] } = {
  neg: [0, 0.3],
  abs: [1, 0.3],
  sign: [2, 0.3],
  square: [3, 0.3],
  sqrt: [4, 0.4],
  rsqrt: [5, 0.6],
  reciprocal: [6, 0.4],
  exp: [7, 0.7],
  log: [8, 1],
  tanh: [9, 1],
  sigmoid: [10, 0.8],
  softplus: [11, 2],
  relu: [12, 0.3],
  step: [13, 0.3],
  erf: [14, 1],
  gelu: [15, 1.2],
  geluGrad: [16, 1.5],
  geluTanh: [17, 1],
  geluTanhGrad: [18, 1],
  silu: [19, 0.8],
  siluGrad: [20, 0.8],
  floor: [21, 0.3],
  bfloat16: [22, 0.4],
};

/** The binary functions that the kernel has: their number in assembly/elementwise.ts. */
const binaryFunctions: { readonly [Name in BinaryName]?: number } = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  max: 4,
  min: 5,
  eq: 6,
  gt: 7,
  ge: 8,
  masked: 10,
};

/** Number of the function (a, b) ↦ a, with which the kernel copies a strided view. */
const FIRST = 9;

export function unary(runtime: WasmRuntime, name: UnaryName, x: NDArray): NDArray {
  const f = unaryFunctions[name];
  if (!f) return reference.unary(name, x);
  const [number, nanoseconds] = f;
  const result = empty(x.shape);
  const run = (operands: Operands, [X, Y]: readonly NDArray[]): void => {
    const chunks = runtime.chunks(Math.ceil(X.size / GROUP), X.size * nanoseconds);
    const addresses = [operands.input(X).address, operands.output(Y).address];
    runtime.run(kernels.unary, chunks, [...addresses, X.size, number]);
  };
  runtime.pieces([flat(x), flat(result)], run, { step: GROUP });
  return result;
}

export function binary(
  runtime: WasmRuntime,
  name: BinaryName,
  a: NDArray,
  b: NDArray,
  shape: Shape,
): NDArray {
  const number = binaryFunctions[name];
  if (number === undefined) return reference.binary(name, a, b, shape);
  const result = empty(shape);
  [a, b] = [contiguous(a), contiguous(b)];
  let axes = joinedAxes(a, b, shape);
  if (axes.length > 4) {
    a = contiguous(broadcastTo(a, shape));
    b = contiguous(broadcastTo(b, shape));
    axes = joinedAxes(a, b, shape);
  }
  if (footprint(a) + footprint(b) + footprint(result) <= runtime.piece)
    zip(runtime, number, a, b, result, axes);
  else {
    const lengths = axes.map(({ length }) => length);
    const viewed = (x: NDArray, strides: readonly number[]): NDArray =>
      new NDArray(x.storage, lengths, strides, x.offset);
    const views = [axes.map((axis) => axis.a), axes.map((axis) => axis.b), stridesOf(lengths)];
    const [A, B, Y] = [a, b, result].map((x, i) => viewed(x, views[i]));
    zipInParts(runtime, number, A, B, Y);
  }
  return result;
}

/** y = f(a, b) for views of one shape, which are halved along their outermost axes until they fit into the window. */
function zipInParts(runtime: WasmRuntime, f: number, a: NDArray, b: NDArray, y: NDArray): void {
  if (footprint(a) + footprint(b) + footprint(y) <= runtime.piece) {
    const axes = y.shape.map((length, axis) => ({ length, a: a.strides[axis], b: b.strides[axis] }));
    zip(runtime, f, a, b, y, axes);
    return;
  }
  const axis = y.shape.findIndex((length) => length > 1);
  const middle = Math.ceil(y.shape[axis] / 2);
  for (const [from, to] of [
    [0, middle],
    [middle, y.shape[axis]],
  ]) {
    const [A, B, Y] = [a, b, y].map((x) => part(x, axis, from, to));
    zipInParts(runtime, f, A, B, Y);
  }
}

/** y = f(a, b) along at most four axes; the strides of a and b on the innermost are 0 or 1. */
function zip(runtime: WasmRuntime, f: number, a: NDArray, b: NDArray, y: NDArray, axes: JointAxis[]): void {
  const inner = axes.pop() ?? { length: 1, a: 1, b: 1 };
  while (axes.length < 3) axes.unshift({ length: 1, a: 0, b: 0 });
  const rows = y.size / inner.length;
  runtime.call((operands) => {
    const nanoseconds = y.size * 0.4 + rows * 5;
    const chunks = runtime.chunks(rows > 1 ? rows : Math.ceil(inner.length / GROUP), nanoseconds);
    runtime.run(kernels.binary, chunks, [
      ...[operands.input(a).address, operands.input(b).address, operands.output(y).address],
      ...[f, inner.length, inner.a, inner.b],
      ...axes.map((axis) => axis.length),
      ...axes.map((axis) => axis.a),
      ...axes.map((axis) => axis.b),
    ]);
  });
}

function flat(x: NDArray): NDArray {
  const { storage, size, offset } = contiguous(x);
  return new NDArray(storage, [size], undefined, offset);
}

/**
 * Copies the strided view at the address `from` to `to`, in row-major order. Returns false, and copies nothing, when
 * the rows of the view are not contiguous or it has more than four axes.
 */
export function gather(
  runtime: WasmRuntime,
  from: number,
  shape: Shape,
  strides: readonly number[],
  to: number,
): boolean {
  const axes = joined(shape, strides, strides);
  const inner = axes.pop();
  if (inner?.a !== 1 || axes.length > 3) return false;
  while (axes.length < 3) axes.unshift({ length: 1, a: 0, b: 0 });
  const rows = axes[0].length * axes[1].length * axes[2].length;
  const chunks = runtime.chunks(
    rows > 1 ? rows : Math.ceil(inner.length / GROUP),
    rows * (inner.length * 0.2 + 5),
  );
  runtime.run(kernels.binary, chunks, [
    ...[from, from, to, FIRST, inner.length, 1, 0],
    ...axes.map((axis) => axis.length),
    ...axes.map((axis) => axis.a),
    ...[0, 0, 0],
  ]);
  return true;
}

/** An axis of the result with the strides of a and b along it; a stride of 0 repeats an element. */
interface JointAxis {
  length: number;
  readonly a: number;
  readonly b: number;
}

/**
 * The axes over which the kernel loops, outermost first. Neighbouring axes are joined into one longer axis when each
 * operand steps through both as through one, or repeats along both. Equal shapes give one axis; a bias [m] added to
 * [..., m] gives two.
 */
function joinedAxes(a: NDArray, b: NDArray, shape: Shape): JointAxis[] {
  if (sameShape(a.shape, b.shape)) return [{ length: a.size, a: 1, b: 1 }];
  return joined(shape, broadcastTo(a, shape).strides, broadcastTo(b, shape).strides);
}

/** The same for strides of a and b that are given for every axis of `shape`. */
function joined(shape: Shape, a: readonly number[], b: readonly number[]): JointAxis[] {
  const axes: JointAxis[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    const outer = { length: shape[axis], a: a[axis], b: b[axis] };
    const inner = axes[0];
    if (inner && outer.a === inner.a * inner.length && outer.b === inner.b * inner.length)
      inner.length *= outer.length;
    else axes.unshift(outer);
  }
  return axes;
}
