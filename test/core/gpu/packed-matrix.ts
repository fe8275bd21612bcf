/** @file Laws of products with matrices of 4-bit codes, for every gpu device, in Node and in pages. */

import * as fc from "fast-check";
import { array, type Codes, mT, type NDArray, random, scope, watch } from "lowrank/core";
import * as assert from "uvu/assert";
import { openSession } from "#gpu";
import { reference } from "../../../core/device/reference.ts";
import { type GpuDevice, type GpuMode, gpuDevice } from "../../../core/gpu/index.ts";
import { packMatrix } from "../../../core/gpu/packed-matrix.ts";
import { layout, view } from "../../support/views.ts";
import { assertAgrees } from "./agreement.ts";
import type { Law } from "./modes.ts";

/** In the order of the file. */
export const packedMatrices: Law[] = [];
const law = (name: string, holds: (device: GpuDevice) => void): void =>
  void packedMatrices.push({ name, holds });

type Matrix = readonly [out: number, inner: number];

function codes(shape: Matrix, blockSize: number, seed: number): Codes {
  const rng = random(seed);
  const size = shape[0] * shape[1];
  return {
    shape,
    codes: Uint8Array.from({ length: Math.ceil(size / 2) }, () => rng.bits() & 255),
    values: rng.uniform(16, -1, 1),
    scales: rng.uniform(Math.ceil(size / blockSize), 0, 2),
    blockSize,
  };
}

const product = (device: GpuDevice, A: NDArray, W: Codes, transposed: boolean): NDArray =>
  (device.kernels.dequantizeMatmul as NonNullable<typeof device.kernels.dequantizeMatmul>)(A, W, transposed);

/** Two roundings a term more than of a product of numbers: value · scale is rounded or not, here and there. */
function agrees(device: GpuDevice, A: NDArray, W: Codes, transposed: boolean): void {
  const numbers = reference.dequantize(W);
  assertAgrees(product(device, A, W, transposed), A, transposed ? mT(numbers) : numbers, 2);
}

/** A [n, k] of numbers drawn from a seed. */
const operand = (n: number, k: number, seed: number): NDArray =>
  array(random(seed).uniform(n * k, -1, 1), [n, k]);

const blockSizes = fc.constantFrom(32, 64, 128, 256, 512, 1024, 2048, 4096);

const drawn = fc.record({
  n: fc.integer({ min: 1, max: 4 }),
  out: fc.integer({ min: 1, max: 70 }),
  inner: fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constantFrom(32, 64, 128)),
  blockSize: blockSizes,
  how: layout,
  transposed: fc.boolean(),
  seed: fc.nat(),
});

law("A W and A Wᵀ with W in codes = reference, at any shape and block size, for any view of A", (device) => {
  fc.assert(
    fc.property(drawn, ({ n, out, inner, blockSize, how, transposed, seed }) => {
      const A = view([n, transposed ? inner : out], how);
      agrees(device, A, codes([out, inner], blockSize, seed + 1), transposed);
    }),
    { numRuns: 100 },
  );
});

law("no sum over codes is cut short, along rows and along columns", (device) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1001, max: 6000 }),
      blockSizes,
      fc.boolean(),
      fc.nat(),
      (k, blockSize, transposed, seed) => {
        const W = codes(transposed ? [3, k] : [k, 3], blockSize, seed);
        agrees(device, operand(2, k, seed), W, transposed);
        const ones = { ...W, values: new Float32Array(16).fill(1), scales: W.scales.map(() => 1) };
        const A = array(new Float32Array(2 * k).fill(1), [2, k]);
        assert.equal([...product(device, A, ones, transposed).data], Array(6).fill(k));
      },
    ),
    { numRuns: 10 },
  );
});

law("codes past number 2^24 of the array are read, where float positions would round", (device) => {
  const out = 2 ** 23 + 10; // as many scales before as many words
  const W: Codes = {
    shape: [out, 1],
    codes: new Uint8Array(out / 2),
    values: Float32Array.from({ length: 16 }, (_, code) => code),
    scales: new Float32Array(Math.ceil(out / 32)).fill(1),
    blockSize: 32,
  };
  for (let i = 1; i <= 5; i++) W.codes[out / 2 - i] = 16 * (2 * i) + 2 * i - 1;
  W.scales[W.scales.length - 1] = 8;
  const A = array(new Float32Array(out), [1, out]);
  let expected = 0;
  for (let i = 1; i <= 10; i++) {
    A.storage.data[out - i] = 11 - i;
    expected += (11 - i) * i * (i <= out % 32 ? 8 : 1);
  }
  assert.is(product(device, A, W, false).data[0], expected);
});

const deviceBytes = (): number => watch()().device.live;

law(
  "codes are uploaded once, in however many products of both kinds, and counted as device bytes",
  (device) => {
    const W = codes([12, 70], 64, 1);
    const [x, g] = [operand(3, 70, 2), operand(3, 12, 3)];
    const [before, bytes] = [device.statistics(), deviceBytes()];
    for (let step = 0; step < 20; step++) {
      scope(() => {
        product(device, x, W, true);
        product(device, g, W, false);
      });
    }
    const after = device.statistics();
    assert.is(after.uploads - before.uploads, 3);
    assert.is(after.products - before.products, 40);
    assert.is(after.downloads, before.downloads);
    assert.is(after.arrays - before.arrays, 3);
    assert.is(deviceBytes() - bytes, 4 * (packMatrix(W).length + x.size + g.size));
  },
);

law(
  "over the budget codes are evicted without a download and packed again, and no value changes",
  (device) => {
    const mode = device.name.slice(4) as GpuMode;
    const matrices = Array.from({ length: 4 }, (_, i) => codes([8, 64], 64, i));
    const length = packMatrix(matrices[0]).length;
    const budget = 4 * (2 * length + 2 * 64 + 8); // two of them, x and y
    const small = gpuDevice(mode, () => openSession(mode), budget);
    const start = deviceBytes();
    scope(() => {
      const x = operand(1, 64, 5);
      for (const i of [0, 1, 2, 3, 0, 0, 2, 1, 3]) {
        scope(() => {
          const y = product(small, x, matrices[i], true);
          assert.ok(deviceBytes() - start <= budget);
          assert.ok(small.statistics().arrays <= 4); // x, y, two matrices
          assertAgrees(y, x, mT(reference.dequantize(matrices[i])), 2);
        });
      }
    });
    const { uploads, downloads } = small.statistics();
    assert.is(downloads, 9); // of the products alone
    assert.ok(uploads > 5, `${uploads}`);
    small.close();
  },
);

law("a product beyond the budget keeps its own operands on the device", (device) => {
  const mode = device.name.slice(4) as GpuMode;
  const small = gpuDevice(mode, () => openSession(mode), 4);
  const W = codes([8, 64], 64, 1);
  scope(() => {
    const x = operand(2, 64, 5);
    assertAgrees(product(small, x, W, true), x, mT(reference.dequantize(W)), 2);
  });
  small.close();
});

law("a matrix takes 32/6 bits a weight and 32 for each block's scale", () => {
  const [out, inner, blockSize] = [64, 768, 64];
  const bits = (32 * packMatrix(codes([out, inner], blockSize, 1)).length) / (out * inner);
  const values = (32 * 22) / (out * inner); // once a matrix
  assert.ok(Math.abs(bits - values - (32 / 6 + 32 / blockSize)) < 1e-9, `${bits}`);
});
