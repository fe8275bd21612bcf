/** @file The page's side of the controls: what is changed together, and which control a refusal marks. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkControls, firstControls } from "../../../notebooks/lab/engine/controls.ts";
import { sentenceOf } from "../../../notebooks/lab/engine/refusal.ts";
import { type Controls, formatNames, methodNames } from "../../../notebooks/lab/engine/types.ts";
import { partOf, same, suggestedWith } from "../../../notebooks/lab/page/state/changes.ts";

const pageTests = suite("the lab's page");

pageTests("no choice of a method is refused, from any other method and any format that goes with it", () => {
  for (const from of methodNames)
    for (const format of formatNames)
      for (const method of methodNames) {
        const start = { ...firstControls, format };
        const before = { ...start, ...suggestedWith({ method: from }, start), method: from };
        checkControls(before);
        checkControls({ ...before, ...suggestedWith({ method }, before), method });
      }
});

pageTests("a learning rate that the visitor has chosen stays when the method changes", () => {
  for (const method of methodNames) {
    const chosen = { ...firstControls, rate: 0.0123 };
    assert.is({ ...chosen, ...suggestedWith({ method }, chosen) }.rate, 0.0123);
  }
});

pageTests("a refusal marks the control that it is about", () => {
  const bad: readonly (readonly [Partial<Controls>, string])[] = [
    [{ rank: 0 }, "rank"],
    [{ rank: 10_000 }, "rank"],
    [{ alpha: 0 }, "alpha"],
    [{ rate: -1 }, "rate"],
    [{ ratio: 0 }, "ratio"],
    [{ blockSize: 48 }, "block"],
    [{ seed: -1 }, "seed"],
    [{ steps: 0 }, "steps"],
    [{ target: "own", text: "x" }, "text"],
    [{ method: "full", format: "nf4" }, "format"],
    [{ method: "loftq", format: "float32" }, "format"],
    [{ method: "pissa", rank: 100 }, "rank"],
  ];
  for (const [change, part] of bad) {
    try {
      checkControls({ ...firstControls, ...change });
      assert.unreachable(part);
    } catch (error) {
      assert.is(partOf(sentenceOf(error)), part);
    }
  }
});

pageTests("a pasted text tells two runs apart only where it is trained on", () => {
  const other = { ...firstControls, text: "another" };
  assert.ok(same(firstControls, other));
  assert.not.ok(same({ ...firstControls, target: "own" }, { ...other, target: "own" }));
});

pageTests("what a method or a format does not use tells no runs apart; what it uses does", () => {
  const full = { ...firstControls, method: "full" } as const;
  assert.ok(same(full, { ...full, rank: 64, alpha: 1, ratio: 2, place: "qv" }));
  assert.not.ok(same(full, { ...full, rate: 1 }));
  assert.ok(same(firstControls, { ...firstControls, ratio: 3, blockSize: 128, doubleQuant: true }));
  const quantized = { ...firstControls, format: "nf4" } as const;
  assert.not.ok(same(quantized, { ...quantized, blockSize: 128 }));
  assert.not.ok(same(firstControls, { ...firstControls, rank: 5 }));
});

pageTests("from a method that there is not, a choice of one that there is", () => {
  const wrong = { ...firstControls, method: "lora-plus" as "lora" };
  checkControls({ ...wrong, ...suggestedWith({ method: "dora" }, wrong), method: "dora" });
});

pageTests.run();
