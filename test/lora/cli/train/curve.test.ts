/** @file The picture of the losses: well-formed for whatever numbers there are, with every number inside its frame. */

import * as fc from "fast-check";
import { parseHTML } from "linkedom";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lossCurve } from "../../../../lora/cli/train/run/output/curve.ts";

const curve = suite("loss curve");

const losses = fc.double({ min: 0, max: 1e6, noNaN: true });
const anything = fc.oneof(losses, fc.constantFrom(Number.NaN, Infinity, -Infinity, 0));

curve("every place is a number inside the picture, whatever the losses", () => {
  fc.assert(
    fc.property(
      fc.array(anything, { maxLength: 90 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), anything), { maxLength: 5 }),
      (training, held) => {
        const validation = held
          .filter(([step]) => step <= training.length)
          .map(([step, value]) => ({ step, value }));
        const svg = lossCurve({ title: "a <b> & c", training, validation });
        assert.not.match(svg, /NaN|Infinity|undefined/);
        const { document } = parseHTML(svg);
        assert.is(document.querySelector(".title")?.textContent, "a <b> & c");
        const numbers = (name: string, attribute: string): number[] =>
          [...document.querySelectorAll(name)].map((element) => Number(element.getAttribute(attribute)));
        for (const x of [...numbers("text", "x"), ...numbers("circle", "cx")])
          assert.ok(x >= 0 && x <= 720, `${x}`);
        for (const y of [...numbers("text", "y"), ...numbers("circle", "cy")])
          assert.ok(y >= 0 && y <= 400, `${y}`);
        const points = [...svg.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [
          Number(x),
          Number(y),
        ]);
        for (const [x, y] of points) assert.ok(x >= 0 && x <= 720 && y >= 0 && y <= 400, `${x} ${y}`);
      },
    ),
    { numRuns: 300 },
  );
});

curve("a lower loss stands lower, and a later step further right", () => {
  const svg = lossCurve({ title: "t", training: [3, 2, 1], validation: [] });
  const path = /<path class="training" d="([^"]*)"/.exec(svg)?.[1] ?? "";
  const points = [...path.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
  assert.is(points.length, 3);
  for (const [i, [x, y]] of points.entries()) {
    if (i > 0) assert.ok(x > points[i - 1][0] && y > points[i - 1][1]);
  }
});

curve.run();
