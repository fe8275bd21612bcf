/** @file The interface of all laws: how results are joined, and what a guarded law refuses. */

import {
  AdapterError,
  exactly,
  forAll,
  guardLaws,
  type Law,
  type LawResult,
  together,
  within,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("laws");

test("a result holds if its error is at most its bound; NaN never holds", () => {
  assert.equal(within(1, 2), { holds: true, error: 1, bound: 2 });
  assert.is(within(2, 2).holds, true);
  assert.is(within(3, 2).holds, false);
  assert.is(within(Number.NaN, 2).holds, false);
  assert.equal(exactly(true), { holds: true, error: 0, bound: 0 });
  assert.equal(exactly(false), { holds: false, error: Number.POSITIVE_INFINITY, bound: 0 });
});

test("joined results hold if all do: the first that fails, else the one with the largest bound", () => {
  const results = [within(1, 2), within(0, 5), within(1, 3)];
  assert.equal(together(...results), within(0, 5));
  assert.equal(
    forAll(3, (i) => results[i]),
    within(0, 5),
  );
  const failing = [...results, within(9, 4), within(8, 1)];
  assert.equal(together(...failing), within(9, 4));
  assert.equal(
    forAll(5, (i) => failing[i]),
    within(9, 4),
  );
  assert.is(forAll(0, () => exactly(false)).holds, true);
});

interface Trial {
  readonly n: number;
}

const law = (check: (trial: Trial) => unknown): Law<Trial> => ({
  name: "law",
  statement: "A number is what it is.",
  equation: "n = n",
  check: check as Law<Trial>["check"],
});

const laws = guardLaws<Trial, Law<Trial>, "right" | "silent" | "lost">(
  "numbers",
  {
    right: law(({ n }) => within(n, 3)),
    silent: law(() => undefined),
    lost: law(() => within(Number.NaN, 1)),
  },
  {
    validate({ n }, who) {
      if (!Number.isFinite(n)) throw new AdapterError(`${who}: expected a finite n; got ${n}`);
    },
    exception: (_, { n }) => (n < 0 ? `applies to n from 0; got ${n}` : null),
    error: AdapterError,
  },
);

const refuses = (action: () => LawResult, message: string): void =>
  assert.throws(action, (error: Error) => error instanceof AdapterError && error.message === message);

test("a guarded law answers, and says which trials it applies to", () => {
  assert.equal(laws.right.check({ n: 1 }), within(1, 3));
  assert.equal(laws.right.check({ n: 4 }), within(4, 3));
  assert.is(laws.right.concerns({ n: 1 }), true);
  assert.is(laws.right.concerns({ n: -1 }), false);
});

test("a guarded law refuses malformed trials, trials that it does not apply to, and checks without a result", () => {
  refuses(() => laws.right.check({ n: Number.NaN }), "numbers.right: expected a finite n; got NaN");
  refuses(
    () => laws.right.check({ n: -1 }),
    "numbers.right: this law applies to n from 0; got -1. Ask numbers.right.concerns(trial) first",
  );
  refuses(() => laws.silent.check({ n: 1 }), "numbers.silent: expected a result of the check; got undefined");
  refuses(
    () => laws.lost.check({ n: 1 }),
    'numbers.lost: expected a result of the check; got {"holds":false,"error":null,"bound":1}',
  );
});

test.run();
