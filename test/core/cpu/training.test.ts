/**
 * @file Training with lengths that vary, in a memory that the longest of them overflow: no memory leaks, no
 * allocation fails.
 */

import { indices, liveBytes, random, scope, setDevice } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arenaUse } from "../../../core/cpu/index.ts";

process.env.LOWRANK_MEMORY_MIB = "32"; // read when the cpu device is opened

const test = suite("cpu training");
const LONGEST = 512;

/** Two of GPT-2 124M's blocks at half their width, and few tokens: 200 steps take seconds. */
const SHAPE = {
  model_type: "gpt2",
  n_layer: 2,
  n_embd: 384,
  n_head: 6,
  n_positions: LONGEST,
  vocab_size: 300,
} as const;

/** From 1 to `LONGEST`, mostly short, so that 200 steps take seconds. */
function lengths(count: number): number[] {
  const rest = random(3).uniform(count - 2);
  return [LONGEST, 1, ...Array.from(rest, (u) => Math.floor(LONGEST ** (u * u * u)))];
}

test("200 steps of 1 to 512 tokens through two blocks: arena and meter stay flat", () => {
  setDevice("cpu");
  const rng = random(1);
  const model = new GPT2(SHAPE, { rng });
  const adapted = inject(model, { method: "lora", rank: 8, alpha: 16, target: "attn.c_attn" });
  const optimizer = new AdamW(adapted.parameters(), { lr: 1e-3 });
  let after: ReturnType<typeof liveBytes> | undefined;
  const { taken } = arenaUse();
  for (const length of lengths(200)) {
    const ids = indices(
      Int32Array.from({ length: length + 1 }, () => rng.integer(SHAPE.vocab_size)),
      [1, length + 1],
    );
    scope(() => {
      const loss = model.loss(ids);
      assert.ok(Number.isFinite(loss.item()));
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
    });
    assert.is(arenaUse().taken, taken);
    after ??= liveBytes();
    assert.equal(liveBytes(), after);
  }
  assert.ok(arenaUse().peak > 20 * 2 ** 20, "the arena of 24 MiB was full at times");
});

test.run();
