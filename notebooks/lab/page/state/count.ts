/** @file Counting the parameters of a method on a model that is known by its configuration only. */
import { type CountMethod, countParameters } from "lowrank/lora";
import type { Controls, MethodName, PlaceName, Refused } from "../../engine/types.ts";

/** The models of the papers, and what the page calls them. */
export const published = {
  "llama-7b": "Llama 7B",
  "llama-65b": "Llama 65B",
  "gpt3-175b": "GPT-3 175B",
} as const;
export type PublishedName = keyof typeof published;

export type Counted = { readonly trainable: number; readonly total: number } | Refused;

/** What the library calls the methods when it counts. PiSSA, OLoRA and LoftQ are LoRA with another start. */
const countNames: Readonly<Record<MethodName, string>> = {
  full: "full",
  bitfit: "bitfit",
  lora: "lora",
  rslora: "rslora",
  "lora+": "lora-plus",
  dora: "dora",
  adalora: "adalora",
  "lora-fa": "lora-fa",
  pissa: "lora",
  olora: "lora",
  loftq: "lora",
  vera: "vera",
};

/** The same matrices by the names that several families give them: Llama's and its relatives', GPT-2's and GPT-3's. */
const targets: Readonly<Record<PlaceName, readonly string[]>> = {
  qv: ["q_proj", "v_proj", "c_attn"],
  attention: ["q_proj", "k_proj", "v_proj", "o_proj", "c_attn", "attn.c_proj"],
  mlp: ["gate_proj", "up_proj", "down_proj", "mlp.c_fc", "mlp.c_proj"],
  all: [],
};

/** @param model a published model's name, or the text of a config.json */
export function countOn(model: PublishedName | string, controls: Controls): Counted {
  try {
    const config = model in published ? model : JSON.parse(model);
    const { method, rank, place } = controls;
    const target = place === "all" ? "all-linear" : targets[place];
    const name = countNames[method] as CountMethod;
    const spec = name === "full" || name === "bitfit" ? { config } : { config, rank, target };
    const { trainable, total } = countParameters(name, spec as never);
    return { trainable, total };
  } catch (error) {
    if (error instanceof SyntaxError) return { refused: `config.json: expected JSON; ${error.message}.` };
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}
