/**
 * @file Tensor: a value with a history. Its methods delegate to the ops, one line each; the mathematics is in ops/.
 *
 * Longer than 300 lines because a class is one piece, and each op is a method of this one.
 */

import {
  ArgumentError,
  AutogradError,
  allocateFloats,
  binary,
  checkNumbers,
  copy,
  type HasStorages,
  type IndexLike,
  NDArray,
  type Nested,
  type Shape,
  ShapeError,
  type Storage,
  sameShape,
  synchronous,
} from "../core/index.ts";
import { type BackwardOptions, backward } from "./backward.ts";
import { type GradientHook, Node } from "./graph.ts";
import type { Axes, KeepDims, Operand } from "./ops/index.ts";
import * as ops from "./ops/index.ts";

/**
 * An array of numbers that knows how it was computed, so that `backward` can differentiate it.
 *
 *     const w = tensor([[1, 2], [3, 4]], { requiresGrad: true });
 *     const x = tensor([[1], [1]]);
 *     const loss = w.matmul(x).square().sum(); // (1 + 2)² + (3 + 4)²
 *     loss.item(); // 58
 *     loss.backward();
 *     w.grad?.toArray(); // [6, 6, 14, 14], which is ∂loss/∂w = 2 (w x) xᵀ
 *
 * Values do not change: each op returns a new tensor. The exceptions are `assign` and the steps of optimizers, which
 * write into parameters. Every op is a method here and a function of the same name in autograd/ops.
 */
export class Tensor implements HasStorages {
  /** The values, without history. */
  readonly value: NDArray;
  #grad: Tensor | null = null;
  /** True once `grad` was read: its reader may hold it, so that its memory is not used again. */
  #isGradHeld = false;
  /** The memory of the last gradient, for the next one. */
  #spare: Tensor | null = null;
  /** This tensor's place in the graph; null when it needs no gradient. */
  node: Node | null = null;

  constructor(value: NDArray) {
    this.value = value;
  }

  /**
   * The gradient, after `backward`, of a leaf that requires one or of a tensor that retains its own; else null. Setting
   * it stores a copy, since gradients are changed in place, except when it has a history of its own.
   * @throws ShapeError when it is set to a tensor of another shape, ArgumentError when not to a tensor or null
   */
  get grad(): Tensor | null {
    this.#isGradHeld = true;
    return this.#grad;
  }

  set grad(grad: Tensor | null) {
    if (grad !== null && !(grad instanceof Tensor))
      throw new ArgumentError("grad", "a tensor or null", { grad });
    if (grad && !sameShape(grad.shape, this.shape))
      throw new ShapeError("grad", `a gradient of shape [${this.shape.join(", ")}]`, { grad: grad.shape });
    this.#isGradHeld = grad !== null;
    this.#grad = grad && !grad.node ? new Tensor(copy(grad.value, "gradients")) : grad;
  }

  /**
   * The values of `grad`, for code that uses them at once and keeps nothing, such as an optimizer's step. Their memory
   * is used again for the next gradient, which that of `grad` itself is not once it was read.
   */
  get gradValue(): NDArray | null {
    return this.#grad?.value ?? null;
  }

  /** Lengths of the axes, outermost first; [] for a scalar. */
  get shape(): Shape {
    return this.value.shape;
  }

  /** Number of elements. */
  get size(): number {
    return this.value.size;
  }

  /**
   * Whether this tensor is part of the graph: true for leaves for which it was set, and for all that is computed from
   * them. Setting it to false on a leaf drops its gradient.
   * @throws AutogradError when it is set on the result of an op
   */
  get requiresGrad(): boolean {
    return this.node !== null;
  }

  set requiresGrad(required: boolean) {
    if (required === this.requiresGrad) return;
    if (!this.isLeaf) {
      throw new AutogradError(
        "requiresGrad: this tensor is the result of an op; detach() it, or set the leaves it came from",
      );
    }
    if (!required) {
      this.grad = null;
      this.#spare?.value.storage.release();
      this.#spare = null;
    }
    this.node = null;
    if (required) {
      this.node = new Node("leaf", this.shape);
      this.node.collector = this;
    }
  }

  /** True for a tensor that was given its values, false for the result of an op that recorded. */
  get isLeaf(): boolean {
    return !this.node || this.node.op === "leaf";
  }

  /** The values in row-major order, as a copy. float32, whatever the precision they were computed in. */
  toArray(): Float32Array {
    const values = allocateFloats(this.size);
    values.set(this.value.data);
    return values;
  }

  /** The value of a tensor of one element. @throws ShapeError for any other number of elements */
  item(): number {
    if (this.size !== 1) throw new ShapeError("item", "a tensor of one element", { tensor: this.shape });
    return this.value.data[0];
  }

  /** Adds the gradients of this scalar to `grad` of the leaves it came from; see the function `backward`. */
  backward(gradient?: Tensor, options?: BackwardOptions): void {
    backward(this, gradient, options);
  }

  /** Drops the gradient. Code that has read it from `grad` may keep it: it does not change. */
  zeroGrad(): void {
    if (this.#grad && !this.#grad.node) {
      if (this.#isGradHeld) this.#grad.value.storage.keep("workspace");
      else this.#spare = this.#grad;
    }
    this.#grad = null;
    this.#isGradHeld = false;
  }

  /** Adds `gradient` to `grad`, whose memory is its own and outlives any scope. */
  accumulate(gradient: Tensor): void {
    if (this.#grad) {
      const sum = binary("add", this.#grad.value, gradient.value);
      // A gradient with a history (`createGraph`) stays as it was for those who hold it.
      if (this.#grad.node) this.#grad = new Tensor(copy(sum, "gradients"));
      else this.#grad.assign(sum);
    } else if (this.#spare) {
      this.#grad = this.#spare.assign(gradient);
      this.#spare = null;
    } else this.#grad = new Tensor(copy(gradient.value, "gradients"));
  }

  /** The same values without history; storage is shared. */
  detach(): Tensor {
    return new Tensor(this.value);
  }

  /** A copy with its own storage and no history. */
  clone(): Tensor {
    return new Tensor(copy(this.value));
  }

  /** Makes backward leave a gradient in `grad` of a result. @throws AutogradError when the tensor needs no gradient */
  retainGrad(): this {
    if (!this.node) throw new AutogradError("retainGrad: the tensor needs no gradient");
    this.node.collector = this;
    return this;
  }

  /**
   * Calls `hook` with this tensor's gradient in each backward. What it returns, if anything, replaces the gradient.
   * @returns a function that removes the hook
   * @throws AutogradError when the tensor needs no gradient, ArgumentError when `hook` is not a function
   */
  onGradient(hook: GradientHook): () => void {
    const { node } = this;
    if (!node) throw new AutogradError("onGradient: the tensor needs no gradient");
    if (typeof hook !== "function") throw new ArgumentError("onGradient", "a function", { hook });
    node.hooks.add(hook);
    return () => node.hooks.delete(hook);
  }

  /**
   * Overwrites the values in place. A graph that saved the old ones refuses to run backward.
   * @throws ShapeError when the shapes (for a plain list, the counts) differ; ArgumentError on elements that are not
   *   numbers
   */
  assign(values: Tensor | NDArray | ArrayLike<number>): this {
    const source = values instanceof Tensor ? values.value : values instanceof NDArray ? values : null;
    const data = source ? source.data : (values as ArrayLike<number>);
    if (!source) checkNumbers("assign", values);
    if (source ? !sameShape(source.shape, this.shape) : data.length !== this.size) {
      throw new ShapeError("assign", `values of shape [${this.shape.join(", ")}]`, {
        values: source?.shape ?? data.length,
      });
    }
    if (!this.value.isContiguous)
      throw new ShapeError("assign", "a contiguous tensor", { tensor: this.shape });
    this.value.storage.write().set(data, this.value.offset);
    return this;
  }

  /** For JSON.stringify: the values as nested lists, which `tensor` reads. */
  toJSON(): Nested {
    return this.value.toJSON();
  }

  /** For `scope`: the memory that this tensor keeps. */
  *storages(): Generator<Storage> {
    yield this.value.storage;
    if (this.#grad) yield this.#grad.value.storage;
  }

  /** Shape and the first values: `Tensor [2, 3] (1, 2, 3, 4, 5, 6)`. */
  toString(): string {
    const first = [...this.value.data.slice(0, 8)].map((x) => String(Number(x.toPrecision(6))));
    const values = this.size > 8 ? `${first.join(", ")}, …` : first.join(", ");
    return `Tensor [${this.shape.join(", ")}] (${values})${this.requiresGrad ? " requires grad" : ""}`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  add(other: Operand): Tensor {
    return ops.add(this, other);
  }

  sub(other: Operand): Tensor {
    return ops.sub(this, other);
  }

  mul(other: Operand): Tensor {
    return ops.mul(this, other);
  }

  div(other: Operand): Tensor {
    return ops.div(this, other);
  }

  pow(other: Operand): Tensor {
    return ops.pow(this, other);
  }

  maximum(other: Operand): Tensor {
    return ops.maximum(this, other);
  }

  minimum(other: Operand): Tensor {
    return ops.minimum(this, other);
  }

  /** 1 where equal, else 0. */
  eq(other: Operand): Tensor {
    return ops.eq(this, other);
  }

  /** 1 where this > other, else 0. */
  gt(other: Operand): Tensor {
    return ops.gt(this, other);
  }

  /** 1 where this ≥ other, else 0. */
  ge(other: Operand): Tensor {
    return ops.ge(this, other);
  }

  neg(): Tensor {
    return ops.neg(this);
  }

  abs(): Tensor {
    return ops.abs(this);
  }

  sign(): Tensor {
    return ops.sign(this);
  }

  square(): Tensor {
    return ops.square(this);
  }

  sqrt(): Tensor {
    return ops.sqrt(this);
  }

  /** 1/√x */
  rsqrt(): Tensor {
    return ops.rsqrt(this);
  }

  reciprocal(): Tensor {
    return ops.reciprocal(this);
  }

  exp(): Tensor {
    return ops.exp(this);
  }

  /** eˣ − 1 */
  expm1(): Tensor {
    return ops.expm1(this);
  }

  log(): Tensor {
    return ops.log(this);
  }

  /** log(1 + x) */
  log1p(): Tensor {
    return ops.log1p(this);
  }

  sin(): Tensor {
    return ops.sin(this);
  }

  cos(): Tensor {
    return ops.cos(this);
  }

  tanh(): Tensor {
    return ops.tanh(this);
  }

  /** 1/(1 + e⁻ˣ) */
  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }

  /** log(1 + eˣ) */
  softplus(): Tensor {
    return ops.softplus(this);
  }

  relu(): Tensor {
    return ops.relu(this);
  }

  /** The error function. */
  erf(): Tensor {
    return ops.erf(this);
  }

  /** x Φ(x) */
  gelu(): Tensor {
    return ops.gelu(this);
  }

  /** GPT-2's approximation of gelu. */
  geluTanh(): Tensor {
    return ops.geluTanh(this);
  }

  /** x σ(x) */
  silu(): Tensor {
    return ops.silu(this);
  }

  /** Rounded to bfloat16; the gradient passes straight through. */
  bfloat16(): Tensor {
    return ops.bfloat16(this);
  }

  /** Rounded to half precision; the gradient passes straight through. */
  float16(): Tensor {
    return ops.float16(this);
  }

  /** Kept within [low, high]. */
  clamp(low: number, high: number): Tensor {
    return ops.clamp(this, low, high);
  }

  /** Σ x over `axes`, all by default. */
  sum(axes?: Axes, options?: KeepDims): Tensor {
    return ops.sum(this, axes, options);
  }

  mean(axes?: Axes, options?: KeepDims): Tensor {
    return ops.mean(this, axes, options);
  }

  max(axes?: Axes, options?: KeepDims): Tensor {
    return ops.max(this, axes, options);
  }

  min(axes?: Axes, options?: KeepDims): Tensor {
    return ops.min(this, axes, options);
  }

  /** log Σ eˣ over `axes`, all by default, without overflow. */
  logsumexp(axes?: Axes, options?: KeepDims): Tensor {
    return ops.logsumexp(this, axes, options);
  }

  /** √Σ x² over `axes`, all by default. */
  norm(axes?: Axes, options?: KeepDims): Tensor {
    return ops.norm(this, axes, options);
  }

  /** Σ (x − mean)² / (n − correction) over `axes`, all by default. */
  variance(axes?: Axes, options?: KeepDims & { readonly correction?: number }): Tensor {
    return ops.variance(this, axes, options);
  }

  /** eˣ / Σ eˣ over `axes`, the last by default. */
  softmax(axes?: Axes): Tensor {
    return ops.softmax(this, axes);
  }

  /** x − log Σ eˣ over `axes`, the last by default. */
  logSoftmax(axes?: Axes): Tensor {
    return ops.logSoftmax(this, axes);
  }

  /** The values under another shape; one length may be −1. */
  reshape(...shape: number[]): Tensor {
    return ops.reshape(this, shape);
  }

  /** Axis i of the result is axis `order[i]` of this. */
  permute(...order: number[]): Tensor {
    return ops.permute(this, order);
  }

  transpose(a: number, b: number): Tensor {
    return ops.transpose(this, a, b);
  }

  /** The matrix transpose: the last two axes exchanged, without a copy. */
  get T(): Tensor {
    return ops.mT(this);
  }

  /** Repeated until it has `shape`. */
  broadcastTo(shape: Shape): Tensor {
    return ops.broadcastTo(this, shape);
  }

  /** Elements `start` to `end` (excluded) along `axis`. */
  slice(axis: number, start: number, end?: number): Tensor {
    return ops.slice(this, axis, start, end);
  }

  /** Elements at `index` along `axis`, as PyTorch's gather. */
  gather(index: IndexLike, axis?: number): Tensor {
    return ops.gather(this, index, axis);
  }

  /** Rows of a table by id: an embedding lookup. */
  takeRows(ids: IndexLike): Tensor {
    return ops.takeRows(this, ids);
  }

  /** The matrix product over the last two axes; the others broadcast. */
  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }
}

/**
 * The array of an operand.
 * @throws ArgumentError naming the op and the operand when it is not a tensor
 */
export function operand(who: string, x: Tensor, name = "x"): NDArray {
  if (x instanceof Tensor) return x.value;
  const given: unknown = x;
  const advice = Array.isArray(given) || ArrayBuffer.isView(given) ? " (tensor(list) makes one)" : "";
  throw new ArgumentError(who, `${name} a tensor${advice}`, { [name]: given });
}

/**
 * The result of a function that was differentiated.
 * @throws ArgumentError naming `who` when it is not a tensor
 */
export function returnedTensor(who: string, result: unknown): Tensor {
  if (synchronous(who, result) instanceof Tensor) return result as Tensor;
  throw new ArgumentError(who, "a function that returns a tensor", { result });
}

/** A function to differentiate. */
export type Differentiable = (...xs: Tensor[]) => Tensor;

/** @throws ArgumentError naming `who` when `f` is not a function */
export function checkFunction(who: string, f: unknown): void {
  if (typeof f !== "function") throw new ArgumentError(who, "a function of tensors", { f });
}

/** A leaf that belongs to a module and is found by `Module.namedParameters`, trainable or frozen. */
export class Parameter extends Tensor {}
