/** @file One colour for one method, in every plot. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { colorsOf, methodOf } from "../../notebooks/support/show/colors.ts";

const colors = suite("colours of the plots");

const methods = [
  "full fine-tuning",
  "LoRA",
  "rsLoRA",
  "LoRA+",
  "DoRA",
  "AdaLoRA",
  "LoRA-FA",
  "PiSSA",
  "VeRA",
];
const others = ["BitFit", "adapters", "prefix", "float32", "NF4", "FP4", "Int4", "int8"];
const named = fc.constantFrom(...methods, ...others);
const label = fc
  .tuple(named, fc.constantFrom("", ", r = 8", " (16)", ": W_q, W_v", ", all layers"))
  .map(([method, rest]) => method + rest);
const strange = fc.constantFrom("run a", "seed 3", "the house", "W_q", "planted");

colors("a method that is there once has its colour, whatever else is in the plot", () => {
  fc.assert(
    fc.property(label, fc.array(fc.oneof(label, strange)), fc.nat(), (one, list, at) => {
      const rest = list.filter((other) => methodOf(other) !== methodOf(one));
      const place = at % (rest.length + 1);
      const labels = [...rest.slice(0, place), one, ...rest.slice(place)];
      assert.is(colorsOf(labels)[place], colorsOf([one])[0]);
    }),
  );
});

colors("methods can be told apart, and what is no method from all of them", () => {
  assert.is(new Set(colorsOf(methods)).size, methods.length);
  fc.assert(
    fc.property(
      fc.uniqueArray(named, { maxLength: 4 }),
      fc.uniqueArray(strange, { maxLength: 3 }),
      (list, rest) => {
        const found = colorsOf([...list, ...rest]);
        const [own, free] = [found.slice(0, list.length), found.slice(list.length)];
        for (const color of free) assert.not.ok(own.includes(color), `${list}; ${rest}`);
        assert.is(new Set(free).size, free.length);
      },
    ),
  );
});

colors("a name is the longest that a label begins with, and no part of another word", () => {
  const cases: [string, string | undefined][] = [
    ["LoRA, r = 8", "LoRA"],
    ["LoRA+ (16)", "LoRA+"],
    ["LoRA-FA", "LoRA-FA"],
    ["lora", "LoRA"],
    ["NF4 + DQ", "NF4"],
    ["LoRAX", undefined],
    ["a LoRA", undefined],
  ];
  for (const [text, method] of cases) assert.is(methodOf(text), method, text);
});

colors.run();
