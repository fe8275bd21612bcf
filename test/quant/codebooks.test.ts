/** @file The codebooks derived in code are the published constants, bit for bit. */

import { type Codebook, dynamic8, dynamic8Unsigned, fp4, int4, int8, nf4, nf4Equation4 } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { roundingOf } from "../../quant/codes/nearest.ts";

const test = suite("codebooks");

// Published constants: the code of bitsandbytes, which appendix E of the paper repeats. Compared bit for bit.
const publishedNf4 = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];
const publishedMidpoints = [
  -0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
  -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
  0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011,
];
const publishedFp4 = [
  0, 0.0052083334885537624, 0.6666666865348816, 1, 0.3333333432674408, 0.5, 0.1666666716337204, 0.25,
];
// The dynamic maps have 256 values; these are those of the lower decades, and some in the uppermost that show
// in which order float32 roundings happen. `npm run conformance` compares all.
const publishedDynamic = [
  [127, 0],
  [128, 5.500000384017767e-7],
  [129, 0.000003250000190746505],
  [130, 0.000007749999895168003],
  [131, 0.000021249998098937795],
  [138, 0.000493750034365803],
  [152, 0.006343749817460775],
  [191, 0.10703125596046448],
  [224, 0.5710937976837158],
  [240, 0.7960937023162842],
  [254, 0.992968738079071],
  [255, 1],
] as const;

test("NF4 from normal quantiles is the published NF4, bit for bit", () => {
  assert.equal(nf4.values, Float32Array.from(publishedNf4));
});

test("midpoints of NF4 are the published decision thresholds, bit for bit", () => {
  assert.equal(roundingOf(nf4).midpoints.subarray(0, 15), Float32Array.from(publishedMidpoints));
});

test("equation 4 taken literally gives an NF4 whose inner values lie up to 0.08 further out than the released ones", () => {
  const [literal, released] = [nf4Equation4.values, nf4.values];
  for (let c = 0; c < 16; c++) assert.ok(Math.abs(literal[c]) >= Math.abs(released[c]));
  const apart = Math.max(...literal.map((value, c) => Math.abs(value - released[c])));
  assert.ok(apart > 0.07 && apart < 0.08, `${apart}`);
});

test("FP4 from sign, exponent and fraction is the published FP4, bit for bit", () => {
  assert.equal(fp4.values, Float32Array.from([...publishedFp4, ...publishedFp4.map((value) => -value)]));
});

test("Int4 is -7 … 7 in sevenths, and its sixteenth code is never chosen", () => {
  assert.equal(
    int4.values.subarray(1),
    Float32Array.from({ length: 15 }, (_, k) => (k - 7) / 7),
  );
  assert.ok(roundingOf(int4).midpoints[0] < -1);
});

test("int8 is two's complement in 127ths", () => {
  for (const [byte, value] of [
    [0, 0],
    [1, 1 / 127],
    [127, 1],
    [129, -1],
    [255, -1 / 127],
  ]) {
    assert.is(int8.values[byte], Math.fround(value));
  }
});

test("the signed 8-bit dynamic map has the published values, bit for bit", () => {
  for (const [code, value] of publishedDynamic) assert.is(dynamic8.values[code], value);
  for (let k = 1; k < 127; k++) assert.is(dynamic8.values[127 - k], -dynamic8.values[127 + k]);
  assert.is(dynamic8.values[0], -dynamic8.values[254]); // 1 has no counterpart
});

test("the unsigned dynamic map halves the steps of the signed one", () => {
  assert.is(dynamic8Unsigned.values[0], 0);
  assert.is(dynamic8Unsigned.values[1], 3.2500003044333425e-7);
  assert.is(dynamic8Unsigned.values[254], 0.9964843988418579);
  const step = ({ values }: Codebook) => values[254] - values[253];
  assert.ok(Math.abs(step(dynamic8Unsigned) / step(dynamic8) - 1 / 2) < 1e-5);
});

test("every codebook contains zero, and no value twice but ±0", () => {
  for (const { name, values, bits } of [nf4, nf4Equation4, fp4, int4, int8, dynamic8, dynamic8Unsigned]) {
    assert.is(values.length, 2 ** bits);
    assert.ok(values.includes(0), name);
    assert.is(
      new Set([...values].map((value) => (Object.is(value, -0) ? "-0" : value))).size,
      2 ** bits,
      name,
    );
  }
});

test.run();
