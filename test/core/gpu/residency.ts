/** @file Laws of a gpu device's memory. residency.test.ts runs them in Node, test/browser in pages. */

import * as fc from "fast-check";
import { array, measureMemory, mT, type NDArray, random, scope, watch } from "lowrank/core";
import * as assert from "uvu/assert";
import { openSession } from "#gpu";
import { type GpuDevice, type GpuMode, gpuDevice } from "../../../core/gpu/index.ts";
import type { Law } from "./modes.ts";

/** In the order of the file. */
export const residency: Law[] = [];
const law = (name: string, holds: (device: GpuDevice) => void): void => void residency.push({ name, holds });

const rng = random(3);
const matrix = (n: number, m: number): NDArray => array(rng.uniform(n * m, -1, 1), [n, m]);
const mode = (device: GpuDevice): GpuMode => device.name.slice(4) as GpuMode;
/** Bytes on devices now. */
const deviceBytes = (): number => watch()().device.live;

/** What `fn` makes the device do. */
function work(device: GpuDevice, fn: () => void): { uploads: number; products: number; downloads: number } {
  const before = device.statistics();
  fn();
  const after = device.statistics();
  return {
    uploads: after.uploads - before.uploads,
    products: after.products - before.products,
    downloads: after.downloads - before.downloads,
  };
}

law("a frozen weight is uploaded once, in however many products and views", (device) => {
  const W = matrix(8, 6);
  const { uploads } = work(device, () => {
    for (let step = 0; step < 20; step++) {
      scope(() => {
        device.kernels.matmul(matrix(4, 6), mT(W));
        device.kernels.matmul(matrix(3, 8), W);
      });
    }
  });
  assert.is(uploads, 1 + 2 * 20);
});

law("(x A^T) B^T stays on the device: no download before the result is read, then one", (device) => {
  const [x, A, B] = [matrix(5, 7), matrix(2, 7), matrix(6, 2)];
  let y: NDArray | null = null;
  const chain = work(device, () => {
    y = device.kernels.matmul(device.kernels.matmul(x, mT(A)), mT(B));
  });
  assert.equal(chain, { uploads: 3, products: 2, downloads: 0 });
  const reading = work(device, () => {
    void y!.data;
    void y!.data;
  });
  assert.equal(reading, { uploads: 0, products: 0, downloads: 1 });
});

law("a write makes the device's copy stale, and the next product uses the new values", (device) => {
  const W = array([1, 2], [2, 1]);
  const x = array([1, 1], [1, 2]);
  assert.is(device.kernels.matmul(x, W).data[0], 3);
  W.storage.write()[0] = 10;
  assert.is(device.kernels.matmul(x, W).data[0], 12);
});

law("1,000 scoped steps leave as many arrays and bytes on the device as one", (device) => {
  const W = matrix(4, 6);
  const step = (): void =>
    scope(() => {
      const y = device.kernels.matmul(matrix(3, 6), mT(W));
      device.kernels.matmul(mT(y), device.kernels.matmul(y, W));
    });
  step();
  const [arrays, bytes] = [device.statistics().arrays, deviceBytes()];
  for (let i = 0; i < 1000; i++) step();
  assert.is(device.statistics().arrays, arrays);
  assert.is(deviceBytes(), bytes);
});

law("the result of a scope survives it, and may be used on the device afterwards", (device) => {
  const x = matrix(2, 2);
  const y = scope(() => device.kernels.matmul(x, x));
  const values = [...y.data];
  assert.equal([...device.kernels.matmul(y, array([1, 0, 0, 1], [2, 2])).data], values);
});

law("over the budget the least recently used arrays are evicted, and no value changes", (device) => {
  const budget = 10 * 4 * 16; // ten 4 x 4 matrices
  const small = gpuDevice(mode(device), () => openSession(mode(device)), budget);
  const start = deviceBytes();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 11 }), fc.nat({ max: 11 })), { maxLength: 30 }), (pairs) => {
      scope(() => {
        // Integers: products are exact, so that equality may be asked for.
        const arrays = Array.from({ length: 12 }, () =>
          array(
            Array.from({ length: 16 }, () => rng.integer(3) - 1),
            [4, 4],
          ),
        );
        const expected = arrays.map((x) => [...x.data]);
        for (const [i, j] of pairs) {
          const y = small.kernels.matmul(arrays[i], arrays[j]);
          const values = multiply(expected[i], expected[j]);
          // Results replace operands while they are small, so that values exist that were never on the host.
          if (Math.max(...values.map(Math.abs)) < 1000) [arrays[i], expected[i]] = [y, values];
          assert.ok(deviceBytes() - start <= budget, `${deviceBytes() - start} bytes on the device`);
        }
        assert.equal(
          arrays.map((x) => [...x.data]),
          expected,
        );
      });
    }),
    { numRuns: 30 },
  );
  assert.is(small.statistics().arrays, 0);
  small.close();
});

const slot = fc.nat({ max: 3 });
const command = fc.oneof(
  fc.record({ op: fc.constant("multiply" as const), i: slot, j: slot, to: slot }),
  fc.record({
    op: fc.constant("write" as const),
    i: slot,
    at: fc.nat({ max: 15 }),
    value: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({ op: fc.constant("transpose" as const), i: slot, to: slot }),
  fc.record({ op: fc.constant("read" as const), i: slot }),
);

law("products, writes in place, views and reads in any order give what the host's numbers give", (device) => {
  const small = gpuDevice(mode(device), () => openSession(mode(device)), 3 * 4 * 16); // three matrices
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      scope(() => {
        const numbers = new Map<NDArray["storage"], number[]>();
        const known = (x: NDArray, values: number[]): NDArray => {
          numbers.set(x.storage, values);
          return x;
        };
        const random16 = (): number[] => Array.from({ length: 16 }, () => rng.integer(3) - 1);
        const slots = Array.from({ length: 4 }, () => {
          const values = random16();
          return known(array(values, [4, 4]), values);
        });
        const expected = ({ storage, strides: [row, column] }: NDArray): number[] =>
          Array.from(
            { length: 16 },
            (_, at) => numbers.get(storage)![Math.floor(at / 4) * row + (at % 4) * column],
          );
        for (const step of commands) {
          const x = slots[step.i];
          if (step.op === "multiply") {
            const values = multiply(expected(x), expected(slots[step.j]));
            if (Math.max(...values.map(Math.abs)) > 1000) continue;
            slots[step.to] = known(small.kernels.matmul(x, slots[step.j]), values);
          } else if (step.op === "write") {
            x.storage.write()[step.at] = step.value;
            numbers.get(x.storage)![step.at] = step.value;
          } else if (step.op === "transpose") slots[step.to] = mT(x);
          else assert.equal([...x.data], expected(x));
        }
        for (const x of slots) assert.equal([...x.data], expected(x));
      });
    }),
    { numRuns: 80 },
  );
  small.close();
});

function multiply(a: number[], b: number[]): number[] {
  return a.map((_, at) => {
    const [i, j] = [Math.floor(at / 4), at % 4];
    return [0, 1, 2, 3].reduce((sum, l) => sum + a[4 * i + l] * b[4 * l + j], 0);
  });
}

law("an upload and a result are counted as device bytes, from then until released", (device) => {
  const before = deviceBytes();
  const { device: report } = measureMemory(() => {
    const x = matrix(8, 4);
    const y = device.kernels.matmul(x, mT(x));
    assert.is(deviceBytes() - before, 4 * (8 * 4 + 8 * 8));
    return y.size;
  });
  assert.is(report.live, before);
  assert.is(deviceBytes(), before);
});
