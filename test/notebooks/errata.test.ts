/** @file The errata of the papers: each is confirmed by a computation, names its place, and is listed once. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { printedFrom } from "../../notebooks/papers/errata/erratum.ts";
import { all, b0, bT, printedBudget, schedule, similarity } from "../../notebooks/papers/errata/index.ts";

const test = suite("errata");

test("every erratum is confirmed by its computation", () => {
  for (const { place, differs } of all) assert.ok(differs, place);
});

test("every erratum names its place once, what is printed, what is found, and what it means in a sentence", () => {
  const places = all.map(({ place }) => place);
  assert.is(new Set(places).size, places.length);
  for (const { place, printed, found, why } of all) {
    assert.ok(printed !== "" && found !== "" && printed !== found, place);
    assert.match(why, /^[A-Z0-9].*\.$/, place);
  }
});

test("a number is rounded, cut off, or neither", () => {
  assert.is(printedFrom(18.874, "18.9"), "rounded");
  assert.is(printedFrom(18.874, "18.8"), "cut off");
  assert.is(printedFrom(18.874, "18.7"), "neither");
  assert.is(printedFrom(18.874, "19"), "rounded");
});

test("the similarity of subspaces is 1 − d²/p, and not (1 − d²)/p but for one dimension", () => {
  const sigma = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sigma, (values) => {
      const { phi, meant, printed } = similarity(values);
      assert.ok(Math.abs(meant - phi) < 1e-12);
      const p = values.length;
      assert.ok(Math.abs(meant - printed - (p - 1) / p) < 1e-12);
    }),
  );
});

test("AdaLoRA's printed budget ends at the final one and exceeds the first", () => {
  const values = Array.from({ length: schedule.totalSteps }, (_, t) => printedBudget(t + 1));
  assert.is(values.at(-1), bT);
  assert.ok(Math.max(...values) > 5 * b0);
});

test.run();
