/** @file Making tensors: tensor from numbers, parameter for what is trained. */

import {
  ArgumentError,
  array,
  type Category,
  categories,
  checkOptions,
  copy,
  NDArray,
  type Nested,
  reshape,
  type Shape,
} from "../core/index.ts";
import { operand, Parameter, Tensor } from "./tensor.ts";

export interface TensorOptions {
  /** Whether backward leaves a gradient in `grad`. @default false */
  readonly requiresGrad?: boolean;
  /** What the memory meter counts the bytes under. @default "workspace", a temporary */
  readonly category?: Category;
}

/**
 * A tensor from numbers, which are copied.
 *
 *     tensor([[1, 2], [3, 4]])                                 nested lists: the nesting gives the shape, [2, 2]
 *     tensor(new Float32Array(6), [2, 3])                      a flat list and a shape
 *     tensor([1, 2, 3], { requiresGrad: true })
 *
 * @param data numbers, or an NDArray, which is not copied
 * @param shape the shape of the flat `data`; may be left out
 * @throws ShapeError when the count does not match the shape, or lists are ragged; ArgumentError on elements that are
 *   not numbers, and on unknown options
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
      ? reshape(data, given)
      : data;
  const result = new Tensor(value);
  result.requiresGrad = requiresGrad;
  return result;
}

/**
 * A trainable leaf that holds a copy of `value`. It requires a gradient, and no scope releases it. Values that are to come
 * from a file stay where they are.
 * @param category what the memory meter counts the bytes under
 */
export function parameter(value: NDArray | Tensor, category: Category = "weights"): Tensor {
  const source = value instanceof NDArray ? value : operand("parameter", value, "value");
  const result = new Parameter(source.storage.isDeferred ? source : copy(source, category));
  result.requiresGrad = true;
  return result;
}
