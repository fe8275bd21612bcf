/** @file A device's self-check: a few products against `reference`, the error in units of K ε. */

import { mT } from "../array/movement.ts";
import { array, type NDArray } from "../array/ndarray.ts";
import { random } from "../math/random.ts";
import type { Device } from "./device.ts";
import { reference } from "./reference.ts";

const EPSILON = 2 ** -23; // of float32

export interface Check {
  readonly product: string;
  /** The largest |y - y′| / (K ε Σ |a b|) over the elements: at most 1 for any order of adding. */
  readonly error: number;
}

/** Computes a few products on `device` and on `reference`: square, long, transposed, batched. */
export function selfCheck(device: Pick<Device, "kernels">): Check[] {
  const rng = random(0);
  const matrix = (...shape: number[]): NDArray =>
    array(
      rng.uniform(
        shape.reduce((size, length) => size * length, 1),
        -1,
        1,
      ),
      shape,
    );
  const products: [string, NDArray, NDArray][] = [
    ["64 x 64 x 64", matrix(64, 64), matrix(64, 64)],
    ["8 x 5000 x 8", matrix(8, 5000), matrix(5000, 8)],
    ["transposed, 48 x 32 x 40", mT(matrix(32, 48)), mT(matrix(40, 32))],
    ["6 batches of 16 x 24 x 8", matrix(2, 3, 16, 24), matrix(2, 3, 24, 8)],
  ];
  return products.map(([product, a, b]) => ({ product, error: errorOf(device, a, b) }));
}

function errorOf(device: Pick<Device, "kernels">, a: NDArray, b: NDArray): number {
  const y = device.kernels.matmul(a, b).data;
  const expected = reference.matmul(a, b).data;
  const abs = (x: NDArray): NDArray => array(x.data.map(Math.abs), x.shape);
  const magnitude = reference.matmul(abs(a), abs(b)).data;
  const unit = a.shape[a.rank - 1] * EPSILON;
  let worst = 0;
  for (let i = 0; i < y.length; i++) {
    const error = Math.abs(y[i] - expected[i]) / (unit * magnitude[i]);
    if (error > worst || Number.isNaN(error)) worst = error; // a NaN stays: no number is above it
  }
  return worst;
}
