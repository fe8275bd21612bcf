/** @file Laws of products on every gpu device. agreement.test.ts runs them in Node, test/browser in pages. */

import * as fc from "fast-check";
import { array, contiguous, NDArray, permute, random, reshape, zeros } from "lowrank/core";
import * as assert from "uvu/assert";
import { openSession } from "#gpu";
import { reference } from "../../../core/device/reference.ts";
import { type GpuDevice, gpuDevice } from "../../../core/gpu/index.ts";
import type { Plan } from "../../../core/gpu/plan.ts";
import type { SyncSession } from "../../../core/gpu/sync-session.ts";
import { layout, view } from "../../support/views.ts";
import type { Law } from "./modes.ts";

/** In the order of the file. */
export const agreement: Law[] = [];
const law = (name: string, holds: (device: GpuDevice) => void): void => void agreement.push({ name, holds });

const u = 2 ** -24; // unit roundoff of float32

/**
 * |fl(Σ aₗ bₗ) - Σ aₗ bₗ| ≤ γ Σ |aₗ bₗ|, γ = K u / (1 - K u), in whatever order the K products are added and whether
 * or not multiplications are fused (Higham, Accuracy and Stability, §3.1); one rounding more for the reference's, and
 * `roundings` more for factors that are not the reference's.
 */
export function assertAgrees(y: NDArray, a: NDArray, b: NDArray, roundings = 0): void {
  const abs = (x: NDArray): NDArray => array(x.data.map(Math.abs), x.shape);
  const expected = reference.matmul(a, b).data;
  const magnitude = reference.matmul(abs(a), abs(b)).data;
  const K = a.shape[a.rank - 1];
  const gamma = ((K + 1 + roundings) * u) / (1 - (K + 1 + roundings) * u);
  assert.equal(y.size, expected.length);
  const values = y.data;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(values[i] - expected[i]);
    // 2⁻¹²⁶: results below it may be flushed to zero
    if (!(error <= gamma * magnitude[i] + 2 ** -126)) {
      assert.unreachable(`element ${i}: ${values[i]}, reference ${expected[i]}, K ${K}`);
    }
  }
}

/** Short: some modes are slow. */
const extent = fc.constantFrom(1, 1, 2, 3, 5, 8, 9);

const products = fc.record({
  batch: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }),
  n: extent,
  k: extent,
  m: extent,
  a: layout,
  b: layout,
});

law("A B = reference, for views of any strides, offsets, batches and repeats", (device) => {
  fc.assert(
    fc.property(products, ({ batch, n, k, m, a, b }) => {
      const A = view([...batch, n, k], a);
      const B = view([...batch, k, m], b);
      const Y = device.kernels.matmul(A, B);
      assert.equal(Y.shape, [...batch, n, m]);
      assertAgrees(Y, A, B);
    }),
    { numRuns: 100 },
  );
});

law("the integer-only kernel computes what the other computes, bit for bit", (device) => {
  const wide = gpuDevice(device.name.slice(4) as "webgpu", () =>
    edited(openSession(device.name.slice(4) as "webgpu"), (session) => ({
      matmul: (plan, p, q) => session.matmul({ ...plan, kernel: "productWide" } as Plan, p, q),
    })),
  );
  fc.assert(
    fc.property(products, ({ batch, n, k, m, a, b }) => {
      const A = view([...batch, n, k], a);
      const B = view([...batch, k, m], b);
      assert.equal(wide.kernels.matmul(A, B).data, device.kernels.matmul(A, B).data);
    }),
    { numRuns: 40 },
  );
  wide.close();
});

/** `session` with some of its methods replaced. */
function edited(session: SyncSession, edit: (session: SyncSession) => Partial<SyncSession>): SyncSession {
  return new Proxy(session, {
    get: (target, key: keyof SyncSession) => {
      const value = edit(target)[key] ?? target[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

law("no inner length is cut short: K ones sum to K", (device) => {
  const sums = (k: number): Float32Array => {
    const ones = array(new Float32Array(2 * k).fill(1), [2, k]);
    return device.kernels.matmul(ones, permute(ones, [1, 0])).data as Float32Array;
  };
  fc.assert(
    fc.property(fc.integer({ min: 1001, max: 6000 }), (k) => {
      assert.equal([...sums(k)], [k, k, k, k]);
    }),
    { numRuns: 15 },
  );
  assert.equal([...sums(70_000)], [70_000, 70_000, 70_000, 70_000]);
});

law("long sums of values of both signs agree within K u", (device) => {
  fc.assert(
    fc.property(fc.integer({ min: 1001, max: 6000 }), fc.nat(), (k, seed) => {
      const A = array(random(seed).normal(3 * k), [3, k]);
      const B = array(random(seed + 1).normal(k * 2), [k, 2]);
      assertAgrees(device.kernels.matmul(A, B), A, B);
    }),
    { numRuns: 10 },
  );
});

law("elements past number 2^24 of an array are read, where float positions would round", (device) => {
  const total = 2 ** 24 + 10;
  const long = zeros([total]);
  for (let i = 1; i <= 9; i++) long.storage.data[total - i] = i;
  // Strides of 2 and an odd offset: the positions 2^24 + 1, + 3, + 5 fall between the floats.
  const A = new NDArray(long.storage, [1, 3], [6, 2], 2 ** 24 + 1);
  const B = new NDArray(long.storage, [3, 1], [2, 2], 2 ** 24 + 3);
  assert.equal([...device.kernels.matmul(A, B).data], [9 * 7 + 7 * 5 + 5 * 3]);
  long.storage.release();
});

law("results longer than a texture is wide or tall are folded", (device) => {
  for (const [n, m] of [
    [40_000, 3],
    [3, 40_000],
    [40_000, 1],
    [1, 40_000],
  ]) {
    const A = array(random(n).uniform(n, -1, 1), [n, 1]);
    const B = array(random(m).uniform(m, -1, 1), [1, m]);
    assertAgrees(device.kernels.matmul(A, B), A, B);
  }
});

law("a chain of products is the product", (device) => {
  const rng = random(1);
  const x = array(rng.uniform(2 * 5 * 7, -1, 1), [2, 5, 7]);
  const A = array(rng.uniform(3 * 7, -1, 1), [3, 7]);
  const B = array(rng.uniform(4 * 3, -1, 1), [4, 3]);
  const rows = reshape(x, [10, 7]);
  const xA = device.kernels.matmul(rows, permute(A, [1, 0])); // x Aᵀ
  const y = device.kernels.matmul(xA, permute(B, [1, 0])); // (x Aᵀ) Bᵀ
  assertAgrees(y, contiguous(xA), permute(B, [1, 0]));
  assertAgrees(xA, rows, permute(A, [1, 0]));
});
