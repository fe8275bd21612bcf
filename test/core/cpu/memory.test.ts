/** @file Temporaries live in the kernels' memory, are given back, and overflow into ordinary memory. */

import fc from "fast-check";
import { array, binary, matmul, scope, unary, withDevice } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Memory } from "../../../core/cpu/memory.ts";
import { numbers } from "../../support/numbers.ts";

const test = suite("cpu memory");

test("blocks are 64-byte aligned and do not overlap, whatever is taken and freed in whatever order", () => {
  const memory = new Memory();
  const command = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: 5000 }) }),
    fc.record({ free: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const live: { address: number; array: Float32Array }[] = [];
      for (const step of commands) {
        if ("take" in step) {
          const block = memory.allocate(step.take);
          assert.ok(block);
          const { address, array } = block;
          assert.is(address % 64, 0);
          assert.is(array.byteOffset, address);
          assert.is(array.length, step.take);
          // Kernels write whole groups of 16 elements.
          const end = address + Math.ceil(step.take / 16) * 64;
          for (const other of live) {
            const otherEnd = other.address + Math.ceil(other.array.length / 16) * 64;
            assert.ok(end <= other.address || otherEnd <= address, "overlap");
          }
          live.push({ address, array });
        } else if (live.length > 0) {
          memory.free(live.splice(step.free % live.length, 1)[0].address);
        }
      }
      for (const { address } of live) memory.free(address);
    }),
  );
});

test("freed memory is taken again: a thousand steps need no more than one", () => {
  const memory = new Memory();
  const step = (): number[] => [100, 2000, 30, 100].map((length) => memory.allocate(length)?.address ?? -1);
  const first = step();
  for (const address of first) memory.free(address);
  for (let i = 0; i < 1000; i++) {
    const addresses = step();
    assert.equal(new Set(addresses), new Set(first));
    for (const address of addresses) memory.free(address);
  }
});

test("a full memory says so: null for temporaries, an error for operands", () => {
  const memory = new Memory();
  assert.is(memory.allocate(2 ** 30), null);
  assert.throws(() => memory.take(2 ** 30), /cpu: no room for 4096 MiB/);
});

test("what leaves a scope is the same, and stays the same when its memory is used again", () => {
  withDevice("cpu", () => {
    const make = () => binary("add", array(numbers(1, 999)), array([1]));
    const kept = scope(make);
    const expected = [...make().data];
    scope(() => {
      for (let i = 0; i < 5; i++) unary("exp", array(numbers(i, 999)));
    });
    assert.equal([...kept.data], expected);
  });
});

test("temporaries of one scope do not disturb each other", () => {
  withDevice("cpu", () =>
    scope(() => {
      const x = array(numbers(1, 33 * 33), [33, 33]);
      const before = [...x.data];
      const y = matmul(x, x);
      const yBefore = [...y.data];
      for (let i = 0; i < 10; i++) matmul(unary("tanh", y), x);
      assert.equal([...x.data], before);
      assert.equal([...y.data], yBefore);
    }),
  );
});

test.run();
