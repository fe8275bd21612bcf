/**
 * @file Tensor: a value with a history. Its methods delegate to the ops, one line each; the mathematics is in ops/.
 */

import {
  ArgumentError,
  AutogradError,
  allocateFloats,
  array,
  binary,
  type Category,
  categories,
  checkNumbers,
  checkOptions,
  copy,
  type HasStorages,
  type IndexLike,
  NDArray,
  type Nested,
  reshape as reshapeArray,
  type Shape,
  ShapeError,
  type Storage,
  sameShape,
} from "../core/index.ts";
import { type BackwardOptions, backward } from "./backward.ts";
import { type GradientHook, Node } from "./graph.ts";
import type { Axes, KeepDims, Operand } from "./ops/index.ts";
import * as ops from "./ops/index.ts";

export class Tensor implements HasStorages {
  readonly value: NDArray;
  #grad: Tensor | null = null;
  /** True once somebody outside may hold `grad`. */
  #isGradHeld = false;
  #spare: Tensor | null = null;
  /** This tensor's place in the graph; null when it needs no gradient. */
  node: Node | null = null;

  constructor(value: NDArray) {
    this.value = value;
  }

  /**
   * ∂/∂this, after backward: for leaves that require a gradient, and tensors that retain theirs. When it is set, a
   * copy is kept, since gradients are changed in place; one that has a history of its own is kept as it is.
   * @throws ShapeError on setting one of another shape, ArgumentError on what is no tensor
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
   * The values of `grad`, for those who use them at once and keep nothing, such as an optimizer's step: the memory of
   * a gradient that was read only so is used again for the next one.
   */
  get gradValue(): NDArray | null {
    return this.#grad?.value ?? null;
  }

  get shape(): Shape {
    return this.value.shape;
  }

  get size(): number {
    return this.value.size;
  }

  /** True for leaves marked so, and for everything computed from them. Only leaves can be set. */
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

  /** A leaf holds values given to it; other tensors were computed. */
  get isLeaf(): boolean {
    return !this.node || this.node.op === "leaf";
  }

  /** The values in row-major order, as a copy. float32, whatever the precision they were computed in. */
  toArray(): Float32Array {
    const values = allocateFloats(this.size);
    values.set(this.value.data);
    return values;
  }

  /** The one value of a tensor of one element. */
  item(): number {
    if (this.size !== 1) throw new ShapeError("item", "a tensor of one element", { tensor: this.shape });
    return this.value.data[0];
  }

  /** Adds the gradients of this scalar to the leaves it came from; see `backward`. */
  backward(gradient?: Tensor, options?: BackwardOptions): void {
    backward(this, gradient, options);
  }

  /** Forgets the gradient. Who has read it from `grad` keeps it as it is. */
  zeroGrad(): void {
    if (this.#grad && !this.#grad.node) {
      if (this.#isGradHeld) this.#grad.value.storage.keep("workspace");
      else this.#spare = this.#grad;
    }
    this.#grad = null;
    this.#isGradHeld = false;
  }

  /** Adds to `grad`, in memory of its own that outlives any scope. */
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

  /** Keeps `grad` for this tensor though it is not a leaf. */
  retainGrad(): this {
    if (!this.node) throw new AutogradError("retainGrad: the tensor needs no gradient");
    this.node.collector = this;
    return this;
  }

  /** Calls `hook` with this tensor's gradient in each backward; returns the function that takes it off again. */
  onGradient(hook: GradientHook): () => void {
    const { node } = this;
    if (!node) throw new AutogradError("onGradient: the tensor needs no gradient");
    node.hooks.add(hook);
    return () => node.hooks.delete(hook);
  }

  /** Overwrites the values in place. A graph that saved the old ones will refuse to run backward. */
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

  eq(other: Operand): Tensor {
    return ops.eq(this, other);
  }

  gt(other: Operand): Tensor {
    return ops.gt(this, other);
  }

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

  rsqrt(): Tensor {
    return ops.rsqrt(this);
  }

  reciprocal(): Tensor {
    return ops.reciprocal(this);
  }

  exp(): Tensor {
    return ops.exp(this);
  }

  expm1(): Tensor {
    return ops.expm1(this);
  }

  log(): Tensor {
    return ops.log(this);
  }

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

  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }

  softplus(): Tensor {
    return ops.softplus(this);
  }

  relu(): Tensor {
    return ops.relu(this);
  }

  erf(): Tensor {
    return ops.erf(this);
  }

  gelu(): Tensor {
    return ops.gelu(this);
  }

  geluTanh(): Tensor {
    return ops.geluTanh(this);
  }

  silu(): Tensor {
    return ops.silu(this);
  }

  bfloat16(): Tensor {
    return ops.bfloat16(this);
  }

  float16(): Tensor {
    return ops.float16(this);
  }

  clamp(low: number, high: number): Tensor {
    return ops.clamp(this, low, high);
  }

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

  logsumexp(axes?: Axes, options?: KeepDims): Tensor {
    return ops.logsumexp(this, axes, options);
  }

  norm(axes?: Axes, options?: KeepDims): Tensor {
    return ops.norm(this, axes, options);
  }

  variance(axes?: Axes, options?: KeepDims & { readonly correction?: number }): Tensor {
    return ops.variance(this, axes, options);
  }

  softmax(axes?: Axes): Tensor {
    return ops.softmax(this, axes);
  }

  logSoftmax(axes?: Axes): Tensor {
    return ops.logSoftmax(this, axes);
  }

  reshape(...shape: number[]): Tensor {
    return ops.reshape(this, shape);
  }

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

  broadcastTo(shape: Shape): Tensor {
    return ops.broadcastTo(this, shape);
  }

  slice(axis: number, start: number, end?: number): Tensor {
    return ops.slice(this, axis, start, end);
  }

  gather(index: IndexLike, axis?: number): Tensor {
    return ops.gather(this, index, axis);
  }

  takeRows(ids: IndexLike): Tensor {
    return ops.takeRows(this, ids);
  }

  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }
}

export interface TensorOptions {
  readonly requiresGrad?: boolean;
  /** What the memory meter counts the bytes under; temporaries by default. */
  readonly category?: Category;
}

/**
 * A tensor from numbers: flat with a shape, or nested lists, whose nesting gives the shape.
 * @throws ShapeError when the count does not match the shape, or lists are ragged; ArgumentError on what is no number,
 *   and on unknown options
 */
export function tensor(
  data: ArrayLike<number> | Nested | NDArray,
  shape?: Shape | TensorOptions,
  options?: TensorOptions,
): Tensor {
  const given = Array.isArray(shape) ? (shape as Shape) : undefined;
  const chosen = options ?? (given ? {} : ((shape ?? {}) as TensorOptions));
  if (typeof chosen !== "object" || (options && shape !== undefined && !given)) {
    throw new ArgumentError("tensor", "a shape, as a list, and then options", { shape, options });
  }
  checkOptions("tensor", chosen, ["requiresGrad", "category"], { requires_grad: "requiresGrad" });
  const { requiresGrad = false, category } = chosen;
  if (category !== undefined && !categories.includes(category)) {
    throw new ArgumentError("tensor", `a category among ${categories.join(", ")}`, { category });
  }
  const value = !(data instanceof NDArray)
    ? array(data, given, category)
    : given
      ? reshapeArray(data, given)
      : data;
  const result = new Tensor(value);
  result.requiresGrad = requiresGrad;
  return result;
}

/**
 * The array of an operand.
 * @throws ArgumentError naming the op and the operand when it is no tensor
 */
export function operand(who: string, x: Tensor, name = "x"): NDArray {
  if (x instanceof Tensor) return x.value;
  const given: unknown = x;
  const advice = Array.isArray(given) || ArrayBuffer.isView(given) ? " (tensor(list) makes one)" : "";
  throw new ArgumentError(who, `${name} a tensor${advice}`, { [name]: given });
}

/** A trainable leaf: not a temporary of any scope, counted under `weights` (or `category`), requiring a gradient. */
export function parameter(value: NDArray | Tensor, category: Category = "weights"): Tensor {
  const source = value instanceof NDArray ? value : operand("parameter", value, "value");
  const result = new Parameter(copy(source, category));
  result.requiresGrad = true;
  return result;
}

/** A leaf that belongs to a module and is found by `Module.namedParameters`, trainable or frozen. */
export class Parameter extends Tensor {}
