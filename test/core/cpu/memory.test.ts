/** @file Temporaries are allocated in the kernels' memory, are freed, and overflow into ordinary memory. */

import { array, binary, copy, matmul, mT, scope, unary, withDevice } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Memory } from "../../../core/cpu/memory.ts";
import { WasmRuntime } from "../../../core/cpu/wasm-runtime.ts";
import { numbers } from "../../support/numbers.ts";
import { withRuntime } from "./with-runtime.ts";

const test = suite("cpu memory");

type Block = NonNullable<ReturnType<Memory["allocate"]>>;

test("a thousand steps need no more memory than one, and all of it is free after them", () => {
  const memory = new Memory(64);
  const step = (): number[] => [100, 2000, 30, 100].map((length) => memory.allocate(length)?.address ?? -1);
  const first = step();
  for (const address of first) memory.free(address);
  const { peak } = memory.arena;
  for (let i = 0; i < 1000; i++) {
    const addresses = step();
    assert.equal(new Set(addresses), new Set(first));
    for (const address of addresses) memory.free(address);
  }
  assert.is(memory.arena.peak, peak);
  assert.is(memory.arena.taken, 0);
});

test("arrays are where their address says; a full arena returns null; the arena ends before the memory does", () => {
  const memory = new Memory(16);
  const { address, array } = memory.allocate(1000) as Block;
  assert.is(array.byteOffset, address);
  assert.is(array.length, 1000);
  assert.is(memory.allocate(2 ** 30), null);
  const [rest] = memory.arena.freeBlocks;
  const last = memory.allocate(rest / 4) as Block;
  assert.ok(last.address + rest <= memory.words.byteLength - 256);
  assert.is(memory.allocate(1), null);
});

test("addresses above 2 GiB: kernels read and write there", () => {
  const runtime = new WasmRuntime(4096);
  const far = runtime.memory.arena.allocate(2 ** 31) as number;
  withRuntime(runtime, (cpu) => {
    scope(() => {
      const x = copy(array(numbers(1, 70 * 70), [70, 70]));
      assert.ok((x.storage.address as number) > far && (x.storage.address as number) > 2 ** 31);
      const outside = array(numbers(1, 70 * 70), [70, 70], "weights");
      assert.is(outside.storage.address, null);
      for (const [a, b] of [
        [cpu.matmul(x, mT(x)), cpu.matmul(outside, mT(outside))],
        [cpu.unary("exp", x), cpu.unary("exp", outside)],
        [cpu.binary("mul", x, x, [70, 70]), cpu.binary("mul", outside, outside, [70, 70])],
        [cpu.reduce("sum", x, 1, 70, 70, [70]), cpu.reduce("sum", outside, 1, 70, 70, [70])],
        [cpu.softmax(x, true), cpu.softmax(outside, true)],
        [copy(mT(x)), copy(mT(outside))],
      ])
        assert.equal([...a.data], [...b.data]);
    });
  });
});

test("arrays that leave a scope keep their values when its memory is used again", () => {
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
