// The yardstick: a product in plain TypeScript loops over typed arrays, no packing, no blocking, no SIMD.

import { type Contestant, clock } from "../contestant.ts";

/** C = A·B for row-major n × n matrices, by the textbook's three loops. */
export function plainProduct(
  a: Float32Array,
  b: Float32Array,
  n: number,
  c = new Float32Array(n * n),
): Float32Array {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0; // in double precision, and in a register: faster here than adding rows of B into C
      for (let k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }
  }
  return c;
}

export const plain: Contestant = {
  name: "plain loops",
  details: "TypeScript, 1 thread",
  largestProduct: 512,
  open: async () => null,
  product: async (a, b, n) => {
    const c = new Float32Array(n * n);
    return {
      run: async (times) => clock(times, () => plainProduct(a, b, n, c)),
      result: async () => c,
      dispose: () => {},
    };
  },
  close: () => {},
};
