/** @file Errata of QLoRA's paper (Dettmers et al., 2023, arXiv:2305.14314), each computed from its own definitions. */
import { normalQuantile } from "lowrank/core";
import { countParameters } from "lowrank/lora";
import { configurations } from "lowrank/nn";
import { dynamic8, nf4, nf4Equation4 } from "lowrank/quant";
import type { Erratum } from "./erratum.ts";

const MIB = 2 ** 20;
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

const first = normalQuantile(0);
const farthest = Math.max(...nf4.values.map((value, i) => Math.abs(value - nf4Equation4.values[i])));

/** Table 4's row NF4 + DQ: MMLU of Alpaca and FLAN v2 at 7B, 13B, 33B, 65B. */
const row = [39.0, 44.5, 47.5, 50.7, 57.3, 59.2, 61.8, 63.9];

/** Figure 6, in MiB. */
const figure6 = [
  { base: 5046, adapters: 288, optimizer: 1152, label: 6.9 },
  { base: 8476, adapters: 450, optimizer: 1800, label: 11.3 },
  { base: 19302, adapters: 877.5, optimizer: 3510, label: 24.7 },
  { base: 37074, adapters: 1440, optimizer: 5760, label: 45.0 },
];
const sums = figure6.map(({ base, adapters, optimizer }) => (base + 2 * adapters + optimizer) / 1000);

const MODELS = ["llama-7b", "llama-13b", "llama-33b", "llama-65b"] as const;
const rule = MODELS.map((name) => {
  const { hidden_size: d, num_hidden_layers: L } = configurations[name];
  return (18 * d * 64 * 2 * L) / MIB;
});
const real = MODELS.map(
  (name) => (2 * countParameters("lora", { config: name, target: "all-linear", rank: 64 }).trainable) / MIB,
);

/** Table 6's memory column in GB, and all weights at 4.127 bits. */
const table6 = [5, 10, 21, 41];
const weights = MODELS.map(
  (name) => (countParameters("full", { config: name }).total * (4 + 8 / 64 + 32 / (64 * 256))) / 8 / 1e9,
);
const list = (values: readonly number[], digits: number): string =>
  values.map((value) => value.toFixed(digits)).join(", ");
const smallest = Math.min(...dynamic8.values.filter((value) => value > 0));

export const errata: readonly Erratum[] = [
  {
    place: "equation 4, the values of NF4",
    printed: "means of quantiles Q(i/(2ᵏ + 1)) and Q((i + 1)/(2ᵏ + 1)), from i = 0",
    found: `Q(0) = ${first < 0 ? "−" : ""}∞ at i = 0`,
    kind: "formula",
    why: "As printed the first value is infinite. Read for the inner quantiles, it gives a set of values, but not those of the next row.",
    differs: first === Number.NEGATIVE_INFINITY,
  },
  {
    place: "equation 4 against appendix E and the released code",
    printed: "equation 4",
    found: `quantiles at equal steps up to the offset 0.9677083; equation 4 is up to ${farthest.toFixed(3)} away`,
    kind: "text and code",
    why: "The published sixteen values come of the code's construction and of no reading of equation 4. Use the published ones.",
    differs: farthest > 0.01,
  },
  {
    place: "§3, “8-bit floats” for the constants of double quantization",
    printed: "FP8",
    found: `a dynamic 8-bit map: 256 values from ${smallest.toExponential(1)} to 1, in both signs`,
    kind: "text and code",
    why: "It is bitsandbytes' map of seven decimal exponents, neither E4M3 nor E5M2.",
    differs: dynamic8.values.length === 256 && smallest < 2 ** -17,
  },
  {
    place: "table 4, mean of NF4 + DQ",
    printed: "53.1",
    found: mean(row).toFixed(2),
    kind: "number",
    why: "The eight cells of the row have the mean 52.99; BF16's is 53.04. So the printed order of the two means is not that of the cells.",
    differs: mean(row).toFixed(1) !== "53.1",
  },
  {
    place: "figure 6, adapters of rank 64",
    printed: `${list(
      figure6.map(({ adapters }) => adapters),
      1,
    )} MiB`,
    found: `${list(real, 0)} MiB`,
    kind: "number",
    why: `The printed bytes are 18 d r for each block (${list(rule, 1)}): a feed-forward layer of two matrices 4d wide. LLaMA's has three narrower ones.`,
    differs:
      rule.every((value, i) => value === figure6[i].adapters) && real.every((value, i) => value !== rule[i]),
  },
  {
    place: "figure 6, totals",
    printed: `${list(
      figure6.map(({ label }) => label),
      1,
    )} GB`,
    found: `${list(sums, 2)} thousand MiB`,
    kind: "number",
    why: "The sums of the printed parts with the adapters' gradients come near to the labels, three below and one above them.",
    differs: sums.every((sum, i) => sum.toFixed(1) !== figure6[i].label.toFixed(1)),
  },
  {
    place: "table 6, memory of the 4-bit models",
    printed: `${table6.join(", ")} GB`,
    found: `${list(weights, 1)} GB`,
    kind: "label",
    why: "The weights alone at 4.127 bits need less. What else the column holds is not said, and table 1 gives 6 GB for the model that has 5 here.",
    differs: weights.every((value, i) => Math.round(value) < table6[i]),
  },
];
