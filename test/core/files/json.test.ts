/**
 * @file JSON from outside: what JSON.parse takes or throws, as values that are safe to walk through, or
 * CheckpointErrors.
 */

import * as fc from "fast-check";
import { CheckpointError, parseJson, parseJsonObject } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("json");

const refused = (text: string | Uint8Array, message: RegExp, parse = parseJson): void =>
  assert.throws(
    () => parse("f.json", text),
    (error: unknown) => error instanceof CheckpointError && message.test(error.message),
    String(text).slice(0, 80),
  );

test("a text that is accepted is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      if (/"__proto__"\s*:/.test(text)) return refused(text, /__proto__/);
      assert.equal(parseJson("f", text), JSON.parse(text));
      assert.equal(parseJson("f", new TextEncoder().encode(text)), JSON.parse(text));
    }),
  );
});

test("a text that is changed anywhere is read as JSON.parse reads it, or is a CheckpointError", () => {
  const text = '{"a": [1, -2.5e3, {"b\\"": "x\\\\", "c": null}], "\\u0032": true, "a ": {}, "e": ["a", "a"]}';
  fc.assert(
    fc.property(
      fc.nat(text.length),
      fc.nat(3),
      fc.string({ unit: fc.constantFrom(...'"\\{}[]:, a1d\u0000é'), maxLength: 3 }),
      (at, removed, added) => {
        const mutant = text.slice(0, at) + added + text.slice(at + removed);
        let value: unknown;
        try {
          value = parseJson("f.json", mutant);
        } catch (error) {
          assert.instance(error, CheckpointError);
          assert.match((error as Error).message, /^f\.json: /);
          return;
        }
        assert.equal(value, JSON.parse(mutant));
      },
    ),
    { numRuns: 1000 },
  );
});

test("depth, however it is nested, ends at 32", () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"a":[', "]}]"],
  ]) {
    const depth = open.replace(/[^[{]/g, "").length;
    const nested = (n: number) =>
      open.repeat(n / depth) + (open.endsWith(":") ? "1" : "") + close.repeat(n / depth);
    parseJson("f", nested(Math.floor(32 / depth) * depth));
    refused(nested(36), /f\.json: nested more than 32 deep/);
    refused(nested(999_999), /nested more than 32 deep/);
  }
  parseJson("f", JSON.stringify("[".repeat(1000))); // in a text it is none
});

test("duplicate names and __proto__ are refused; other words of JavaScript are ordinary names", () => {
  refused('{"a": 1, "b": 2, "a": 1}', /the field "a" is there twice/);
  refused('[{"x": {"a": 1, "\\u0061": 1}}]', /the field "a" is there twice/);
  refused('{"__proto__": {"a": 1}}', /__proto__/);
  refused('{"a": {"_\\u005fproto__" : 1}}', /__proto__/);
  parseJson("f", '[{"a": 1}, {"a": "__proto__"}, ["__proto__", "a", "a"]]');
  const value = parseJsonObject("f", '{"constructor": 1, "toString": 2, "prototype": 3}');
  assert.equal(Object.keys(value), ["constructor", "toString", "prototype"]);
  assert.is(({} as { a?: unknown }).a, undefined);
});

test("an object of fields is no list, text, number, null; the message is short", () => {
  for (const text of ["[1]", '"a"', "1", "null", "true", `"${"a".repeat(10_000)}"`]) {
    refused(text, /^f\.json: expected an object of fields; got .{1,130}$/, parseJsonObject);
  }
  refused("", /not JSON/, parseJsonObject);
  refused('{"a": \n\n nope}', /not JSON: [^\n]+$/);
  refused(Uint8Array.of(0x7b, 0xff, 0x7d), /not UTF-8/);
  refused('\u0000{"a": 1}', /not JSON/);
});

test("ten million characters take no stack", () => {
  const losses = JSON.stringify({
    losses: new Array(1_000_000).fill(0.12345678),
    text: "\\".repeat(100_000),
  });
  assert.is((parseJsonObject("f", losses).losses as number[]).length, 1_000_000);
});

test.run();
