/** @file Windows of an image as columns (im2col), so that a convolution is a matrix product; and the adjoint. */

import { ArgumentError, ShapeError } from "../errors.ts";
import { contiguous, empty, type NDArray, zeros } from "./ndarray.ts";
import { checkShape, type Shape, sameShape, sizeOf } from "./shape.ts";

/** Height, width. */
export type Pair = readonly [number, number];

export interface Windows {
  readonly kernel: Pair;
  /** Step from one window to the next. */
  readonly stride: Pair;
  /** Zeros around the image. */
  readonly padding: Pair;
  /** Step from one element of a window to the next. */
  readonly dilation: Pair;
}

/**
 * How many windows fit: ⌊(size + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1 along each axis.
 * @throws ArgumentError on sizes that make no sense, ShapeError when not one window fits
 */
export function windowCounts(size: Pair, windows: Windows): Pair {
  const { kernel, stride, padding, dilation } = windows ?? {};
  for (const [name, values, least] of [
    ["kernel", kernel, 1],
    ["stride", stride, 1],
    ["padding", padding, 0],
    ["dilation", dilation, 1],
  ] as const) {
    const isPair = Array.isArray(values) && values.length === 2;
    if (!isPair || !values.every((n) => Number.isSafeInteger(n) && n >= least))
      throw new ArgumentError("unfold", `${name} of two integers from ${least}`, { [name]: values });
  }
  const count = (axis: 0 | 1): number =>
    Math.floor((size[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1;
  const counts = [count(0), count(1)] as const;
  if (counts[0] < 1 || counts[1] < 1) {
    throw new ShapeError("unfold", "an image, with its padding, at least as large as the dilated kernel", {
      image: size,
      kernel,
      padding,
      dilation,
    });
  }
  return counts;
}

/** x [batch, channels, H, W] → [batch, channels · kernel, windows]: one column for each window. */
export function unfold(x: NDArray, windows: Windows): NDArray {
  if (x.rank !== 4) throw new ShapeError("unfold", "x [batch, channels, H, W]", { x: x.shape });
  const [batch, channels, height, width] = x.shape;
  const [rows, columns] = windowCounts([height, width], windows);
  const result = empty([batch, channels * sizeOf(windows.kernel), rows * columns]);
  const X = contiguous(x).data;
  const Y = result.storage.data;
  eachWindowElement(x.shape, windows, (i, at) => {
    Y[i] = at < 0 ? 0 : X[at];
  });
  return result;
}

/** Zeros of `shape` with each column added where its window was: the adjoint of `unfold`. */
export function fold(y: NDArray, shape: Shape, windows: Windows): NDArray {
  checkShape("fold", shape);
  if (shape.length !== 4) throw new ShapeError("fold", "a shape [batch, channels, H, W]", { shape });
  const [batch, channels, height, width] = shape;
  const [rows, columns] = windowCounts([height, width], windows);
  const fits = [batch, channels * sizeOf(windows.kernel), rows * columns];
  if (!sameShape(y.shape, fits)) throw new ShapeError("fold", `y [${fits.join(", ")}]`, { y: y.shape });
  const result = zeros(shape);
  const Y = contiguous(y).data;
  const X = result.storage.data;
  eachWindowElement(shape, windows, (i, at) => {
    if (at >= 0) X[at] += Y[i];
  });
  return result;
}

/** For each element of the unfolded array its place in the image, or −1 in the padding. */
function eachWindowElement(shape: Shape, windows: Windows, visit: (i: number, at: number) => void): void {
  const [batch, channels, height, width] = shape;
  const [rows, columns] = windowCounts([height, width], windows);
  const { kernel, stride, padding, dilation } = windows;
  let i = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let ky = 0; ky < kernel[0]; ky++) {
      for (let kx = 0; kx < kernel[1]; kx++) {
        for (let row = 0; row < rows; row++) {
          const y = row * stride[0] - padding[0] + ky * dilation[0];
          const start = (plane * height + y) * width;
          for (let column = 0; column < columns; column++) {
            const x = column * stride[1] - padding[1] + kx * dilation[1];
            visit(i++, y >= 0 && y < height && x >= 0 && x < width ? start + x : -1);
          }
        }
      }
    }
  }
}
