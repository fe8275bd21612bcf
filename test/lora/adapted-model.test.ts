/** @file AdaptedModel: what is done with the adapters of a model. */

import { isRecording, noGrad, type Parameter } from "lowrank/autograd";
import { makeTemporaryFolder, removeFile } from "lowrank/core";
import { inject, type Method, methods } from "lowrank/lora";
import { AdamW, type GPT2, Linear, loadPretrained, Module, savePretrained } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  adaptedChain,
  Chain,
  everywhere,
  ids,
  largestDifference,
  output,
  randomize,
  refuses,
  same,
  tinyGPT2,
} from "./support/models.ts";

const test = suite("AdaptedModel");
const all = Object.keys(methods) as Method[];
const two = () => adaptedChain({ a: { method: "lora" }, b: { method: "dora" } });

test("activate: one, several, none; ΔW add up", () => {
  const model = two();
  const [base, a, b, both] = [[], "a", ["b"], ["a", "b"]].map((names) => {
    model.activate(names);
    return output(model);
  });
  assert.equal(model.active, ["a", "b"]);
  const distinct = [base, a, b, both];
  assert.ok(distinct.every((x, i) => distinct.every((y, j) => i === j || !same(x, y))));
  assert.ok(largestDifference(output(model.toPlain(["b", "a"])), both) < 1e-3);
});

test("withAdapters and disabled end when their function ends, also when it throws; they nest", () => {
  const model = two();
  const a = output(model);
  const b = model.withAdapters("b", () => {
    assert.throws(
      () =>
        model.disabled(() => {
          throw new Error("inside");
        }),
      /inside/,
    );
    assert.equal(model.active, ["b"]);
    return output(model);
  });
  assert.not(same(a, b));
  assert.ok(same(output(model), a));
  refuses(() => model.disabled(async () => 1), /async/);
  refuses(() => model.withAdapters("c", () => 1), /expected one of a, b; got "c"/);
  assert.equal(model.active, ["a"]);
  assert.ok(isRecording());
});

test("trainOnly: the others are frozen, though they act", () => {
  const model = two();
  model.activate(["a", "b"]);
  model.trainOnly("b");
  const of = (name: string): Parameter[] =>
    [...model.adapter(name).values()].flatMap((part) => part.parameters());
  const [a, b] = [of("a"), of("b")].map((parameters) => parameters.map((parameter) => parameter.toArray()));
  model.forward(ids).square().sum().backward();
  new AdamW(model.parameters(), { lr: 0.1 }).step();
  assert.ok(of("a").every((parameter, i) => !parameter.requiresGrad && same(parameter.toArray(), a[i])));
  assert.ok(of("b").every((parameter, i) => !same(parameter.toArray(), b[i])));
  assert.equal(
    model.status().map(({ trainable, active }) => [trainable > 0, active]),
    [
      [false, true],
      [true, true],
    ],
  );
});

test("LoRA-FA's A stays frozen through activate and trainOnly", () => {
  const model = adaptedChain({ a: { method: "lora-fa" }, b: { method: "lora" } });
  model.activate("b");
  model.activate("a");
  model.trainOnly(["a", "b"]);
  for (const [name, parameter] of model.adapter("a").get("first")?.namedParameters() ?? [])
    assert.is(parameter.requiresGrad, name === "B");
});

for (const method of all) {
  test(`${method}: merge, unmerge, toPlain; base restored bit for bit`, () => {
    const model = adaptedChain({ a: { method }, b: { method: "lora" } });
    const [adapted, weights] = [output(model), output(model.disabled(() => model.toPlain()))];
    model.merge();
    assert.ok(largestDifference(output(model), adapted) < 1e-4 * Math.max(1, ...adapted.map(Math.abs)));
    assert.ok(
      same(
        model.disabled(() => output(model)),
        weights,
      ),
    );
    assert.equal(model.trainableParameters().trainable, 0);
    model.merge("b");
    assert.equal(model.merged, ["a", "b"]);
    model.unmerge("a");
    assert.equal(model.merged, ["b"]);
    model.unmerge();
    assert.ok(same(output(model), adapted));
    assert.ok(
      same(
        model.disabled(() => output(model)),
        weights,
      ),
    );
    assert.ok(model.trainableParameters().trainable > 0);
    assert.ok([...model.layers.values()].every(({ base, original }) => base === original));
  });
}

test("what acts while merged is the sum, in whatever order it came about", () => {
  const model = two();
  model.activate(["a", "b"]);
  const both = output(model);
  for (const first of ["a", "b"]) {
    model.merge(first);
    assert.ok(largestDifference(output(model), both) < 1e-3);
    model.merge(first === "a" ? "b" : "a");
    const merged = output(model);
    assert.ok(largestDifference(merged, both) < 1e-3);
    model.unmerge();
  }
});

test("safe merge refuses NaN and infinities before anything is touched; plain merge can be undone", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const model = two();
    const { B } = model.adapter("a").get("second") as unknown as { B: Parameter };
    const good = B.toArray();
    const before = output(model);
    B.assign(B.toArray().fill(value, 1, 2));
    refuses(
      () => model.merge("a", { safe: true }),
      /merge: second: expected finite values; got (NaN|Infinity)/,
    );
    assert.equal(model.merged, []);
    assert.ok([...model.layers.values()].every(({ base, original }) => base === original));
    model.merge("a");
    model.unmerge();
    B.assign(good);
    assert.ok(same(output(model), before));
  }
});

test("rows of a batch: each with its adapter, or none; gradients too", () => {
  const model = two();
  const rows = ["b", null, "a", "b"];
  const batch = [
    [0, 1],
    [1, 2],
    [2, 3],
    [4, 0],
  ];
  const together = noGrad(() => model.withRows(rows, () => model.forward(batch))).toArray();
  const width = together.length / rows.length;
  for (const [i, name] of rows.entries()) {
    const alone = model.withAdapters(name ?? [], () => output(model, [batch[i]]));
    assert.ok(largestDifference(together.slice(i * width, (i + 1) * width), alone) < 1e-5);
  }
  model.trainOnly(["a", "b"]);
  model
    .withRows(rows, () => model.forward(batch))
    .sum()
    .backward();
  const gradients = model.parameters().map((parameter) => parameter.grad?.toArray());
  model.zeroGrad();
  for (const [i, name] of rows.entries()) {
    if (name)
      model
        .withAdapters(name, () => model.forward([batch[i]]))
        .sum()
        .backward();
  }
  model.parameters().forEach((parameter, i) => {
    const alone = parameter.grad?.toArray();
    assert.is(alone === undefined, gradients[i] === undefined);
    if (alone) assert.ok(largestDifference(alone, gradients[i] as Float32Array) < 1e-3);
  });
});

test("rows: a batch of another size, unknown names, merged adapters are refused; empty and uniform batches work", () => {
  const model = two();
  const before = output(model);
  refuses(() => model.withRows(["a"], () => output(model)), /expected a batch of 1 rows/);
  refuses(() => model.withRows(["a", "x"], () => output(model)), /got "x"/);
  assert.ok(
    same(
      model.withRows(["a", "a"], () => output(model)),
      before,
    ),
  );
  assert.ok(
    same(
      model.withRows([null, null], () => output(model)),
      model.disabled(() => output(model)),
    ),
  );
  model.merge("a");
  refuses(() => model.withRows(["a", "b"], () => output(model)), /a is merged; unmerge\(\) first/);
  const single = inject(new Single(), { rank: 1, target: "layer" });
  assert.is(single.withRows([], () => single.forward(0)).size, 0);
  refuses(() => tinyWithPositions(), /first of at least two axes; a layer got \[2\]/);
});

class Single extends Module {
  layer = new Linear(2, 2);
  forward(rows: number) {
    return this.layer.forward(new Linear(2, rows || 1).weight.slice(0, 0, rows));
  }
}

/** Positions [time] are shared by all rows: nobody can say whose they are. */
function tinyWithPositions() {
  const model = inject(tinyGPT2(), { rank: 1, target: "wpe" });
  return model.withRows(["default", null], () =>
    output(model, [
      [1, 2],
      [3, 4],
    ]),
  );
}

test("refused while merged: merging again, training, deleting, silencing; unmerging what is not", () => {
  const model = two();
  refuses(() => model.unmerge(), /nothing is merged/);
  model.merge();
  const merged = output(model);
  refuses(() => model.merge("a"), /a is merged already/);
  refuses(() => model.merge(["b", "a"]), /a is merged already/);
  refuses(() => model.unmerge("b"), /b is not merged/);
  refuses(() => model.train(), /train: a is merged/);
  refuses(() => model.trainOnly("a"), /a is merged/);
  refuses(() => model.deleteAdapter("a"), /a is merged; unmerge\(\) first/);
  refuses(() => model.activate("b"), /a is merged and not among them/);
  refuses(() => model.withAdapters([], () => 1), /a is merged and not among them/);
  assert.ok(same(output(model), merged));
  assert.equal([model.merged, model.active], [["a"], ["a"]]);
  model.eval();
});

test("refused inside a scope: whatever changes the set of adapters", () => {
  const model = two();
  const before = output(model);
  for (const change of [
    () => model.merge(),
    () => model.unmerge(),
    () => model.activate("b"),
    () => model.trainOnly("b"),
    () => model.deleteAdapter("a"),
    () => model.addAdapter("c", { rank: 1, target: "first" }),
  ])
    refuses(() => model.disabled(change), /not inside disabled\(\)/);
  assert.ok(same(output(model), before));
});

test("names: duplicate, unknown; deleting frees the name and deactivates", () => {
  const model = two();
  refuses(() => model.addAdapter("a", { rank: 1, target: "first" }), /not taken \(a, b\)/);
  for (const use of [
    "adapter",
    "config",
    "ownParameters",
    "deleteAdapter",
    "activate",
    "trainOnly",
    "merge",
    "toPlain",
  ] as const)
    refuses(() => model[use]("c" as never), /expected one of a, b; got "c"/);
  refuses(() => model.merge({ safe: true } as never), /^names: expected an adapter.s name .*; got object/);
  model.deleteAdapter("a");
  assert.equal([model.names, model.active], [["b"], []]);
  assert.ok(same(output(model), output(new Chain())));
  refuses(() => model.merge(), /none is named or active/);
  model.addAdapter("a", { rank: 1, target: "first" });
  model.activate("a");
  assert.ok(same(output(model), output(new Chain())));
});

test("a new adapter with a deleted one's name does not inherit that it trains", () => {
  const model = two();
  model.trainOnly("b");
  model.deleteAdapter("b");
  model.addAdapter("b", { rank: 1, target: "first" });
  model.merge("a");
  model.unmerge();
  assert.equal(
    model.status().map(({ trainable }) => trainable),
    [0, 0],
  );
});

test("an adapter on layers of its own, and names that are part of others", () => {
  const model = adaptedChain({ a: { method: "lora" } });
  model.addAdapter("a1", { rank: 1, target: "second", seed: 9 });
  randomize(model, "a1", 9);
  const [a, a1] = ["a", "a1"].map((name) => model.withAdapters(name, () => output(model)));
  assert.not(same(a, a1));
  model.deleteAdapter("a");
  model.activate("a1");
  assert.ok(same(output(model), a1));
  assert.equal(
    model.status().map(({ name, layers, rank, method }) => ({ name, layers, rank, method })),
    [{ name: "a1", layers: 1, rank: "1", method: "lora" }],
  );
});

test("another adapter's saved modules take no adapter, and adapted layers are not saved", () => {
  const model = inject(new Chain(), { rank: 1, target: "first", modulesToSave: "second", name: "a" });
  refuses(() => model.addAdapter("b", { rank: 1, target: everywhere }), /brings its own second\.weight/);
  refuses(
    () => model.addAdapter("b", { rank: 1, target: "embed", modulesToSave: "first" }),
    /another adapter is on first/,
  );
  assert.equal(model.names, ["a"]);
});

test("PiSSA, OLoRA: the model computes what it did, alone, in rows, merged; disabling gives the very base", () => {
  for (const init of ["pissa", "olora"] as const) {
    const model = inject(new Chain(), { rank: 2, init, target: everywhere, seed: 1, name: "a" });
    model.addAdapter("b", { rank: 2, target: everywhere, seed: 2 });
    randomize(model, "b", 2);
    const base = model.disabled(() => output(model));
    assert.ok(same(base, output(new Chain())));
    assert.ok(largestDifference(output(model), base) < 1e-5);
    randomize(model, "a", 1);
    const a = output(model);
    const rows = model.withRows(["a", null], () => output(model));
    const half = rows.length / 2;
    assert.ok(largestDifference(rows.slice(0, half), a.slice(0, half)) < 1e-5);
    assert.ok(largestDifference(rows.slice(half), base.slice(half)) < 1e-5);
    model.activate(["a", "b"]);
    const both = output(model);
    model.merge();
    assert.ok(largestDifference(output(model), both) < 1e-3);
    model.unmerge();
    assert.ok(same(output(model), both));
  }
});

test("checkpoints: the state dict has every parameter once, whatever acts", () => {
  const model = inject(tinyGPT2(), { rank: 1, target: ["c_attn", "wte"], modulesToSave: "ln_f", name: "a" });
  model.addAdapter("b", { rank: 1, target: "c_fc", bias: "lora-only" });
  const names = [...model.stateDict().keys()];
  model.activate("b");
  assert.equal([...model.stateDict().keys()], names);
  const state = new Map(model.stateDict());
  model.loadStateDict(state);
  assert.is(names.filter((name) => name.startsWith("own.a.")).length, 2);
  assert.is(
    model.trainableParameters().total,
    model.parameters().reduce((sum, { size }) => sum + size, 0),
  );
});

test("dropout acts on the branch in training only, and the same seed drops the same", () => {
  const run = () => {
    const model = inject(new Chain(), { rank: 2, dropout: 0.5, target: "first", seed: 1 });
    randomize(model, "default", 1);
    return [output(model), output(model), output(model.eval()), output(model)];
  };
  const [first, second, quiet, again] = run();
  assert.not(same(first, second));
  assert.ok(same(quiet, again));
  assert.ok(run().every((values, i) => same(values, [first, second, quiet, again][i])));
});

test("what cannot be saved as a model says what to call: adapters, merged or not, quantized layers, no model", () => {
  const folder = makeTemporaryFolder("lowrank-test-");
  const adapted = inject(tinyGPT2(), { rank: 2, target: "all-linear" });
  const quantized = tinyGPT2();
  quantizeModel(quantized);
  const save = (model: unknown) => (): void => savePretrained(model as never, folder);
  assert.throws(save(adapted.model), /adapted\.toPlain\(\)/);
  adapted.merge();
  assert.throws(save(adapted.model), /merged or not: adapted\.toPlain\(\)/);
  assert.throws(save(quantized), /dequantizeModel\(model\), or saveQuantized/);
  for (const none of [adapted, new Linear(2, 2), undefined])
    assert.throws(save(none), /expected a model with a configuration, such as GPT2/);
  save(adapted.toPlain())();
  assert.ok(same(output(loadPretrained(folder) as GPT2), output(adapted.toPlain())));
  removeFile(folder);
});

test.run();
