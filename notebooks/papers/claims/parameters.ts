/** @file Statements about the number of trainable parameters, decided by `countParameters` on published configurations. */
import { countParameters, laws, type Target, trial } from "lowrank/lora";
import { grouped, near, type Statement } from "./statement.ts";

const QUERY_VALUE = ["q_proj", "v_proj"];
const all7B = countParameters("full", { config: "llama-7b" }).total;
export const onLlama = (rank: number, target: Target = QUERY_VALUE): number =>
  countParameters("lora", { config: "llama-7b", rank, target }).trainable;
const all175B = countParameters("full", { config: "gpt3-175b" }).total;
const onGpt3 = (rank: number): number =>
  countParameters("lora", {
    config: "gpt3-175b",
    rank,
    target: "c_attn",
    slices: { c_attn: [true, false, true] },
  }).trainable;
const fa = (target: Target): number =>
  onLlama(8, target) / countParameters("lora-fa", { config: "llama-7b", rank: 8, target }).trainable;

/** The law of the counts, on twenty random layers: the tensors that train have as many numbers as the formula says. */
const counted = Array.from({ length: 20 }, (_, seed) => laws.countIsFormula.check({ ...trial, seed }));

export const parameters: readonly Statement[] = [
  {
    said: "LoRA trains 10,000 times fewer parameters.",
    number: `${grouped(all7B / onLlama(8))} ×`,
    of: "LLaMA-7B, r = 8 on queries and values",
    depends: `It grows with the width of the model and falls with r and the number of adapted matrices: ${grouped(all175B / onGpt3(4))} × for GPT-3 175B at r = 4 on queries and values, where the number comes from, and ${grouped(all7B / onLlama(8, "all-linear"))} × for LLaMA-7B with all linear layers.`,
    verdict: near(all7B / onLlama(8), 10_000, 0.1),
    more: "lora",
  },
  {
    said: "A 7B model at r = 8 trains about 4.7 million parameters.",
    number: grouped(onLlama(8)),
    of: "LLaMA-7B, r = 8 on queries and values",
    depends: `On all linear layers they are ${grouped(onLlama(8, "all-linear"))}. 4.7 million are GPT-3's at r = 1 (${grouped(onGpt3(1))}), or LLaMA-7B's at r = 9 (${grouped(onLlama(9))}).`,
    verdict: near(onLlama(8), 4.7e6, 0.05),
  },
  {
    said: "LoRA trains 0.01 % of GPT-3.",
    number: `${((100 * onGpt3(4)) / all175B).toFixed(4)} %`,
    of: "GPT-3 175B, r = 4 on queries and values",
    depends: `On the rank: ${((100 * onGpt3(1)) / all175B).toFixed(4)} % at r = 1, ${((100 * onGpt3(64)) / all175B).toFixed(2)} % at r = 64.`,
    verdict: ((100 * onGpt3(4)) / all175B).toFixed(2) === "0.01",
  },
  {
    said: "A layer of d × k numbers needs only r(d + k).",
    number: `${counted.filter(({ holds }) => holds).length} of ${counted.length}`,
    of: "random layers whose trained tensors have exactly so many numbers",
    depends: "It pays as long as r is below dk/(d + k), which is d/2 for a square matrix.",
    verdict: counted.every(({ holds }) => holds),
    more: "lora",
  },
  {
    said: "An adapter is a few megabytes, a model several gigabytes.",
    number: `${((2 * onLlama(8)) / 1e6).toFixed(1)} MB and ${((2 * all7B) / 1e9).toFixed(1)} GB`,
    of: "LLaMA-7B in 16 bits, r = 8 on queries and values",
    depends: `On the rank and the layers: ${((2 * onLlama(64, "all-linear")) / 1e6).toFixed(0)} MB at r = 64 on all linear layers, QLoRA's setting.`,
    verdict: 2 * onLlama(8) < 100e6 && 2 * all7B > 2e9,
  },
  {
    said: "LoRA-FA trains half as many parameters.",
    number: `${fa(QUERY_VALUE).toFixed(2)} ×`,
    of: "LLaMA-7B's queries and values",
    depends: `On the shape, (d + k)/d: exactly 2 for square matrices, ${fa("all-linear").toFixed(2)} over all linear layers.`,
    verdict: near(fa(QUERY_VALUE), 2, 0.01) && near(fa("all-linear"), 2, 0.1),
    more: "lora-fa",
  },
];
