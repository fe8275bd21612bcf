/** @file Windows of an image as columns, and their adjoint. */

import * as nd from "../../core/index.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";

/** x [batch, channels, H, W] → [batch, channels · kernel, windows]: one column for each window. */
export function unfold(x: Tensor, windows: nd.Windows): Tensor {
  const value = nd.unfold(operand("unfold", x), windows);
  const { shape } = x;
  return record("unfold", value, [{ input: x, vjp: (dY) => fold(dY, shape, windows) }]);
}

/** Zeros of `shape` with each column added where its window was. The adjoint of unfold. */
export function fold(y: Tensor, shape: nd.Shape, windows: nd.Windows): Tensor {
  return record("fold", nd.fold(operand("fold", y, "y"), shape, windows), [
    { input: y, vjp: (dX) => unfold(dX, windows) },
  ]);
}
