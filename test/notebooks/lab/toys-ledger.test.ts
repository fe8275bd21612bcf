/** @file The memory ledger: its counts are those of the whole models, and the published totals come out. */

import { countParameters } from "lowrank/lora";
import { configurations, layout, linearWeightCount, parameterCount } from "lowrank/nn";
import { quantizedBytes } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  big,
  type LedgerSettings,
  ledgerOf,
  type PartName,
} from "../../../notebooks/lab/page/toys/ledger.ts";

const ledgerTests = suite("the memory ledger");

const settings: LedgerSettings = {
  model: "llama-7b",
  method: "lora",
  rank: 8,
  target: "all",
  bits: "16",
  optimizer: "adamw",
  rows: 1,
  length: 512,
  checkpointing: true,
  fused: false,
};

const bytesOf = (change: Partial<LedgerSettings>, name: PartName): number =>
  ledgerOf({ ...settings, ...change }).parts.find((part) => part.name === name)?.bytes as number;

for (const model of ["gpt2", "llama-7b", "mistral-7b", "llama-3.2-1b"] as const) {
  ledgerTests(`${model}: one block times their number is the whole model`, () => {
    const modules = layout(configurations[model]);
    const ledger = ledgerOf({ ...settings, model });
    assert.is(ledger.all, parameterCount(modules));
    assert.is(
      ledger.trained,
      countParameters("lora", { config: model, rank: 8, target: "all-linear" }).trainable,
    );
    assert.is(ledgerOf({ ...settings, model, method: "full" }).trained, ledger.all);
    // A float32 mean for each layer's constants, and the last, incomplete group of 256 of each, are all that differs.
    const linear = linearWeightCount(modules);
    const { codes, absmax } = quantizedBytes([linear], { format: "nf4", doubleQuant: true });
    const layers = 8 * modules.length;
    const whole = codes + absmax + 2 * (ledger.all - linear);
    assert.ok(Math.abs(bytesOf({ model, bits: "4dq" }, "base") - whole) <= layers);
  });
}

ledgerTests("GPT-3's count of the paper: 4.7M for r = 1, 18.9M for r = 4, on queries and values", () => {
  const gpt3 = { ...settings, model: "gpt3-175b", target: "qv" } as const;
  assert.is(ledgerOf({ ...gpt3, rank: 1 }).trained, 4718592);
  assert.is(ledgerOf({ ...gpt3, rank: 4 }).trained, 18874368);
});

ledgerTests("every method on queries and values: GPT-3's slices count as Llama's own matrices do", () => {
  const d = 12288;
  const each = { lora: 2 * 4 * d, "lora-fa": 4 * d, dora: 2 * 4 * d + d }; // of a d × d matrix, with r = 4
  for (const [method, numbers] of Object.entries(each)) {
    const ledger = ledgerOf({
      ...settings,
      model: "gpt3-175b",
      rank: 4,
      target: "qv",
      method: method as "lora",
    });
    assert.is(ledger.trained, 96 * 2 * numbers, method);
  }
});

ledgerTests("QLoRA's 65B on a card of 48 GB: about 45.0 GB, as in its figure 6", () => {
  const { total } = ledgerOf({ ...settings, model: "llama-65b", rank: 64, bits: "4dq" });
  assert.ok(Math.abs(total - 45.0e9) < 0.1e9, `${total}`);
});

ledgerTests("LoRA-FA keeps less than LoRA, DoRA more; checkpointing and FlashAttention keep less", () => {
  const lora = bytesOf({ checkpointing: false }, "activations");
  assert.ok(bytesOf({ checkpointing: false, method: "lora-fa" }, "activations") < 0.8 * lora);
  assert.ok(bytesOf({ checkpointing: false, method: "dora" }, "activations") > lora);
  assert.ok(bytesOf({}, "activations") < lora / 5);
  assert.ok(bytesOf({ checkpointing: false, fused: true }, "activations") < lora);
});

ledgerTests("a base that trains is not quantized", () => {
  assert.is(ledgerOf({ ...settings, method: "full", bits: "4dq" }).bits, "16");
  assert.is(ledgerOf({ ...settings, method: "full", bits: "32" }).bits, "32");
  assert.is(bytesOf({ method: "full" }, "adapters"), 0);
});

ledgerTests("large numbers in words", () => {
  assert.equal([32000, 6.738e9, 4.19e6, 1.75e11].map(big), ["32,000", "6.74·10⁹", "4.19·10⁶", "175·10⁹"]);
});

ledgerTests.run();
