/**
 * @file Layers whose class computes in a way of its own: every method and every operation leaves the outputs right, or
 * the layer is refused by name and nothing is changed. Layers in two places: adapted, counted, merged and quantized once.
 */

import { type Parameter, parameter, Tensor } from "lowrank/autograd";
import { array, type IndexLike, type NDArray, QuantizationError, random, withPrecision } from "lowrank/core";
import { inject, type LoraFA, LoraFAAdamW, type Method, methods } from "lowrank/lora";
import { Conv1D, Conv1d, Conv2d, Embedding, Linear, type LinearLike, Module, SGD } from "lowrank/nn";
import { dequantizeModel, QuantizedLinear, quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { largestDifference, output, randomize, refuses, same } from "./support/models.ts";

const test = suite("layers that compute in a way of their own");

const rng = random(5);

class Model extends Module {
  layer: Module;
  head = new Linear(4, 2, { rng });
  constructor(layer: Module) {
    super();
    this.layer = layer;
  }
  forward(x: never): Tensor {
    return (this.layer as Module & { forward(x: never): Tensor }).forward(x);
  }
}

const vectors = new Tensor(array(rng.uniform(12, -1, 1), [3, 4]));
const ids = [
  [0, 2],
  [1, 1],
];
const images = new Tensor(array(rng.uniform(2 * 4 * 9, -1, 1), [2, 4, 3, 3]));
const sequences = new Tensor(array(rng.uniform(2 * 4 * 5, -1, 1), [2, 4, 5]));

class DoubledLinear extends Linear {
  override forward(x: Tensor): Tensor {
    return super.forward(x).mul(2);
  }
}
class DoubledConv1D extends Conv1D {
  override forward(x: Tensor): Tensor {
    return super.forward(x).mul(2);
  }
}
class DoubledEmbedding extends Embedding {
  override forward(x: IndexLike): Tensor {
    return super.forward(x).mul(3);
  }
}
class RectifiedConv1d extends Conv1d {
  override forward(x: Tensor): Tensor {
    return super.forward(x).relu();
  }
}
class RectifiedConv2d extends Conv2d {
  override forward(x: Tensor): Tensor {
    return super.forward(x).relu();
  }
}
class OwnProject extends Linear {
  override project(x: Tensor): Tensor {
    return super.project(x).mul(2);
  }
}
class OwnWeight extends Linear {
  override denseWeight(): Tensor {
    return super.denseWeight().mul(2);
  }
}
class WeightByAccessor extends Linear {
  constructor() {
    super(4, 4, { rng });
    const weight = this.weight;
    Object.defineProperty(this, "weight", { get: () => weight, enumerable: true });
  }
}
class DoubledQuantized extends QuantizedLinear {
  override forward(x: Tensor): Tensor {
    return super.forward(x).mul(2);
  }
}
const patched = (): Linear => {
  const layer = new Linear(4, 4, { rng });
  const forward = layer.forward.bind(layer);
  layer.forward = (x) => forward(x).mul(2);
  return layer;
};

/** Layers that no weight describes, and what their refusal names. */
const refused: Readonly<Record<string, readonly [() => Module, string]>> = {
  DoubledLinear: [() => new DoubledLinear(4, 4, { rng }), "forward"],
  DoubledConv1D: [() => new DoubledConv1D(4, 4, { rng }), "forward"],
  DoubledEmbedding: [() => new DoubledEmbedding(3, 4, { rng }), "forward"],
  RectifiedConv1d: [() => new RectifiedConv1d(4, 4, 2, { rng }), "forward"],
  RectifiedConv2d: [() => new RectifiedConv2d(4, 4, 2, { rng }), "forward"],
  OwnProject: [() => new OwnProject(4, 4, { rng }), "project"],
  OwnWeight: [() => new OwnWeight(4, 4, { rng }), "denseWeight"],
  WeightByAccessor: [() => new WeightByAccessor(), "weight"],
  Linear: [patched, "forward"],
  DoubledQuantized: [
    () => new DoubledQuantized(QuantizedLinear.from(new Linear(4, 4, { rng })).packed),
    "forward",
  ],
};

/** Adds a method and a field, and computes as Linear does. */
class Labelled extends Linear {
  label = "a label";
  greeting(): string {
    return `I am ${this.label}`;
  }
}
class LabelledEmbedding extends Embedding {
  label = "a label";
}
class LabelledConv2d extends Conv2d {
  label = "a label";
}
/** 2 W x + b, in full. */
class Twofold extends Linear {
  override forward(x: Tensor): Tensor {
    const y = this.project(x);
    return this.bias ? y.add(this.bias) : y;
  }
  override project(x: Tensor): Tensor {
    return super.project(x).mul(2);
  }
  override denseWeight(): Tensor {
    return super.denseWeight().mul(2);
  }
  override withWeight(W: NDArray): Twofold {
    return super.withWeight(new Tensor(W).mul(0.5).value) as Twofold;
  }
}
/** Written from nothing, forward in a class above. */
abstract class Affine extends Module {
  abstract readonly bias: Tensor | null;
  abstract project(x: Tensor): Tensor;
  forward(x: Tensor): Tensor {
    return this.bias ? this.project(x).add(this.bias) : this.project(x);
  }
}
class Diagonal extends Affine implements LinearLike {
  readonly inFeatures = 4;
  readonly outFeatures = 4;
  readonly bias = null;
  readonly W: Parameter;
  constructor(W: NDArray) {
    super();
    this.W = parameter(W);
  }
  denseWeight(): Tensor {
    return this.W;
  }
  project(x: Tensor): Tensor {
    return x.matmul(this.denseWeight().T);
  }
  withWeight(W: NDArray): Diagonal {
    return new Diagonal(W);
  }
}

/** Layers that are adapted, each with an input. */
const adapted: Readonly<Record<string, readonly [() => Module, unknown]>> = {
  Labelled: [() => new Labelled(4, 4, { rng }), vectors],
  LabelledEmbedding: [() => new LabelledEmbedding(3, 4, { rng }), ids],
  LabelledConv2d: [() => new LabelledConv2d(4, 4, 2, { rng }), images],
  Conv1d: [() => new Conv1d(4, 4, 2, { rng }), sequences],
  Twofold: [() => new Twofold(4, 4, { rng }), vectors],
  Diagonal: [() => new Diagonal(array(rng.uniform(16, -1, 1), [4, 4])), vectors],
};

for (const method of Object.keys(methods) as Method[]) {
  for (const [name, [make, what]] of Object.entries(refused)) {
    test(`${method}: ${name} with its own ${what} is refused, and nothing is changed`, () => {
      const layer = make();
      const model = new Model(layer);
      refuses(
        () => inject(model, { method, rank: 1, target: ["layer", "head"] } as never),
        new RegExp(`at layer; got ${layer.constructor.name}, with (?:\\w+ and )*${what}.* of its own`),
      );
      assert.is(model.layer, layer);
      assert.instance(model.head, Linear);
      assert.ok(model.head.weight.requiresGrad);
      const others = inject(model, { method, rank: 1, target: ["layer", "head"], exclude: "layer" } as never);
      assert.equal([...others.layers.keys()], ["head"]);
    });
  }

  for (const [name, [make, input]] of Object.entries(adapted)) {
    if (method === "lora-conv" && name === "Conv1d") continue; // loralib's form is of square kernels
    test(`${method}: ${name} is adapted, merged, unmerged and made plain, and stays what it is`, () => {
      const layer = make();
      const before = output(new Model(layer), input);
      const model = inject(new Model(layer), { method, rank: 2, alpha: 3, target: "layer" } as never);
      assert.ok(same(output(model, input), before), "identity at the start");
      randomize(model, "default", 1);
      const trained = output(model, input);
      assert.ok(largestDifference(trained, before) > 1e-3);
      model.merge();
      assert.ok(largestDifference(output(model, input), trained) < 1e-4, "merged");
      assert.ok(same(output(model.toPlain(), input), output(model, input)), "plain");
      const plain = model.toPlain().layer as Labelled;
      assert.is(Object.getPrototypeOf(plain), Object.getPrototypeOf(layer));
      if (name === "Labelled") assert.is(plain.greeting(), "I am a label");
      model.unmerge();
      assert.ok(same(output(model, input), trained), "unmerged");
      assert.ok(
        same(
          model.disabled(() => output(model, input)),
          before,
        ),
        "disabled",
      );
    });
  }
}

test("quantizeModel refuses what codes cannot say, and leaves it when it is in skip", () => {
  for (const [name, [make]] of [...Object.entries(refused), ...Object.entries(adapted)]) {
    const layer = make();
    const linear = layer instanceof Linear || layer instanceof Conv1D || "denseWeight" in layer;
    const saysAll = name === "Twofold"; // its denseWeight is what it computes with
    const model = new Model(layer);
    const head = model.head;
    if (linear && !saysAll) {
      assert.throws(
        () => quantizeModel(model, { skip: [] }),
        (error: Error) =>
          error instanceof QuantizationError && /quantizeModel: layer is /.test(error.message),
        name,
      );
      assert.is(model.head, head);
    }
    const { skipped, layers } = quantizeModel(model, { skip: ["layer"] });
    assert.is(model.layer, layer);
    assert.equal(
      [skipped.length, layers.length],
      [layer instanceof Linear || layer instanceof Conv1D ? 1 : 0, 1],
    );
  }
});

// ---- One layer in two places -----------------------------------------------------------------------------------

class Block extends Module {
  fc = new Linear(4, 4, { rng });
  forward(x: Tensor): Tensor {
    return this.fc.forward(x).tanh();
  }
}

/** One block under two names, its layer under a third. */
class Shared extends Module {
  blocks: Block[];
  again: Linear;
  constructor() {
    super();
    const block = new Block();
    this.blocks = [block, block];
    this.again = block.fc;
  }
  forward(x: Tensor): Tensor {
    return this.again.forward(this.blocks.reduce((h, block) => block.forward(h), x));
  }
}

for (const method of Object.keys(methods) as Method[]) {
  test(`${method}: a layer in three places has one adapter, counted, trained and merged once`, () => {
    const model = inject(new Shared(), {
      method,
      rank: 2,
      target: "all-linear",
      bias: "all",
      seed: 1,
    } as never);
    assert.equal([...model.layers.keys()], ["blocks.0.fc"]);
    const { model: base } = model;
    assert.is(base.again as Module, base.blocks[1].fc);
    assert.is(base.again as Module, model.layers.get("blocks.0.fc"));
    const alone = inject(new Block(), { method, rank: 2, target: "all-linear", bias: "all" } as never);
    const { trainable, total } = model.trainableParameters();
    assert.equal([trainable, total], Object.values(alone.trainableParameters()).slice(0, 2));
    assert.is(model.status()[0].layers, 1);
    assert.is(model.ownParameters("default").length, 1);
    model.addAdapter("b", { method, rank: 1, target: "fc" } as never);
    assert.equal([...model.adapter("b").keys()], ["blocks.0.fc"]);
    randomize(model, "default", 1);
    const trained = output(model, vectors);
    model.merge();
    assert.ok(largestDifference(output(model, vectors), trained) < 1e-4);
    const plain = model.toPlain();
    assert.is(plain.again, plain.blocks[0].fc);
    assert.is(plain.again, plain.blocks[1].fc);
    assert.ok(same(output(plain, vectors), output(model, vectors)));
    model.unmerge();
    assert.ok(same(output(model, vectors), trained));
  });
}

test("a shared layer is quantized once, dequantized once, skipped by any of its names", () => {
  const model = new Shared();
  const { layers } = quantizeModel(model, { skip: [] });
  assert.equal(
    layers.map(({ name }) => name),
    ["blocks.0.fc"],
  );
  assert.is(model.again as Module, model.blocks[1].fc);
  const adapted = inject(model, { rank: 1, target: "fc", init: "random", seed: 1 });
  const before = output(adapted, vectors);
  const dense = dequantizeModel(adapted.model);
  assert.is(dense.again, dense.blocks[0].fc);
  assert.ok(largestDifference(output(dense, vectors), before) < 1e-5);
  for (const skip of [["again"], ["blocks.1"], [/^blocks.1/]])
    assert.throws(() => quantizeModel(new Shared(), { skip }), /none that is not skipped/);
});

test("LoRA-FA's correction of a shared layer is made once", () => {
  const step = (make: () => Module & { forward(x: Tensor): Tensor }): Float32Array => {
    const model = inject(make(), { method: "lora-fa", rank: 2, target: "fc", seed: 1 });
    const part = [...model.adapter("default").values()][0] as LoraFA;
    const optimizer = new LoraFAAdamW(model, { lr: 1, correctGradient: true });
    part.B.grad = new Tensor(array(new Float32Array(part.B.size).fill(1), part.B.shape));
    part.A.assign(Float32Array.from({ length: part.A.size }, (_, i) => (i % 3) + i / 8));
    const gradient = part.B.grad;
    optimizer.step();
    return gradient.toArray();
  };
  assert.ok(
    same(
      step(() => new Shared()),
      step(() => new Block()),
    ),
  );
});

/** The shared layer's three places, each with a layer of its own. */
class Separate extends Module {
  blocks = [new Block(), new Block()];
  again = new Linear(4, 4, { rng });
  forward(x: Tensor): Tensor {
    return this.again.forward(this.blocks.reduce((h, block) => block.forward(h), x));
  }
}

for (const method of Object.keys(methods) as Method[]) {
  test(`${method}: one step of SGD on a shared layer is along the sum of the gradients of its places`, () => {
    withPrecision("float64", () => {
      const config = { method, rank: 2, alpha: 3, bias: "all", seed: 1 };
      const shared = inject(new Shared(), { ...config, target: "fc" } as never);
      const separate = inject(new Separate(), { ...config, target: ["fc", "again"] } as never);
      randomize(shared, "default", 1);
      const places = ["blocks.0.fc", "blocks.1.fc", "again"];
      const one = shared.layers.get(places[0]) as Module;
      const three = places.map((place) => separate.layers.get(place) as Module);
      assert.is(shared.layers.size, 1);
      assert.is(separate.layers.size, 3);
      for (const layer of three) layer.loadStateDict(one.stateDict());
      const x = new Tensor(array(random(2).uniform(12, -1, 1), [3, 4]));
      for (const model of [shared, separate]) model.forward(x).square().sum().backward();

      const lr = 0.1;
      const before = one.parameters().map(({ value }) => Float64Array.from(value.data));
      new SGD(shared.parameters(), { lr }).step();
      const theirs = three.map((layer) => new Map(layer.namedParameters()));
      let moved = 0;
      for (const [i, [name, parameter]] of [...one.namedParameters()].entries()) {
        const gradients = theirs.map((parameters) => parameters.get(name)?.grad?.value.data);
        const after = parameter.value.data;
        for (const [j, value] of after.entries()) {
          const sum = gradients.reduce((total, gradient) => total + (gradient?.[j] ?? 0), 0);
          assert.ok(Math.abs(value - (before[i][j] - lr * sum)) < 1e-12, `${name}[${j}]`);
        }
        if (!parameter.requiresGrad) continue;
        for (const gradient of gradients)
          assert.ok(
            gradient?.some((value) => Math.abs(value) > 1e-6),
            name,
          );
        moved++;
      }
      assert.ok(moved > 0);
    });
  });
}

test.run();
