/** @file Counts of trained parameters: the formulas, the tensors, and those that were published for a large model. */
import { countParameters } from "lowrank/lora";
import { type Table, table } from "../../support/show/table.ts";

const llama = { config: "llama-3.2-3b", target: ["q_proj", "v_proj"] } as const;

/** PEFT's MetaMathQA benchmark: Llama-3.2-3B, queries and values, r = 32, AdaLoRA from 64. */
export const publishedCounts = [
  {
    method: "LoRA",
    formula: countParameters("lora", { ...llama, rank: 32 }).trainable,
    published: 9_175_040,
  },
  {
    method: "DoRA",
    formula: countParameters("dora", { ...llama, rank: 32 }).trainable,
    published: 9_289_728,
  },
  {
    method: "AdaLoRA",
    formula: countParameters("adalora", { ...llama, rank: 64 }).trainable,
    published: 18_353_664,
  },
  {
    method: "LoRA-FA",
    formula: countParameters("lora-fa", { ...llama, rank: 32 }).trainable,
    published: 3_670_016,
  },
] as const;

export function countsTable(): Table {
  return table(publishedCounts, {
    title: "Trained numbers of Llama-3.2-3B, by formula and as published",
    note: "PEFT's MetaMathQA benchmark: r = 32 on queries and values, AdaLoRA from r = 64.",
  });
}
