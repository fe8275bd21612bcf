/**
 * @file Operands outside the arena are copied in by pieces. With any size of window, each kernel gives the same bits;
 * and a full arena or a refused allocation leaves everything usable.
 */

import fc from "fast-check";
import {
  array,
  DeviceError,
  empty,
  type Kernels,
  mT,
  type NDArray,
  random,
  scope,
  zeros,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WasmRuntime } from "../../../core/cpu/wasm-runtime.ts";
import { numbers } from "../../support/numbers.ts";
import { extent, layout, view } from "../../support/views.ts";
import { withRuntime } from "./with-runtime.ts";

const test = suite("cpu streaming");

/** Everything fits; almost nothing does. */
const whole = new WasmRuntime(256);
const narrow = new WasmRuntime(16, 2 ** 17);

const bits = (x: NDArray): Uint32Array => new Uint32Array(Float32Array.from(x.data).buffer);

function assertEqual(actual: readonly Uint32Array[], expected: readonly Uint32Array[]): void {
  assert.is(actual.length, expected.length);
  for (const [i, words] of expected.entries()) {
    const at = words.findIndex((word, j) => word !== actual[i][j]);
    assert.is(at, -1, `result ${i}, of ${words.length} numbers: number ${at} has other bits`);
  }
}

/** What `run` makes over each memory, with operands and results outside it, and inside as far as there is room. */
function assertSame(run: (cpu: Kernels) => readonly NDArray[]): void {
  let expected: Uint32Array[] = [];
  withRuntime(whole, (cpu) => {
    expected = run(cpu).map(bits);
  });
  for (const runtime of [whole, narrow]) {
    withRuntime(runtime, (cpu) => {
      assertEqual(run(cpu).map(bits), expected);
      scope(() => assertEqual(run(cpu).map(bits), expected));
    });
  }
}

const matrix = (seed: number, shape: readonly number[]): NDArray =>
  array(
    numbers(
      seed,
      shape.reduce((size, length) => size * length, 1),
    ),
    shape,
  );

test("products of any views, in any number of pieces", () => {
  const length = fc.oneof(extent, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 300, max: 1500 }));
  const batch = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
  fc.assert(
    fc.property(batch, length, length, length, layout, layout, (p, n, k, m, ofA, ofB) => {
      fc.pre(n * k * m < 2e6 && (n * k + k * m) * 9 < 5e5);
      assertSame((cpu) => [cpu.matmul(view([...p, n, k], ofA), view([...p, k, m], ofB))]);
    }),
    { numRuns: 50 },
  );
});

test("long rows, columns and inner lengths, in every transposition", () => {
  for (const [n, k, m] of [
    [3, 20_000, 5],
    [20_000, 3, 5],
    [3, 5, 20_000],
    [65, 400, 200],
    [1, 1000, 300],
    [300, 1000, 1],
  ]) {
    const A = [matrix(n, [n, k]), mT(matrix(n, [k, n]))];
    const B = [matrix(m, [k, m]), mT(matrix(m, [m, k]))];
    for (const a of A) for (const b of B) assertSame((cpu) => [cpu.matmul(a, b)]);
  }
});

test("elementwise functions, reductions and rows", () => {
  const length = fc.integer({ min: 1, max: 400 });
  fc.assert(
    fc.property(length, length, fc.integer({ min: 1, max: 9 }), fc.nat(), (n, m, outer, seed) => {
      const x = matrix(seed, [n, m]);
      const y = matrix(seed + 1, [n, m]);
      const r = matrix(seed + 2, [n]);
      assertSame((cpu) => [
        cpu.unary("gelu", x),
        cpu.binary("mul", x, y, [n, m]),
        cpu.binary("add", x, matrix(3, [m]), [n, m]),
        cpu.binary("sub", matrix(3, [n, 1]), x, [n, m]),
        ...(["sum", "max"] as const).flatMap((name) => [
          cpu.reduce(name, x, n, m, 1, [n]),
          cpu.reduce(name, x, 1, n, m, [m]),
          cpu.reduce(name, x, 1, n * m, 1, []),
        ]),
        cpu.softmax(x, seed % 2 === 0),
        cpu.causalSoftmax(x, Math.min(outer, m)),
        cpu.softmaxGrad(x, y),
        ...Object.values(cpu.normalize(x, 1e-5, seed % 2 === 0)),
        cpu.normalizeGrad(x, r, y, seed % 2 === 0),
      ]);
    }),
    { numRuns: 25 },
  );
});

test("pieces of more than a mebibyte: elementwise, columns, AdamW, codes", () => {
  const [n, m] = [2100, 310];
  const x = matrix(1, [n, m]);
  const from = {
    shape: [1_100_000],
    codes: Uint8Array.from({ length: 550_000 }, (_, i) => (i * 37) & 255),
    values: numbers(1, 16),
    scales: numbers(2, Math.ceil(1_100_000 / 96)),
    blockSize: 96,
  };
  const step = {
    lr: 0.1,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weightDecay: 0.1,
    correction1: 0.1,
    correction2: 0.01,
  };
  const big = new WasmRuntime(16);
  const [expected, actual] = [whole, big].map((runtime) => {
    const results: Uint32Array[] = [];
    withRuntime(runtime, (cpu) => {
      const [w, g, first, second] = [1, 2, 3, 4].map((seed) => array(numbers(seed, 70_001).map(Math.abs)));
      cpu.adam(w, g, first, second, step);
      results.push(
        ...[
          ...[
            cpu.unary("tanh", x),
            cpu.binary("add", x, matrix(2, [m]), [n, m]),
            cpu.dequantize(from),
            w,
            first,
            second,
          ],
          ...[cpu.reduce("sum", x, 1, n, m, [m]), cpu.reduce("sum", x, 3, 700, m, [3, m])],
        ].map(bits),
      );
    });
    return results;
  });
  assertEqual(actual, expected);
});

test("a full arena: the next results lie outside, equal; after the scope all of it is free again", () => {
  const small = new WasmRuntime(16);
  withRuntime(small, (cpu) => {
    const rng = random(1);
    for (let round = 0; round < 3; round++) {
      scope(() => {
        let x = matrix(round, [300, 300]);
        const seen = new Set<boolean>();
        for (let i = 0; i < 60; i++) {
          x = cpu.matmul(x, matrix(i, [300, 300]));
          seen.add(x.storage.address === null);
          empty([rng.integer(1e5) + 1]);
        }
        assert.is(seen.size, 2, "some inside, some outside");
      });
      assert.is(small.memory.arena.taken, 0);
      assert.is(small.memory.arena.freeBlocks.length, 1);
    }
  });
});

test("memory that the system refuses is a DeviceError that says how much, and the next step works", () => {
  const small = new WasmRuntime(16);
  withRuntime(small, (cpu) => {
    for (const refuse of [
      () => zeros([2 ** 40]),
      () => scope(() => cpu.matmul(matrix(1, [2 ** 20, 1]), matrix(2, [1, 2 ** 20]))),
      () => scope(() => cpu.binary("add", matrix(1, [2 ** 20, 1]), matrix(2, [2 ** 20]), [2 ** 20, 2 ** 20])),
    ])
      assert.throws(
        refuse,
        (error: Error) => error instanceof DeviceError && /4,194,304 MiB/.test(error.message),
      );
    assert.is(small.memory.arena.taken, 0);
    scope(() => assert.is(cpu.binary("add", array([1]), array([2]), [1]).data[0], 3));
  });
});

test("a scope that throws frees everything", () => {
  const small = new WasmRuntime(16);
  withRuntime(small, (cpu) => {
    assert.throws(
      () =>
        scope(() => {
          cpu.matmul(matrix(1, [300, 300]), matrix(2, [300, 300]));
          throw new Error("on purpose");
        }),
      "on purpose",
    );
    assert.is(small.memory.arena.taken, 0);
  });
});

test.run();
