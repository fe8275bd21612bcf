/** @file Errata of DoRA's paper (Liu et al., 2024, arXiv:2402.09353), each computed from its own definitions. */
import { random } from "lowrank/core";
import { type CountMethod, countParameters, DoRA, siteOf } from "lowrank/lora";
import { type ConfigurationName, configurations, Linear } from "lowrank/nn";
import { type Erratum, percent, printedFrom } from "./erratum.ts";

const FIVE = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"];
const SEVEN = [...FIVE, "o_proj", "gate_proj"];
const count = (
  method: CountMethod & ("lora" | "dora"),
  config: ConfigurationName,
  rank: number,
  more: Partial<Parameters<typeof countParameters<"dora">>[1]> = {},
): number => countParameters(method, { config, rank, target: FIVE, ...more }).trainable;
const base = (config: ConfigurationName): number => countParameters("full", { config }).total;
/** Trained, of base and trained together. */
const share = (trained: number, config: ConfigurationName): number =>
  (100 * trained) / (base(config) + trained);

const half = count("dora", "llama-3-8b", 16);
const [perOutput, perInput] = (["output", "input"] as const).map((magnitude) =>
  count("dora", "llama-3-8b", 32, { magnitude }),
);
const cutOff = [
  { place: "table 15, DoRA r = 4", value: share(count("dora", "llama-7b", 4), "llama-7b"), printed: "0.11" },
  {
    place: "table 6, LLaMA-13B",
    value: share(
      count("dora", "llama-13b", 32, { target: FIVE.slice(0, 3), magnitudeOnly: SEVEN }),
      "llama-13b",
    ),
    printed: "0.31",
  },
  {
    place: "table 5, LoRA",
    value: share(count("lora", "llama-7b", 64, { target: SEVEN }), "llama-7b"),
    printed: "2.31",
  },
  {
    place: "table 5, DoRA",
    value: share(count("dora", "llama-7b", 64, { target: SEVEN }), "llama-7b"),
    printed: "2.33",
  },
];
/** Table 1, DoRA of rank 32 on LLaMA-7B. */
const cells = [69.7, 83.4, 78.6, 87.2, 81.0, 81.9, 66.2, 79.2];
const average = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;

/** How far W′ with α = 2r is from equation 5 as printed, relative to ‖W₀‖, for a random B. */
const scaled = (() => {
  const site = siteOf(new Linear(16, 16, { bias: false, rng: random(1) }));
  const [withTwo, withOne] = [8, 4].map((alpha) => {
    const adapter = new DoRA(site, { rank: 4, alpha, rng: random(2) });
    adapter.B.assign(random(3).normal(adapter.B.size, 0, 0.3));
    return adapter.deltaWeight(site);
  });
  return withTwo.sub(withOne).norm().item() / site.weight().norm().item();
})();
const rank16 = count("lora", "llama-7b", 16);
const { num_key_value_heads: kv, num_attention_heads: heads } = configurations["llama-3-8b"];

export const errata: readonly Erratum[] = [
  {
    place: "§3.2 and equation 5, the norm ‖·‖_c",
    printed: "of each column of W (d × k), m ∈ ℝ^{1 × k}",
    found: `of each row (one magnitude for each output): Llama-3-8B has ${perOutput.toLocaleString("en")} parameters so, ${perInput.toLocaleString("en")} by columns`,
    kind: "text and code",
    why: `The authors' code and PEFT take the norm over the inputs. For square matrices the counts are equal; with ${kv} key and value heads for ${heads} query heads they are not.`,
    differs: perOutput !== perInput,
  },
  {
    place: "equation 5, the scaling",
    printed: "W′ = m (W₀ + B A)/‖W₀ + B A‖_c",
    found: "W′ = m (W₀ + (α/r) B A)/‖W₀ + (α/r) B A‖",
    kind: "text and code",
    why: "The equation leaves out α/r, which the code has. Table 8 gives α = 2r, a factor of 2.",
    differs: scaled > 0.05,
  },
  {
    place: "table 1, DoRA† (half the rank) on LLaMA3-8B",
    printed: "0.35 %",
    found: percent(half, base("llama-3-8b") + half),
    kind: "number",
    why: `0.35 % is LoRA of rank 16 (${share(count("lora", "llama-3-8b", 16), "llama-3-8b").toFixed(3)} %): the magnitudes are missing from the count.`,
    differs: printedFrom(share(half, "llama-3-8b"), "0.35") === "neither",
  },
  {
    place: cutOff.map(({ place }) => place).join("; "),
    printed: cutOff.map(({ printed }) => `${printed} %`).join(", "),
    found: cutOff.map(({ value }) => `${value.toFixed(3)} %`).join(", "),
    kind: "rounding",
    why: "Cut off after the second decimal. The other percentages of these tables are rounded.",
    differs: cutOff.every(({ value, printed }) => printedFrom(value, printed) === "cut off"),
  },
  {
    place: "table 15, LoRA r = 16 on LLaMA-7B",
    printed: "0.42 %",
    found: `${percent(rank16, base("llama-7b") + rank16)}; of the base alone ${percent(rank16, base("llama-7b"))}`,
    kind: "rounding",
    why: "Here the percentage is of the base alone; elsewhere it is of base and trained parameters together.",
    differs: printedFrom(share(rank16, "llama-7b"), "0.42") === "neither",
  },
  {
    place: "table 1 against tables 6 and 7, DoRA on LLaMA-7B",
    printed: "78.4 and 78.1",
    found: `the eight cells of table 1 have the mean ${average.toFixed(1)}`,
    kind: "label",
    why: "Tables 6 and 7 kept the result of an earlier version of the paper. The authors' repository gives 76.3 for the baseline LoRA, which the paper prints as 74.7: take its comparisons with that much caution.",
    differs: average.toFixed(1) !== "78.1",
  },
];
