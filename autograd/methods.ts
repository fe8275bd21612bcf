/**
 * @file The ops as methods of tensors: `x.add(y)` is `add(x, y)`. index.ts imports this file for its effect, which is to
 * add them to the class.
 */

import type { IndexLike, Shape } from "../core/index.ts";
import { type BackwardOptions, backward } from "./backward.ts";
import type { Axes, KeepDims, Operand } from "./ops/index.ts";
import * as ops from "./ops/index.ts";
import { Tensor } from "./tensor.ts";

/** The methods of a tensor that are functions too. */
export interface TensorOps {
  /** Adds the gradients of this scalar to `grad` of the leaves it came from; see the function `backward`. */
  backward(gradient?: Tensor, options?: BackwardOptions): void;

  add(other: Operand): Tensor;

  sub(other: Operand): Tensor;

  mul(other: Operand): Tensor;

  div(other: Operand): Tensor;

  pow(other: Operand): Tensor;

  maximum(other: Operand): Tensor;

  minimum(other: Operand): Tensor;

  /** 1 where equal, else 0. */
  eq(other: Operand): Tensor;

  /** 1 where this > other, else 0. */
  gt(other: Operand): Tensor;

  /** 1 where this ≥ other, else 0. */
  ge(other: Operand): Tensor;

  neg(): Tensor;

  abs(): Tensor;

  sign(): Tensor;

  square(): Tensor;

  sqrt(): Tensor;

  /** 1/√x */
  rsqrt(): Tensor;

  reciprocal(): Tensor;

  exp(): Tensor;

  /** eˣ − 1 */
  expm1(): Tensor;

  log(): Tensor;

  /** log(1 + x) */
  log1p(): Tensor;

  sin(): Tensor;

  cos(): Tensor;

  tanh(): Tensor;

  /** 1/(1 + e⁻ˣ) */
  sigmoid(): Tensor;

  /** log(1 + eˣ) */
  softplus(): Tensor;

  relu(): Tensor;

  /** The error function. */
  erf(): Tensor;

  /** x Φ(x) */
  gelu(): Tensor;

  /** GPT-2's approximation of gelu. */
  geluTanh(): Tensor;

  /** x σ(x) */
  silu(): Tensor;

  /** Rounded to bfloat16; the gradient passes straight through. */
  bfloat16(): Tensor;

  /** Rounded to half precision; the gradient passes straight through. */
  float16(): Tensor;

  /** Kept within [low, high]. */
  clamp(low: number, high: number): Tensor;

  /** Σ x over `axes`, all by default. */
  sum(axes?: Axes, options?: KeepDims): Tensor;

  mean(axes?: Axes, options?: KeepDims): Tensor;

  max(axes?: Axes, options?: KeepDims): Tensor;

  min(axes?: Axes, options?: KeepDims): Tensor;

  /** log Σ eˣ over `axes`, all by default, without overflow. */
  logsumexp(axes?: Axes, options?: KeepDims): Tensor;

  /** √Σ x² over `axes`, all by default. */
  norm(axes?: Axes, options?: KeepDims): Tensor;

  /** Σ (x − mean)² / (n − correction) over `axes`, all by default. */
  variance(axes?: Axes, options?: KeepDims & { readonly correction?: number }): Tensor;

  /** eˣ / Σ eˣ over `axes`, the last by default. */
  softmax(axes?: Axes): Tensor;

  /** x − log Σ eˣ over `axes`, the last by default. */
  logSoftmax(axes?: Axes): Tensor;

  /** The values under another shape; one length may be −1. */
  reshape(...shape: number[]): Tensor;

  /** Axis i of the result is axis `order[i]` of this. */
  permute(...order: number[]): Tensor;

  transpose(a: number, b: number): Tensor;

  /** The matrix transpose: the last two axes exchanged, without a copy. */
  readonly T: Tensor;

  /** Repeated until it has `shape`. */
  broadcastTo(shape: Shape): Tensor;

  /** Elements `start` to `end` (excluded) along `axis`. */
  slice(axis: number, start: number, end?: number): Tensor;

  /** Elements at `index` along `axis`, as PyTorch's gather. */
  gather(index: IndexLike, axis?: number): Tensor;

  /** Rows of a table by id: an embedding lookup. */
  takeRows(ids: IndexLike): Tensor;

  /** The matrix product over the last two axes; the others broadcast. */
  matmul(other: Tensor): Tensor;
}

type MethodName = Exclude<keyof TensorOps, "T">;

/** Each method as a function of the tensor and its arguments. */
const methods: {
  readonly [Name in MethodName]: (
    x: Tensor,
    ...rest: Parameters<TensorOps[Name]>
  ) => ReturnType<TensorOps[Name]>;
} = {
  backward,
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  pow: ops.pow,
  maximum: ops.maximum,
  minimum: ops.minimum,
  eq: ops.eq,
  gt: ops.gt,
  ge: ops.ge,
  neg: ops.neg,
  abs: ops.abs,
  sign: ops.sign,
  square: ops.square,
  sqrt: ops.sqrt,
  rsqrt: ops.rsqrt,
  reciprocal: ops.reciprocal,
  exp: ops.exp,
  expm1: ops.expm1,
  log: ops.log,
  log1p: ops.log1p,
  sin: ops.sin,
  cos: ops.cos,
  tanh: ops.tanh,
  sigmoid: ops.sigmoid,
  softplus: ops.softplus,
  relu: ops.relu,
  erf: ops.erf,
  gelu: ops.gelu,
  geluTanh: ops.geluTanh,
  silu: ops.silu,
  bfloat16: ops.bfloat16,
  float16: ops.float16,
  clamp: ops.clamp,
  sum: ops.sum,
  mean: ops.mean,
  max: ops.max,
  min: ops.min,
  logsumexp: ops.logsumexp,
  norm: ops.norm,
  variance: ops.variance,
  softmax: ops.softmax,
  logSoftmax: ops.logSoftmax,
  reshape: (x, ...shape) => ops.reshape(x, shape),
  permute: (x, ...order) => ops.permute(x, order),
  transpose: ops.transpose,
  broadcastTo: ops.broadcastTo,
  slice: ops.slice,
  gather: ops.gather,
  takeRows: ops.takeRows,
  matmul: ops.matmul,
};

for (const name of Object.keys(methods) as MethodName[]) {
  const call = methods[name] as (x: Tensor, ...rest: unknown[]) => unknown;
  const named = {
    [name](this: Tensor, ...rest: unknown[]): unknown {
      return call(this, ...rest);
    },
  };
  Object.defineProperty(Tensor.prototype, name, { value: named[name], writable: true, configurable: true });
}

Object.defineProperty(Tensor.prototype, "T", {
  get(this: Tensor): Tensor {
    return ops.mT(this);
  },
  configurable: true,
});
