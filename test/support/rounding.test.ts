/** @file The tolerances of rounding.ts: what they let pass and what they do not. */

import { mul, sub, sum, tensor } from "lowrank/autograd";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertNear, expected, type Results } from "./rounding.ts";

const test = suite("rounding");
const names = ["large", "small", "zero"];

/** A result around 1000, one a million million times smaller, and one that is 0 but for rounding. */
function compute(values: readonly number[]): Results {
  const x = tensor([...values]);
  const large = mul(x, 1000);
  const zero = sub(mul(large, 1 / 3), mul(x, 1000 / 3));
  return [large, mul(x, 1e-8), zero].map((y) => [...y.toArray()]);
}
const bounds = () => {
  const found = expected(() => [0.3, -0.7, 0.1], compute);
  assert.ok(found);
  return found;
};

/** What is said of results that are not near. */
function refusal(results: Results): string {
  try {
    assertNear("wrong", results, bounds(), names);
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing";
}

test("what float32 gives is near", () => {
  assertNear("float32", compute([0.3, -0.7, 0.1]), bounds(), names);
});

test("a small result beside a large one is not 0, not of the other sign, and right to some digits", () => {
  for (const factor of [0, -1, 1.0001, Number.NaN, Infinity]) {
    const [large, small, zero] = compute([0.3, -0.7, 0.1]) as number[][];
    const wrong = small.map((value) => value * factor);
    assert.match(refusal([large, wrong, zero]), /wrong: small\[0\] is/);
    const last = [...small.slice(0, -1), wrong[2]];
    assert.match(refusal([large, last, zero]), /wrong: small\[2\] is/);
  }
});

test("a result that is 0 in truth is held to the size of the others", () => {
  const [large, small, zero] = compute([0.3, -0.7, 0.1]) as number[][];
  const wrong = zero.map(() => 0.1);
  assert.match(refusal([large, small, wrong]), /wrong: zero\[0\] is/);
});

test("there are no tolerances where rounding says all, and none from NaN", () => {
  const cancels = (values: readonly number[]): Results => {
    const x = tensor([...values]);
    return [[sum(x).item()], [sum(sub(mul(x, 1e7), mul(x, 1e7 - 1))).item()]];
  };
  assert.is(
    expected(() => [0.3], cancels),
    null,
  );
  const isNaNFirst = (values: readonly number[]): Results => [[Number.NaN, ...values]];
  assert.is(
    expected(() => [0.3], isNaNFirst),
    null,
  );
});

test.run();
