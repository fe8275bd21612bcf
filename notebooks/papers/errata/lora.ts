/** @file Errata of LoRA's paper (Hu et al., 2021, arXiv:2106.09685), each computed from the paper's own definitions. */

import { random } from "lowrank/core";
import { type CountMethod, type CountSpecs, countParameters, LoRA, siteOf } from "lowrank/lora";
import { type ConfigurationName, Linear } from "lowrank/nn";
import { type Erratum, millions, printedFrom } from "./erratum.ts";

function trains<M extends CountMethod>(
  config: ConfigurationName,
  method: M,
  spec: Omit<CountSpecs[M], "config">,
): number {
  return countParameters(method, { config, ...spec } as unknown as CountSpecs[M]).trainable;
}

const GPT3 = { d: 12288, L: 96 };
/** LoRA of rank r on n square matrices of every block of GPT-3: 2 n d r L. */
const gpt3 = (n: number, r: number): number => 2 * n * GPT3.d * r * GPT3.L;
/** PreLayer: L d (l_p + l_i). */
const preLayer = ([lp, li]: readonly [number, number]): number => GPT3.L * GPT3.d * (lp + li);
const preLayers = [
  { tokens: [2, 2], printed: 5.1 },
  { tokens: [8, 0], printed: 10.1 },
  { tokens: [8, 8], printed: 20.2 },
  { tokens: [32, 4], printed: 44.1 },
  { tokens: [64, 0], printed: 76.1 },
] as const;

const cutOff = [
  { value: gpt3(2, 4), printed: "18.8" },
  { value: gpt3(2, 64), printed: "301.9" },
];
const queryAndValue = { target: ["attn.c_attn"], slices: { c_attn: [true, false, true] } };
const gpt2 = (config: "gpt2-medium" | "gpt2-large"): number =>
  trains(config, "lora", { rank: 4, ...queryAndValue });
const deberta = (rank: number): number =>
  trains("deberta-v2-xxlarge", "lora", { target: ["query_proj", "value_proj"], rank });
const tied = trains("gpt3-175b", "full", {});
const untied = tied + 50257 * GPT3.d;
const start = new LoRA(siteOf(new Linear(1024, 8, { rng: random(1) })), { rank: 64, rng: random(2) }).A;
const largest = Math.max(...start.toArray().map(Math.abs));

/** For d² = p − Σσ² and φ = Σσ²/p, of a pair of subspaces with these singular values. */
export function similarity(sigma: readonly number[]): { phi: number; meant: number; printed: number } {
  const p = sigma.length;
  const squares = sigma.reduce((sum, s) => sum + s * s, 0);
  const distance2 = p - squares;
  return { phi: squares / p, meant: 1 - distance2 / p, printed: (1 - distance2) / p };
}
const example = similarity([0.9, 0.6, 0.3, 0.1]);

export const errata: readonly Erratum[] = [
  {
    place: "appendix G, similarity and projection distance",
    printed: "φ = (1 − d²)/p",
    found: "φ = 1 − d²/p",
    kind: "formula",
    why: `The brackets are misplaced: for cosines 0.9, 0.6, 0.3, 0.1 equation 4 gives φ = ${example.phi.toFixed(3)}, the printed relation ${example.printed.toFixed(3)}, this one ${example.meant.toFixed(3)}.`,
    differs: Math.abs(example.meant - example.phi) < 1e-12 && Math.abs(example.printed - example.phi) > 0.1,
  },
  {
    place: "table 15, PreLayer (five rows)",
    printed: preLayers
      .map(({ printed }) => printed.toFixed(1))
      .join(", ")
      .concat(" M"),
    found: preLayers
      .map(({ tokens }) => (preLayer(tokens) / 1e6).toFixed(1))
      .join(", ")
      .concat(" M"),
    kind: "number",
    why: `The formula of §5.1 is L d (lₚ + lᵢ). The printed counts exceed it by ${preLayers.map(({ tokens, printed }) => (printed - preLayer(tokens) / 1e6).toFixed(1)).join(", ")} million, at no fixed ratio.`,
    differs: preLayers.every(({ tokens, printed }) => Math.abs(preLayer(tokens) / 1e6 - printed) > 0.3),
  },
  {
    place: "table 3, LoRA on GPT-2 M and GPT-2 L, r = 4 on q and v",
    printed: "0.35 M, 0.77 M",
    found: `${millions(gpt2("gpt2-medium"), 2)}, ${millions(gpt2("gpt2-large"), 2)}`,
    kind: "label",
    why: `The printed numbers are those of PreLayer's rows. The released checkpoint of GPT-2 M has 1.5 MiB, which is ${gpt2("gpt2-medium").toLocaleString("en")} numbers of 4 bytes.`,
    differs:
      printedFrom(gpt2("gpt2-medium") / 1e6, "0.35") === "neither" &&
      printedFrom(gpt2("gpt2-large") / 1e6, "0.77") === "neither",
  },
  {
    place: "tables 2 and 10, LoRA on DeBERTa-XXL",
    printed: "4.7 M with r = 8",
    found: `r = 8: ${millions(deberta(8), 1)}; r = 16: ${millions(deberta(16), 1)}`,
    kind: "text and code",
    why: "The released script trains r = 16 with α = 32, and its checkpoint of 27.1 MiB agrees with that.",
    differs:
      printedFrom(deberta(8) / 1e6, "4.7") === "neither" &&
      printedFrom(deberta(16) / 1e6, "4.7") === "rounded",
  },
  {
    place: "table 4, BitFit on GPT-3",
    printed: "14.2 M",
    found: millions(11 * GPT3.d * GPT3.L, 1),
    kind: "number",
    why: `A block has biases for 11 d outputs; 14.2 M is 12 d L (${millions(12 * GPT3.d * GPT3.L, 1)}).`,
    differs: printedFrom((11 * GPT3.d * GPT3.L) / 1e6, "14.2") === "neither",
  },
  {
    place: "table 15, LoRA on q, k, v, o, r = 64",
    printed: "603.8 M",
    found: millions(gpt3(4, 64), 1),
    kind: "number",
    why: "Neither rounded nor cut off; twice the row above it, which is cut off to 301.9 M.",
    differs: printedFrom(gpt3(4, 64) / 1e6, "603.8") === "neither",
  },
  {
    place: "tables 4, 5, 15, LoRA on GPT-3",
    printed: cutOff
      .map(({ printed }) => printed)
      .join(", ")
      .concat(" M"),
    found: cutOff
      .map(({ value }) => (value / 1e6).toFixed(2))
      .join(", ")
      .concat(" M"),
    kind: "rounding",
    why: "These counts are cut off after the first decimal; the counts of the adapters beside them are rounded.",
    differs: cutOff.every(({ value, printed }) => printedFrom(value / 1e6, printed) === "cut off"),
  },
  {
    place: "table 4, full fine-tuning of GPT-3",
    printed: "175,255.8 M",
    found: millions(tied, 1),
    kind: "number",
    why: `With the output layer tied to the embedding. Untied it is ${millions(untied, 1)}; ${(175_255.8 - untied / 1e6).toFixed(1)} M stay unexplained.`,
    differs: Math.abs(tied / 1e6 - 175_255.8) > 1 && Math.abs(untied / 1e6 - 175_255.8) > 1,
  },
  {
    place: "abstract and §4.2, “10,000 times” fewer parameters",
    printed: "10,000 ×",
    found: `${Math.round(175_255.8e6 / gpt3(2, 4)).toLocaleString("en")} ×`,
    kind: "rounding",
    why: "For r = 4 on q and v of GPT-3 175B, rounded up to a power of ten. The factor belongs to this model and this rank.",
    differs: Math.abs(175_255.8e6 / gpt3(2, 4) - 10_000) > 100,
  },
  {
    place: "§4.2, “25 % speed-up” of training",
    printed: "43.1 against 32.5 tokens/s",
    found: `${((43.1 / 32.5 - 1) * 100).toFixed(0)} % more tokens a second; ${((1 - 32.5 / 43.1) * 100).toFixed(0)} % less time a token`,
    kind: "label",
    why: "The 25 % are time saved for each token. As a speed it is a third.",
    differs: Math.abs(43.1 / 32.5 - 1.25) > 0.05,
  },
  {
    place: "§4.1, how A is initialised",
    printed: "Gaussian",
    found: `uniform on ±1/√k: largest of 65,536 entries ${largest.toFixed(4)}, 1/√1024 = ${(1 / 32).toFixed(4)}`,
    kind: "text and code",
    why: "The authors' code, PEFT and this library call kaiming_uniform with a = √5. The variance is a third of that of N(0, 1/k).",
    differs: largest <= 1 / 32,
  },
];
