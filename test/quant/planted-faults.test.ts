/** @file Every law of quantization refuses wrong implementations, planted one after the other; without them it holds. */

import { array, random } from "lowrank/core";
import { Linear, Module } from "lowrank/nn";
import {
  PagedAdamW,
  QuantizedLinear,
  QuantizedTensor,
  quantizationLaws,
  quantizeModel,
  trainingLaws,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("planted faults of quantization");

type Undo = () => unknown;

/** Puts another member in the place of one of a class. */
function patch(
  prototype: object,
  name: string,
  wrong: (before: PropertyDescriptor) => PropertyDescriptor,
): Undo {
  const own = Object.getOwnPropertyDescriptor(prototype, name);
  const before = own ?? { value: Reflect.get(prototype, name), configurable: true };
  Object.defineProperty(prototype, name, { ...before, ...wrong(before) });
  return () => (own ? Object.defineProperty(prototype, name, own) : Reflect.deleteProperty(prototype, name));
}

/** What is dequantized is changed, element by element. */
const decoded = (wrong: (value: number, q: QuantizedTensor) => number): Undo =>
  patch(QuantizedTensor.prototype, "dequantizeInto", ({ value: before }) => ({
    value(this: QuantizedTensor, ...args: unknown[]) {
      const y = before.apply(this, args) as Float32Array;
      y.set(y.map((value) => wrong(value, this)));
      return y;
    },
  }));

const constants = (wrong: (value: number) => number): Undo =>
  patch(QuantizedTensor.prototype, "absmax", ({ get }) => ({
    get(this: QuantizedTensor) {
      return (get as () => Float32Array).call(this).map(wrong);
    },
  }));

const faults: Readonly<Record<keyof typeof quantizationLaws, Readonly<Record<string, () => Undo>>>> = {
  fixedPoint: {
    "values are 1 % off": () => decoded((value) => 1.01 * value),
    "values are off the code book": () => decoded((value) => Math.abs(value) * value),
  },
  zeroExact: { "zero is not": () => decoded((value) => value + 1e-3) },
  halfGap: { "values are 30 % off": () => decoded((value) => 1.3 * value) },
  absmaxExact: { "values are off by a rounding": () => decoded((value) => value * (1 + 2 ** -22)) },
  orderPreserved: { "the sign is exchanged": () => decoded((value) => -value) },
  powersOfTwo: { "constants are shifted": () => constants((value) => value + 1e-3) },
  positiveScaling: {
    "values are off the code book": () => decoded((value) => Math.abs(value) ** 3 * Math.sign(value)),
  },
  packing: {
    "the halves of a byte are exchanged": () =>
      patch(QuantizedTensor.prototype, "codes", ({ value: before }) => ({
        value(this: QuantizedTensor) {
          const codes = before.call(this) as Uint8Array;
          return codes.map((_, i) => codes[Math.min(i ^ 1, codes.length - 1)]);
        },
      })),
  },
  doubleQuantization: {
    "nested values are 10 % off": () => decoded((value, q) => (q.doubleQuant ? 1.1 * value : value)),
  },
};

const x = random(1)
  .normal(200)
  .map((value, i) => (i % 9 === 0 ? 0 : value));

for (const [key, planted] of Object.entries(faults)) {
  const law = quantizationLaws[key as keyof typeof quantizationLaws];
  for (const [fault, plant] of Object.entries(planted)) {
    test(`${key} refuses: ${fault}`, () => {
      const options = { format: "nf4", blockSize: 32, doubleQuant: true } as const;
      assert.is(law.holds(x, options), true);
      const undo = plant();
      try {
        assert.is(law.holds(x, options), false);
      } finally {
        undo();
      }
      assert.is(law.holds(x, options), true);
    });
  }
}

test("every law has a fault that it refuses", () => {
  assert.equal(Object.keys(faults).sort(), Object.keys(quantizationLaws).sort());
});

const normal = (seed: number, ...shape: number[]) =>
  array(random(seed).normal(shape.reduce((n, length) => n * length, 1)), shape);

test("gradients refuses a base whose products are 1 % off", () => {
  const layer = QuantizedLinear.from(new Linear(8, 4, { rng: random(1) }));
  const holds = () => trainingLaws.gradients.holds(layer, normal(1, 3, 8), normal(2, 3, 4));
  assert.is(holds(), true);
  const undo = patch(QuantizedLinear.prototype, "project", ({ value: before }) => ({
    value(this: QuantizedLinear, input: never) {
      return before.call(this, input).mul(1.01);
    },
  }));
  assert.is(holds(), false);
  undo();
});

test("paging refuses a paged optimizer that steps twice", () => {
  const holds = () =>
    trainingLaws.paging.holds(
      [normal(1, 30)],
      [[normal(2, 30)], [normal(3, 30)]],
      { lr: 0.1 },
      { budget: 2 ** 20 },
    );
  assert.is(holds(), true);
  const undo = patch(PagedAdamW.prototype, "step", ({ value: before }) => ({
    value(this: PagedAdamW) {
      before.call(this);
      before.call(this);
    },
  }));
  assert.is(holds(), false);
  undo();
  assert.is(holds(), true);
});

class One extends Module {
  fc = new Linear(8, 4, { rng: random(1) });
}

test("untouched refuses training that writes one code, or one constant", () => {
  const model = new One();
  quantizeModel(model);
  const { packed } = model.fc as unknown as QuantizedLinear;
  assert.is(
    trainingLaws.untouched.holds(model, () => {}),
    true,
  );
  const writes = [
    () => {
      packed.packed[3] ^= 1;
    },
    () => {
      (packed.constants as Float32Array)[0] *= 1.5;
    },
  ];
  for (const write of writes) assert.is(trainingLaws.untouched.holds(model, write), false);
});

test.run();
