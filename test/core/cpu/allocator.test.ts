/** @file The allocator of the arena: it agrees with a simple model after any sequence of allocations and frees. */

import fc from "fast-check";
import { DeviceError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Allocator, GRAIN } from "../../../core/cpu/allocator.ts";

const test = suite("cpu allocator");

const START = 192;
const BYTES = 2 ** 20;

/** What is taken: lengths, as rounded up, by address. */
type Model = Map<number, number>;
type Command = fc.Command<Model, Allocator>;

const rounded = (bytes: number): number => Math.max(1, Math.ceil(bytes / GRAIN)) * GRAIN;
const sum = (lengths: Iterable<number>): number => [...lengths].reduce((total, length) => total + length, 0);

/** The gaps between what is taken, which are the free blocks when neighbours have merged. */
function gaps(model: Model): number[] {
  const found: number[] = [];
  let at = START;
  for (const [address, length] of [...model].sort(([a], [b]) => a - b)) {
    if (address > at) found.push(address - at);
    at = address + length;
  }
  if (at < START + BYTES) found.push(START + BYTES - at);
  return found;
}

/** Nothing lost, nothing free twice, and never two free blocks side by side. */
function check(model: Model, real: Allocator): void {
  assert.is(real.taken, sum(model.values()));
  const ascending = (a: number, b: number): number => a - b;
  assert.equal([...real.freeBlocks].sort(ascending), gaps(model).sort(ascending));
}

const allocate = (bytes: number): Command => ({
  check: () => true,
  toString: () => `allocate(${bytes})`,
  run(model, real) {
    const address = real.allocate(bytes);
    const length = rounded(bytes);
    if (address === null) {
      assert.ok(
        gaps(model).every((gap) => gap < length),
        "refused although there is a gap",
      );
    } else {
      assert.is((address - START) % GRAIN, 0);
      assert.ok(address >= START && address + length <= START + BYTES, "outside");
      for (const [other, its] of model)
        assert.ok(address + length <= other || other + its <= address, "overlap");
      model.set(address, length);
    }
    check(model, real);
  },
});

const free = (which: number): Command => ({
  check: (model) => model.size > 0,
  toString: () => `free(number ${which})`,
  run(model, real) {
    const address = [...model.keys()][which % model.size];
    real.free(address);
    model.delete(address);
    check(model, real);
  },
});

const freeUnknown = (address: number): Command => ({
  check: (model) => !model.has(address),
  toString: () => `free(${address}), not taken`,
  run(model, real) {
    assert.throws(
      () => real.free(address),
      (error: Error) => error instanceof DeviceError,
    );
    check(model, real);
  },
});

test("no overlap, no loss; free neighbours merge; an address that is not taken cannot be freed", () => {
  const bytes = fc.oneof(
    fc.nat(300),
    fc.nat(20_000),
    fc.nat(BYTES / 4),
    fc.constantFrom(0, 1, BYTES, BYTES + 1, 2 ** 38 + 64, 2 ** 42, 2 ** 53),
  );
  const commands = [
    bytes.map(allocate),
    bytes.map(allocate),
    fc.nat(1000).map(free),
    fc.integer({ min: 0, max: BYTES / GRAIN }).map((i) => freeUnknown(START + i * GRAIN)),
  ];
  fc.assert(
    fc.property(fc.commands(commands, { size: "large" }), (steps) => {
      const [model, real]: [Model, Allocator] = [new Map(), new Allocator(START, BYTES)];
      fc.modelRun(() => ({ model, real }), steps);
      for (const address of model.keys()) real.free(address);
      assert.equal(real.freeBlocks, [BYTES], "after everything is freed one block remains");
      assert.is(real.taken, 0);
      assert.is(real.allocate(BYTES), START);
    }),
  );
});

test("memory that was taken and freed in parts can be taken whole: varying lengths do not fragment it", () => {
  const real = new Allocator(0, BYTES);
  for (let length = BYTES / 8; length > 1000; length = Math.floor(length * 0.9)) {
    const addresses = Array.from({ length: 8 }, () => real.allocate(length));
    assert.ok(addresses.every((address) => address !== null));
    for (const address of addresses) real.free(address as number);
  }
  assert.equal(real.freeBlocks, [BYTES]);
});

test("4 GiB of 32-bit addresses, and none at all", () => {
  const whole = new Allocator(65536, 2 ** 32 - 2 ** 20);
  const half = whole.allocate(2 ** 31) as number;
  const next = whole.allocate(2 ** 30) as number;
  assert.is(half, 65536);
  assert.is(next, 65536 + 2 ** 31);
  whole.free(half);
  whole.free(next);
  assert.equal(whole.freeBlocks, [2 ** 32 - 2 ** 20]);
  assert.is(new Allocator(0, 0).allocate(1), null);
});

test.run();
