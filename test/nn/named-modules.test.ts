/** @file listModules: names, kinds, wrappers, sharing; and the errors that name a layer. */

import type { Tensor } from "lowrank/autograd";
import { AdapterError, ArgumentError, CheckpointError, LowrankError } from "lowrank/core";
import {
  Conv1D,
  Conv1d,
  cloneModule,
  describeMismatch,
  Embedding,
  findMismatch,
  kindOf,
  LayerNorm,
  Linear,
  listModules,
  Module,
  matchTargets,
  naming,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("named modules");

/** Doubles what a layer computes: a wrapper that knows nothing of adapters. */
class Doubled extends Module {
  inner: Linear;

  constructor(inner: Linear) {
    super();
    this.inner = inner;
  }

  override get wraps(): Module {
    return this.inner;
  }

  forward(x: Tensor): Tensor {
    return this.inner.forward(x).mul(2);
  }
}

class Model extends Module {
  embed = new Embedding(5, 4);
  blocks = [new Doubled(new Linear(4, 4)), new Linear(4, 4)];
  conv = new Conv1D(4, 4);
  image = new Conv1d(4, 4, 1);
  norm = new LayerNorm(4);
  same = this.norm;
  score = new Doubled(new Linear(4, 2));
}

test("a wrapper has the kind of what it wraps, which is not listed; a module in two places comes once", () => {
  assert.equal(
    Array.from(listModules(new Model()), ({ name, kind }) => [name, kind]),
    [
      ["embed", "embedding"],
      ["blocks.0", "linear"],
      ["blocks.1", "linear"],
      ["conv", "conv1d"],
      ["image", "convolution"],
      ["norm", "norm"],
      ["score", "head"],
    ],
  );
  assert.equal(matchTargets([...listModules(new Model())], "all-linear"), ["blocks.0", "blocks.1", "conv"]);
  assert.is(kindOf("model", new Model()), "other");
});

test("a path without a module is refused with the nearest ones", () => {
  for (const model of [new Model(), cloneModule(new Model())]) {
    for (const call of [
      () => model.getModule("block.0"),
      () => model.replaceModule("block.0", new Linear(1, 1)),
    ])
      assert.throws(call, /expected the path of a module; got "block\.0"; the nearest are blocks\.0/);
  }
  assert.throws(() => new Linear(1, 1).getModule("weight"), /expected the path of a module; got "weight"$/);
});

test("naming puts what an error is about before its message, for errors of one class", () => {
  const fail = (error: Error) => (): never => {
    throw error;
  };
  const cause = new AdapterError("rank: too large");
  try {
    naming("h.0.fc", AdapterError, fail(cause));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, AdapterError);
    assert.is((error as Error).message, "h.0.fc: rank: too large");
    assert.is((error as Error).cause, cause);
  }
  const other = new ArgumentError("lora", "a rank", { rank: 0 });
  assert.throws(
    () => naming("h.0.fc", AdapterError, fail(other)),
    (error: unknown) => error === other,
  );
  assert.throws(
    () => naming("config.json", CheckpointError, fail(other), LowrankError),
    (error: unknown) =>
      error instanceof CheckpointError && /^config\.json: lora: expected/.test(error.message),
  );
  assert.is(
    naming("h.0.fc", AdapterError, () => 3),
    3,
  );
});

test("a mismatch lists what is missing, unexpected and misshapen, in words as many as asked for", () => {
  const shapes = (entries: Record<string, number[]>) =>
    new Map(Object.entries(entries).map(([name, shape]) => [name, { shape }]));
  const report = findMismatch(
    shapes({ a: [1], b: [2], c: [3], d: [2, 2] }),
    shapes({ d: [2, 2], c: [4], e: [] }),
  );
  assert.equal(report, {
    missing: ["a", "b"],
    unexpected: ["e"],
    misshapen: ["c (expected [3], got [4])"],
  });
  assert.equal(describeMismatch(report, 1), [
    "missing: a and 1 more",
    "unexpected: e",
    "misshapen: c (expected [3], got [4])",
  ]);
  assert.equal(describeMismatch(findMismatch(shapes({ a: [] }), shapes({ a: [] }))), []);
});

test.run();
