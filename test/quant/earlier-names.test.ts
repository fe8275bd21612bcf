/** @file Earlier names of quantization, which are deprecated, still work. */

import { array, random } from "lowrank/core";
import { Linear, Module } from "lowrank/nn";
import {
  ABSMAX_BLOCK_SIZE,
  bookOf,
  type CodeBook,
  codebookFor,
  dequantizeAbsmax,
  NESTED_BLOCK,
  type NestedAbsmax,
  QuantizedLinear,
  quantize,
  quantizedBytes,
  quantizeModel,
  recoverAbsmax,
  trainingLaws,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("earlier names of quantization");

test("codebooks and absmax have their earlier names", () => {
  const codebook: CodeBook = bookOf.nf4;
  assert.is(codebook, codebookFor.nf4);
  assert.is(NESTED_BLOCK, ABSMAX_BLOCK_SIZE);
  assert.is(recoverAbsmax, dequantizeAbsmax);
  const q = quantize(random(1).normal(1000), { doubleQuant: true });
  assert.is(q.constants, q.storedAbsmax);
  assert.equal(recoverAbsmax(q.constants as NestedAbsmax), q.absmax);
  const { absmax, constants } = quantizedBytes([1000], { doubleQuant: true });
  assert.is(constants, absmax);
});

class One extends Module {
  fc = new Linear(8, 4, { rng: random(1) });
}

test("the laws of training answer `holds`", () => {
  const [x, dY, values] = [
    array(random(2).normal(24), [3, 8]),
    array(random(3).normal(12), [3, 4]),
    array(random(4).normal(30), [30]),
  ];
  const layer = QuantizedLinear.from(new Linear(8, 4, { rng: random(1) }));
  assert.is(trainingLaws.gradients.holds(layer, x, dY), true);
  assert.is(trainingLaws.paging.holds([values], [[values]], { lr: 0.1 }, { budget: 2 ** 20 }), true);
  const model = new One();
  quantizeModel(model);
  assert.is(
    trainingLaws.untouched.holds(model, () => {}),
    true,
  );
  const { packed } = (model.fc as unknown as QuantizedLinear).packed;
  assert.is(
    trainingLaws.untouched.holds(model, () => {
      packed[0] ^= 1;
    }),
    false,
  );
});

test.run();
