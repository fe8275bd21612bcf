import { suite } from "uvu";
import * as assert from "uvu/assert";
import { qualityArms } from "../../notebooks/papers/lora-fa/arms.ts";
import { correctionError } from "../../notebooks/papers/lora-fa/correction.ts";
import {
  compared,
  inputBytes,
  keptByRank,
  keptPerToken,
  LAYERS,
  measure,
  multiplications,
  products,
  TIME,
} from "../../notebooks/papers/lora-fa/memory.ts";
import { llamaBytes, peftBenchmark } from "../../notebooks/papers/lora-fa/published.ts";

const frozen = suite("the page on LoRA-FA");

frozen("a layer keeps d_in, d_in + r and r numbers for each token", () => {
  for (const r of [1, 4]) {
    assert.is(keptPerToken("full", r, [5, 7]), 7);
    assert.is(keptPerToken("lora", r, [5, 7]), 7 + r);
    assert.is(keptPerToken("lora-fa", r, [5, 7]), r);
  }
});

frozen("a block keeps 7 d + 4 r and 4 r, to the byte", () => {
  const { rows, exact, growth } = keptByRank(16, [1, 4]);
  assert.ok(exact);
  assert.equal(
    rows.map((row) => [row.LoRA, row["LoRA-FA"]]),
    [
      [7 * 16 + 4, 4],
      [7 * 16 + 16, 16],
    ],
  );
  assert.ok(growth > 0);
});

frozen("checkpointed, LoRA-FA saves the inputs of one block", () => {
  const { lora, fa } = compared({ d: 16, rank: 2, rows: 1, checkpointed: true });
  assert.is(lora.saved - fa.saved, inputBytes(16, TIME) / LAYERS);
});

frozen("a dropped input keeps its mask with both methods", () => {
  const plain = measure({ method: "lora-fa", d: 16, rank: 2, rows: 1 });
  const dropped = measure({ method: "lora-fa", d: 16, rank: 2, rows: 1, dropout: 0.1 });
  assert.ok(dropped.saved > plain.saved + 4 * 16 * TIME);
});

frozen("LoRA-FA runs one product fewer for each layer, and one more for the first", () => {
  const size = { d: 16, rank: 2, rows: 1 };
  assert.is(products({ ...size, method: "lora" }) - products({ ...size, method: "lora-fa" }), 4 * LAYERS + 1);
});

frozen("multiplications: ∂L/∂A costs r d_in for each token and layer", () => {
  const size = { d: 16, rank: 2, rows: 1 };
  const lora = multiplications({ ...size, method: "lora" });
  const fa = multiplications({ ...size, method: "lora-fa" });
  assert.ok(Math.abs((lora - fa) * 1e6 - LAYERS * TIME * 2 * 7 * 16) < 1e-3);
});

frozen("the corrected step moves W by the projection, whatever α", () => {
  for (const alpha of [4, 40]) assert.ok(correctionError({ alpha }) < 1e-6);
});

frozen("the grids of all arms are equally fine", () => {
  const arms = Object.values(qualityArms(4, [1e-2, 2e-2]));
  for (const { rates } of arms) assert.ok(Math.abs(rates[1] / rates[0] - 2) < 1e-12);
});

frozen("LLaMA-7B's bytes and PEFT's counts", () => {
  assert.equal(
    llamaBytes().map(({ bytes }) => bytes),
    [3_053_453_312 + 7_340_032, 7_340_032],
  );
  assert.ok(peftBenchmark().every(({ agrees }) => agrees));
});

frozen.run();
