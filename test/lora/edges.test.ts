/** @file The smallest layers and batches, the highest ranks, alpha 0: forward, backward, merge and unmerge, on cpu and reference. */

import { Tensor } from "lowrank/autograd";
import { array, random, setWarnings, withDevice } from "lowrank/core";
import { inject, type Method, methods } from "lowrank/lora";
import { Conv1D, Conv2d, cloneModule, Embedding, Linear, Module } from "lowrank/nn";
import { dequantizeModel, QuantizedLinear, quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Chain, everywhere, largestDifference, output, randomize, refuses, same } from "./support/models.ts";

const test = suite("edges");

let before: ReturnType<typeof setWarnings>;
test.before(() => {
  before = setWarnings(false);
});
test.after(() => {
  setWarnings(before);
});

const rng = random(2);

class Model extends Module {
  layer: Module;
  constructor(layer: Module) {
    super();
    this.layer = layer;
  }
  forward(x: never): Tensor {
    return (this.layer as Module & { forward(x: never): Tensor }).forward(x);
  }
}

const vectors = (width: number) => (batch: number) =>
  new Tensor(array(rng.uniform(batch * width, -1, 1), [batch, width]));
const ids = (batch: number) => ({ data: new Int32Array(2 * batch), shape: [batch, 2] });
const images = (batch: number) => new Tensor(array(rng.uniform(batch * 36, -1, 1), [batch, 4, 3, 3]));

const quantized = (): Module => QuantizedLinear.from(new Linear(3, 2, { rng }));

/** Layers, inputs of any batch, and min(out, in) of their matrix. */
const layers: Readonly<Record<string, readonly [() => Module, (batch: number) => unknown, number]>> = {
  "Linear 1 → 1": [() => new Linear(1, 1, { rng }), vectors(1), 1],
  "Linear 1 → 3": [() => new Linear(1, 3, { rng }), vectors(1), 1],
  "Linear 3 → 1": [() => new Linear(3, 1, { rng, bias: false }), vectors(3), 1],
  "Conv1D 2 → 3": [() => new Conv1D(2, 3, { rng, std: 1 }), vectors(2), 2],
  "Embedding of one row": [() => new Embedding(1, 2, { rng }), ids, 1],
  "Embedding 1 × 1": [() => new Embedding(1, 1, { rng }), ids, 1],
  "Conv2d with groups": [() => new Conv2d(4, 4, 2, { groups: 2, rng }), images, 4],
  "Conv2d with groups of one": [() => new Conv2d(4, 4, 2, { groups: 4, rng }), images, 4],
  "QuantizedLinear 3 → 2": [quantized, vectors(3), 2],
};

for (const device of ["reference", "cpu"] as const) {
  for (const method of Object.keys(methods) as Method[]) {
    for (const [name, [make, input, most]] of Object.entries(layers)) {
      if (method === "lora-conv" && name.includes("groups")) continue; // refused: loralib's has one group
      test(`${device}, ${method}, ${name}: batches of 0, 1 and 3, ranks at and above min(out, in), alpha 0`, () => {
        withDevice(device, () => {
          for (const [rank, alpha] of [
            [1, 1],
            [most, 2],
            [most + 2, 2],
            [1, 0],
          ]) {
            const model = inject(new Model(make()), {
              method,
              rank,
              alpha,
              target: "layer",
              seed: 1,
            } as never);
            randomize(model, "default", 3);
            for (const batch of [0, 1, 3]) {
              const x = input(batch);
              const label = `rank ${rank}, alpha ${alpha}, batch ${batch}`;
              const adapted = output(model, x);
              assert.ok(adapted.every(Number.isFinite), label);
              assert.is(adapted.length === 0, batch === 0, label);
              model.zeroGrad();
              model
                .forward(x as never)
                .square()
                .sum()
                .backward();
              for (const parameter of model.parameters())
                if (parameter.requiresGrad && parameter.grad)
                  assert.ok(parameter.grad.toArray().every(Number.isFinite), label);
              model.merge();
              // Merging into 4 bits rounds; that it comes back is what can be said.
              if (!name.startsWith("Quantized"))
                assert.ok(largestDifference(output(model, x), adapted) < 1e-4, `${label}, merged`);
              model.unmerge();
              assert.ok(same(output(model, x), adapted), `${label}, unmerged`);
            }
          }
        });
      });
    }
  }
}

test("a model with a weight that is NaN or infinite, adapted or quantized already, is refused whole", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const model = new Chain();
    const values = model.second.weight.toArray();
    values[5] = bad;
    model.second.weight.assign(values);
    const parts = [model.embed, model.first, model.second];
    assert.throws(() => quantizeModel(model), /quantizeModel: second \[3, 6\]: .*got (NaN|Infinity)/);
    assert.equal(
      [model.embed, model.first, model.second].every((part, i) => part === parts[i]),
      true,
    );
  }
  const adapted = inject(new Chain(), { rank: 1, target: "first" });
  assert.throws(() => quantizeModel(adapted.model), /quantizeModel: first is a AdaptedLinear, which wraps/);
  assert.throws(() => quantizeModel(adapted), /which wraps/);
  assert.instance(adapted.model.second, Conv1D);
  const twice = new Chain();
  quantizeModel(twice);
  assert.throws(() => quantizeModel(twice), /quantized to nf4 already; dequantizeModel\(\) first/);
  for (const wrong of [null, undefined, {}, twice.first, new Embedding(2, 2)])
    assert.throws(() => QuantizedLinear.from(wrong as never), /expected a Linear or a Conv1D/);
});

test("a dense copy of a quantized model computes what the adapted or merged one does", () => {
  for (const method of Object.keys(methods) as Method[]) {
    const base = new Chain();
    quantizeModel(base, { skip: ["second"] });
    const model = inject(base, { method, rank: 2, target: everywhere, seed: 1 } as never);
    randomize(model, "default", 1);
    const close = (what: string): void => {
      assert.ok(same(output(cloneModule(model)), output(model)), `${method} ${what}, copied`);
      const dense = dequantizeModel(model.model);
      assert.ok(largestDifference(output(dense), output(model)) < 1e-4, `${method} ${what}`);
    };
    close("active");
    model.merge();
    close("merged");
    model.unmerge();
    model.activate([]);
    close("idle");
  }
});

test("options of the wrong kind are refused by name", () => {
  const wrong: readonly [object, RegExp][] = [
    [{ layers: 3 }, /layers: expected/],
    [{ slices: 3, method: "merged-linear" }, /slices: expected/],
    [{ rankPattern: { first: "2" } }, /rank: expected a positive integer/],
    [{ alpha: "2" }, /alpha: expected a finite number/],
    [{ rank: "2" }, /rank: expected a positive integer/],
    [{ init: "zero" }, /init: expected one of/],
    [{ bias: true }, /bias: expected/],
    [{ seed: 0.5 }, /seed: expected/],
    [{ target: 7 }, /target: expected/],
  ];
  for (const [options, message] of wrong)
    refuses(() => inject(new Chain(), { rank: 1, target: "first", ...options } as never), message);
  refuses(() => inject(new Chain(), null as never), /rank|target|configuration/);
});

test.run();
