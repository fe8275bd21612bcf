/** @file Every law of quantization refuses wrong implementations, planted one after the other; without them it holds. */

import { array, type LawResult, random } from "lowrank/core";
import { Linear, Module } from "lowrank/nn";
import {
  type DoubleQuantizedAbsmax,
  PagedAdamW,
  type PagerCounts,
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

/** Replaces a member of a class, and returns the function that restores it. */
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

/** Changes every dequantized element. */
const dequantized = (wrong: (value: number, q: QuantizedTensor) => number): Undo =>
  patch(QuantizedTensor.prototype, "dequantizeInto", ({ value: before }) => ({
    value(this: QuantizedTensor, ...args: unknown[]) {
      const y = before.apply(this, args) as Float32Array;
      y.set(y.map((value) => wrong(value, this)));
      return y;
    },
  }));

/** Changes every absmax. */
const absmax = (wrong: (value: number) => number): Undo =>
  patch(QuantizedTensor.prototype, "absmax", ({ get }) => ({
    get(this: QuantizedTensor) {
      return (get as () => Float32Array).call(this).map(wrong);
    },
  }));

const faults: Readonly<Record<keyof typeof quantizationLaws, Readonly<Record<string, () => Undo>>>> = {
  fixedPoint: {
    "values are 1 % off": () => dequantized((value) => 1.01 * value),
    "values are off the codebook": () => dequantized((value) => Math.abs(value) * value),
  },
  zeroExact: { "zero becomes 0.001": () => dequantized((value) => value + 1e-3) },
  halfGap: { "values are 30 % off": () => dequantized((value) => 1.3 * value) },
  absmaxExact: { "values are off by a rounding": () => dequantized((value) => value * (1 + 2 ** -22)) },
  orderPreserved: { "the sign is exchanged": () => dequantized((value) => -value) },
  powersOfTwo: { "absmax is shifted": () => absmax((value) => value + 1e-3) },
  positiveScaling: {
    "values are off the codebook": () => dequantized((value) => Math.abs(value) ** 3 * Math.sign(value)),
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
    "double-quantized values are 10 % off": () =>
      dequantized((value, q) => (q.doubleQuant ? 1.1 * value : value)),
  },
};

const x = random(1)
  .normal(200)
  .map((value, i) => (i % 9 === 0 ? 0 : value));

/** Asserts that a law holds, fails while the fault is planted, and holds again afterwards. */
function assertRefuses(check: () => LawResult, plant: () => Undo): void {
  assert.is(check().holds, true, "before the fault is planted");
  const undo = plant();
  try {
    const { holds, error, bound } = check();
    assert.is(holds, false, "with the fault");
    assert.ok(error > bound, `${error} ${bound}`);
  } finally {
    undo();
  }
  assert.is(check().holds, true, "after the fault is taken out");
}

for (const [key, planted] of Object.entries(faults)) {
  const law = quantizationLaws[key as keyof typeof quantizationLaws];
  for (const [fault, plant] of Object.entries(planted)) {
    test(`${key} refuses: ${fault}`, () => {
      assertRefuses(() => law.check({ x, format: "nf4", blockSize: 32, doubleQuant: true }), plant);
    });
  }
}

test("every law has a fault that it refuses", () => {
  assert.equal(Object.keys(faults).sort(), Object.keys(quantizationLaws).sort());
  assert.equal(Object.keys(trainingFaults).sort(), Object.keys(trainingLaws).sort());
});

const normal = (seed: number, ...shape: number[]) =>
  array(random(seed).normal(shape.reduce((n, length) => n * length, 1)), shape);

class One extends Module {
  fc = new Linear(8, 4, { rng: random(1) });
}

const quantizedOne = (doubleQuant: boolean): One => {
  const model = new One();
  quantizeModel(model, { doubleQuant });
  return model;
};

/** Training that writes one of a quantized layer's numbers. */
const training = (doubleQuant: boolean, write: (packed: QuantizedTensor) => void) => {
  const model = quantizedOne(doubleQuant);
  const { packed } = model.fc as unknown as QuantizedLinear;
  let isPlanted = false;
  return {
    check: () => trainingLaws.untouched.check({ model, train: () => void (isPlanted && write(packed)) }),
    plant: () => {
      isPlanted = true;
      return () => {
        isPlanted = false;
      };
    },
  };
};

interface TrainingFault {
  readonly check: () => LawResult;
  readonly plant: () => Undo;
}

const layer = QuantizedLinear.from(new Linear(8, 4, { rng: random(1) }));
const checkGradients = (): LawResult =>
  trainingLaws.gradients.check({ layer, x: normal(1, 3, 8), dY: normal(2, 3, 4) });
const checkPaging = (): LawResult =>
  trainingLaws.paging.check({
    values: [normal(1, 30)],
    gradients: [[normal(2, 30)], [normal(3, 30)]],
    settings: { lr: 0.1 },
    paging: { budget: 2 ** 20 },
  });

const trainingFaults: Readonly<Record<keyof typeof trainingLaws, Readonly<Record<string, TrainingFault>>>> = {
  gradients: {
    "products are 1 % off": {
      check: checkGradients,
      plant: () =>
        patch(QuantizedLinear.prototype, "project", ({ value: before }) => ({
          value(this: QuantizedLinear, input: never) {
            return before.call(this, input).mul(1.01);
          },
        })),
    },
    "only gradients are 1 % off": {
      check: checkGradients,
      plant: () =>
        patch(QuantizedLinear.prototype, "project", ({ value: before }) => ({
          value(this: QuantizedLinear, input: never) {
            const y = before.call(this, input);
            return y.add(y.mul(0.01).sub(y.mul(0.01).detach()));
          },
        })),
    },
  },
  paging: {
    "it steps twice": {
      check: checkPaging,
      plant: () =>
        patch(PagedAdamW.prototype, "step", ({ value: before }) => ({
          value(this: PagedAdamW) {
            before.call(this);
            before.call(this);
          },
        })),
    },
    "it holds more than its budget": {
      check: checkPaging,
      plant: () =>
        patch(PagedAdamW.prototype, "paging", ({ get }) => ({
          get(this: PagedAdamW) {
            return { ...(get as () => PagerCounts).call(this), peakResidentBytes: 2 ** 20 + 1 };
          },
        })),
    },
  },
  untouched: {
    "training writes one code": training(false, ({ packed }) => {
      packed[3] ^= 1;
    }),
    "training writes one absmax": training(false, ({ storedAbsmax }) => {
      (storedAbsmax as Float32Array)[0] *= 1.5;
    }),
    "training writes one code of an absmax": training(true, ({ storedAbsmax }) => {
      (storedAbsmax as DoubleQuantizedAbsmax).codes[0] ^= 1;
    }),
  },
};

for (const [key, planted] of Object.entries(trainingFaults)) {
  for (const [fault, { check, plant }] of Object.entries(planted))
    test(`${key} refuses: ${fault}`, () => assertRefuses(check, plant));
}

test.run();
