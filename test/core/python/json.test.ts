/** @file JSON as Python writes it: what json.dumps of Python 3.11 gave for the same values. */

import * as fc from "fast-check";
import { ArgumentError, parseJson, pythonJson } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("Python's JSON");

test("floats have a point and Python's exponents", () => {
  const floats = ["x"];
  for (const [x, text] of [
    [0, "0.0"],
    [2, "2.0"],
    [0.1, "0.1"],
    [1e-4, "0.0001"],
    [1e-5, "1e-05"],
    [-1.5e-7, "-1.5e-07"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.5e300, "1.5e+300"],
  ] as const)
    assert.is(pythonJson({ x }, { floats }), `{"x": ${text}}`);
  assert.is(pythonJson({ x: 2, y: [2, 0.00002] }), '{"x": 2, "y": [2, 2e-05]}');
});

test("texts are in ASCII, fields in order or as they come, with or without lines", () => {
  const value = { b: ["é🙂", {}, []], a: { d: null, c: true } };
  assert.is(pythonJson(value), '{"b": ["\\u00e9\\ud83d\\ude42", {}, []], "a": {"d": null, "c": true}}');
  assert.is(
    pythonJson(value, { indent: 2, sortNames: true }),
    `{
  "a": {
    "c": true,
    "d": null
  },
  "b": [
    "\\u00e9\\ud83d\\ude42",
    {},
    []
  ]
}`,
  );
});

test("it reads as the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, 4), (value, indent) => {
      if (JSON.stringify(value).includes("__proto__")) return;
      const zeros = JSON.parse(JSON.stringify(value)); // -0 is 0 in JSON.stringify
      assert.equal(parseJson("f", pythonJson(zeros, { indent })), zeros);
    }),
  );
});

test("values that JSON does not have are refused by the name of their field", () => {
  for (const value of [undefined, 3n, () => 1])
    assert.throws(
      () => pythonJson({ x: [1], y: value }),
      (error: unknown) => error instanceof ArgumentError && /pythonJson.*\by\b/.test(error.message),
    );
});

test.run();
