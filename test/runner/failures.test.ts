/** @file Under `npm test` a failing property tells the failed assertion with its numbers, and the counterexample. */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("failures");

/** What a property throws when `holds` fails. */
function failure(holds: (n: number) => unknown): Error & { details?: string } {
  try {
    fc.assert(fc.property(fc.integer({ min: 3, max: 9 }), holds as (n: number) => boolean));
  } catch (error) {
    return error as Error;
  }
  throw new Error("the property did not fail");
}

test("an assertion's message, its two values and the counterexample", () => {
  const { message, details, stack } = failure((n) => assert.is(n * 2, 77, "twice n"));
  assert.match(message, /^Assertion: twice n \(is\)\n/);
  assert.match(message, /Counterexample: \[3\]/);
  assert.match(message, /seed: -?\d+/);
  assert.match(details ?? "", /77.*Expected[\s\S]*6.*Actual/);
  assert.match(stack ?? "", /failures\.test\.ts/);
});

test("any other error's message, and a property that returns false", () => {
  assert.match(
    failure((n) => {
      throw new TypeError(`no ${n} here`);
    }).message,
    /^TypeError: no 3 here\n[\s\S]*Counterexample: \[3\]/,
  );
  assert.match(failure((n) => n > 100).message, /returning false[\s\S]*Counterexample: \[3\]/);
});

test("an asynchronous property too", async () => {
  try {
    await fc.assert(fc.asyncProperty(fc.constant(5), async (n) => assert.ok(n < 5, `${n} is not below 5`)));
  } catch (error) {
    assert.match(
      (error as Error).message,
      /^Assertion: 5 is not below 5 \(ok\)\n[\s\S]*Counterexample: \[5\]/,
    );
    return;
  }
  assert.unreachable("the property did not fail");
});

test.run();
