/** @file Merging in the lab: the same outputs, and every bit back after it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Engine,
  type FormatName,
  type MethodName,
  methodNames,
} from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, refusal, startedEngine, steps } from "./support.ts";

const merging = suite<{ engine: Engine }>("the lab's merge");
merging.before(async (context) => {
  context.engine = await startedEngine();
});

const adapters = methodNames.filter((method) => !["full", "bitfit", "loftq"].includes(method));
const kinds: [MethodName, FormatName][] = [
  ...adapters.map((method): [MethodName, FormatName] => [method, "float32"]),
  ["lora", "nf4"],
  ["dora", "int8"],
  ["pissa", "int4"],
  ["loftq", "fp4"],
];

for (const [method, format] of kinds)
  merging(
    `${method} on ${format}: merged outputs agree, and unmerging gives every bit back`,
    async ({ engine }) => {
      const { id } = given(
        await engine.open(controlsOf(method, { format, doubleQuant: format !== "float32" })),
      );
      await steps(engine, id, 3);
      const written = given(await engine.write(id, "The sea")).adapted;
      const merged = given(await engine.merge(id));
      assert.ok(merged.isMerged && merged.restored === null);
      // Each of a block's 7 matrices, and the head, sums up to 344 + r products in another order: an error of at most so
      // many roundings of 2⁻²⁴ each, 2e-4 of the largest in all; three steps change a logit by far more.
      const most = 8 * (344 + 64) * 2 ** -24 * merged.largest;
      assert.ok(merged.difference > 0 && merged.difference < most, String(merged.difference));
      assert.is(merged.requantized === null, format === "float32");
      if (merged.requantized) {
        assert.ok(merged.requantized.erased > 0);
        assert.ok(merged.requantized.unchanged > 0 && merged.requantized.unchanged < 1);
      }
      assert.match(refusal(await engine.step(id)), /unmerge first/);
      assert.equal(given(await engine.merge(id)), merged, "merging twice is merging once");
      const apart = given(await engine.unmerge(id));
      assert.ok(apart.restored === true && !apart.isMerged);
      assert.is(given(await engine.write(id, "The sea")).adapted, written);
      await steps(engine, id, 1);
      await engine.close(id);
    },
  );

merging("a run that was merged in between takes the steps of one that was not", async ({ engine }) => {
  const losses = [];
  for (const isMerged of [false, true]) {
    const { id } = given(await engine.open(controlsOf("lora")));
    await steps(engine, id, 2);
    if (isMerged) {
      given(await engine.merge(id));
      given(await engine.unmerge(id));
    }
    losses.push((await steps(engine, id, 2)).map(({ loss }) => loss));
    await engine.close(id);
  }
  assert.equal(losses[0], losses[1]);
});

merging("methods without adapters have nothing to merge, and say so", async ({ engine }) => {
  for (const method of ["full", "bitfit"] as const) {
    const { id } = given(await engine.open(controlsOf(method)));
    assert.match(refusal(await engine.merge(id)), /^Merge: expected a method with adapters; /);
    assert.match(refusal(await engine.unmerge(id)), /not merged/);
  }
});

merging.run();
