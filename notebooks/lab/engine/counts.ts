/**
 * @file Counting parameters: a method's formula with the numbers filled in, on the lab's base, on published models and on
 * the configuration that a visitor pastes. The formulas are the library's, of `methods` and of VeRA.
 *
 * GPT-2's fused c_attn is counted as its three slices W_q, W_k and W_v, as in LoRA's paper.
 */
import { ArgumentError, parseJsonObject } from "lowrank/core";
import { type CountFormula, methods } from "lowrank/lora";
import {
  configurations,
  layout,
  type ModelConfig,
  type ModuleLayout,
  modelConfig,
  parameterCount,
} from "lowrank/nn";
import { vera } from "../../../test/lora/methods/vera.ts";
import { Refusal, withCommas } from "./refusal.ts";
import type { Controls, MethodName, PlaceName } from "./types.ts";

/** How many parameters a method trains, and how that comes about. */
export interface Counted {
  readonly trainable: number;
  /** The model's own parameters. */
  readonly total: number;
  /** Of the model's own, in percent. */
  readonly percent: number;
  /** "r (d_in + d_out)" of each matrix. */
  readonly symbols: string;
  /** "5 · 4 (128 + 128) + 5 · 4 (128 + 64) = 8,960" */
  readonly filled: string;
  /** The matrices: so many of each size. */
  readonly groups: readonly Group[];
}

export interface Group {
  /** "W_q" */
  readonly matrices: readonly string[];
  readonly count: number;
  readonly in: number;
  readonly out: number;
  /** What the method trains on each. */
  readonly each: number;
}

/** The numbers of a formula as text. */
type Filled = (r: number, d_in: number, d_out: number) => string;

interface Formula {
  readonly symbols: string;
  readonly fill: Filled;
  readonly count: CountFormula["trained"];
}

const product: Filled = (r, d_in, d_out) => `${r} (${withCommas(d_in)} + ${withCommas(d_out)})`;
const formula = (symbols: string, fill: Filled, count: CountFormula | undefined): Formula => ({
  symbols,
  fill,
  count: (count as CountFormula).trained,
});

const lora = formula("r (d_in + d_out)", product, methods.lora.count);

/** What each method trains on a matrix W [d_out, d_in]. */
const formulas: Readonly<Record<Exclude<MethodName, "full">, Formula>> = {
  lora,
  rslora: lora,
  "lora+": lora,
  pissa: lora,
  olora: lora,
  loftq: lora,
  dora: formula(
    "r (d_in + d_out) + d_out",
    (r, d_in, d_out) => `(${product(r, d_in, d_out)} + ${withCommas(d_out)})`,
    methods.dora.count,
  ),
  adalora: formula(
    "r₀ (d_in + d_out) + r₀, r₀ = ⌈1.5 r⌉",
    (r, d_in, d_out) => `(${product(r, d_in, d_out)} + ${r})`,
    methods.adalora.count,
  ),
  "lora-fa": formula("r d_out", (r, _, d_out) => `${r} · ${withCommas(d_out)}`, methods["lora-fa"].count),
  vera: formula("r + d_out", (r, _, d_out) => `(${r} + ${withCommas(d_out)})`, vera.count),
  bitfit: { symbols: "d_out", fill: (_r, _in, d_out) => withCommas(d_out), count: (_r, _in, d_out) => d_out },
};

/** The rank that a method trains with: AdaLoRA starts with half as much again. */
export const trainedRank = ({ method, rank }: Pick<Controls, "method" | "rank">): number =>
  method === "adalora" ? Math.ceil(1.5 * rank) : rank;

/**
 * How many singular values of ΔW can leave zero; null where nothing holds them there. PiSSA and OLoRA start with factors
 * that are not zero, and ΔW = B A − B₀ A₀; on a quantized base what they leave of W₀ is rounded, as with LoftQ. DoRA
 * scales the rows of W₀.
 */
export function rankOfUpdate(controls: Controls): number | null {
  const { method, format } = controls;
  if (method === "bitfit") return 0;
  if (method === "full" || method === "dora" || method === "loftq") return null;
  if (method === "pissa" || method === "olora") return format === "float32" ? 2 * controls.rank : null;
  return trainedRank(controls);
}

/** Published models to count on, by their names in the library. */
export const published = { "gpt3-175b": "GPT-3 175B", "llama-7b": "Llama 7B" } as const;

/** Counts on a published model. */
export const countPublished = (name: keyof typeof published, controls: Controls): Counted =>
  countOn(configurations[name], controls);

/** Counts on a pasted config.json. @throws Refusal that says what is wrong with it */
export function countPasted(text: string, controls: Controls): Counted {
  if (text.trim() === "") throw new Refusal("config.json: expected the text of one; got nothing.");
  try {
    return countOn(modelConfig(parseJsonObject("config.json", text)), controls);
  } catch (error) {
    if (error instanceof ArgumentError) throw new Refusal(`config.json: ${error.message}.`);
    throw error;
  }
}

/** Counts what the method of the controls trains on a model of that configuration. */
export function countOn(config: ModelConfig, controls: Controls): Counted {
  const modules = layout(config);
  const total = parameterCount(modules);
  const { method, place } = controls;
  if (method === "full") {
    const filled = `all ${withCommas(total)}`;
    return { trainable: total, total, percent: 100, symbols: "every parameter", filled, groups: [] };
  }
  const r = trainedRank(controls);
  const { symbols, fill, count } = formulas[method];
  const groups = groupsOf(modules, place, (d_in, d_out) => count(r, d_in, d_out));
  if (groups.length === 0)
    throw new Refusal(`Matrices: expected a model with some of "${place}"; this one has none.`);
  const trainable = groups.reduce((sum, group) => sum + group.count * group.each, 0);
  const terms = groups.map((group) => `${group.count} · ${fill(r, group.in, group.out)}`);
  return {
    trainable,
    total,
    percent: (100 * trainable) / total,
    symbols,
    filled: `${terms.join(" + ")} = ${withCommas(trainable)}`,
    groups,
  };
}

/** The matrices of a place, in groups of one size. */
function groupsOf(
  modules: readonly ModuleLayout[],
  place: PlaceName,
  each: (d_in: number, d_out: number) => number,
): Group[] {
  const groups = new Map<string, Group>();
  for (const { title, in: d_in, out } of modules.flatMap(matricesIn)) {
    if (!titles[place].includes(title)) continue;
    const key = `${d_in}×${out}`;
    const { matrices = [], count = 0 } = groups.get(key) ?? {};
    groups.set(key, {
      matrices: matrices.includes(title) ? matrices : [...matrices, title],
      count: count + 1,
      in: d_in,
      out,
      each: each(d_in, out),
    });
  }
  return [...groups.values()];
}

const attention = ["W_q", "W_k", "W_v", "W_o"];
const mlp = ["W_gate", "W_up", "W_down"];
const titles: Readonly<Record<PlaceName, readonly string[]>> = {
  qv: ["W_q", "W_v"],
  attention,
  mlp,
  all: [...attention, ...mlp],
};

/** What the matrices of other families are called, by the end of their module's name. */
const endings: readonly (readonly [RegExp, string])[] = [
  [/\b(q_proj|query|query_proj)$/, "W_q"],
  [/\b(k_proj|key|key_proj)$/, "W_k"],
  [/\b(v_proj|value|value_proj)$/, "W_v"],
  [/(attn\.c_proj|attention\.output\.dense|\bo_proj|\bout_proj)$/, "W_o"],
  [/\bgate_proj$/, "W_gate"],
  [/(\bup_proj|mlp\.c_fc|\bfc1|intermediate\.dense)$/, "W_up"],
  [/(\bdown_proj|mlp\.c_proj|\bfc2|output\.dense)$/, "W_down"],
];

function matricesIn({
  name,
  kind,
  inFeatures,
  outFeatures,
}: ModuleLayout): { title: string; in: number; out: number }[] {
  if (kind !== "linear" && kind !== "conv1d") return [];
  if (/attn\.c_attn$/.test(name))
    return ["W_q", "W_k", "W_v"].map((title) => ({ title, in: inFeatures, out: outFeatures / 3 }));
  const title = endings.find(([ending]) => ending.test(name))?.[1];
  return title ? [{ title, in: inFeatures, out: outFeatures }] : [];
}
