/**
 * @file Tensor: a value with a history. The ops are methods of it too, which methods.ts adds: ops make tensors, so that
 * this file comes before them.
 */

import {
  ArgumentError,
  AutogradError,
  allocateFloats,
  binary,
  checkNumbers,
  copy,
  type HasStorages,
  NDArray,
  type Nested,
  type Shape,
  ShapeError,
  type Storage,
  sameShape,
  synchronous,
} from "../core/index.ts";
import { type GradientHook, Node } from "./graph.ts";
import type { TensorOps } from "./methods.ts";

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
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: methods.ts adds what the interface below declares
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

/** The ops, which methods.ts adds and is checked to. */
export interface Tensor extends TensorOps {}

/** A leaf that belongs to a module and is found by `Module.namedParameters`, trainable or frozen. */
export class Parameter extends Tensor {}
