/**
 * @file What LoRA's paper prints (Hu et al., 2021, arXiv:2106.09685): its parameter counts beside `countParameters`,
 * its arithmetic beside the sums, and results to stand beside ours.
 */
import { type CountMethod, type CountSpecs, countParameters } from "lowrank/lora";
import { type ConfigurationName, configurations } from "lowrank/nn";

/** One printed number and the exact one. */
export interface Printed {
  readonly model: string;
  readonly method: string;
  readonly exact: number;
  /** In millions, with the paper's decimals. */
  readonly paper: string;
  readonly why?: string;
}

/** How a count in millions was printed: rounded, cut off after its last decimal, or otherwise. */
export function printedAs({ exact, paper }: Pick<Printed, "exact" | "paper">): "rounded" | "cut off" | "no" {
  const decimals = paper.split(".")[1]?.length ?? 0;
  const millions = exact / 1e6;
  if (millions.toFixed(decimals) === paper) return "rounded";
  return (Math.floor(millions * 10 ** decimals) / 10 ** decimals).toFixed(decimals) === paper
    ? "cut off"
    : "no";
}

type Row = readonly [method: string, exact: number, paper: string, why?: string];

function printed(model: string, rows: readonly Row[]): Printed[] {
  return rows.map(([method, exact, paper, why]) => ({ model, method, exact, paper, why }));
}

function trains<M extends CountMethod>(
  config: ConfigurationName,
  method: M,
  spec: Omit<CountSpecs[M], "config">,
): number {
  return countParameters(method, { config, ...spec } as unknown as CountSpecs[M]).trainable;
}

/** Letters of the matrices W_q, W_k, W_v, W_o that LoRA is on: "qv". GPT-2 and GPT-3 have the first three as one. */
function loraOn(matrices: string, rank: number, config: ConfigurationName): number {
  const fused = [..."qkv"].map((letter) => matrices.includes(letter));
  const target = [
    ...(fused.includes(true) ? ["attn.c_attn"] : []),
    ...(matrices.includes("o") ? ["attn.c_proj"] : []),
  ];
  const slices = fused.includes(true) ? { c_attn: fused } : undefined;
  return trains(config, "lora", { rank, target, slices });
}

// ---------------------------------------------------------------------------------------------------------------
// Tables 4, 5 and 15: GPT-3 175B

const gpt3 = "gpt3-175b";
const lora3 = (matrices: string, rank: number): number => loraOn(matrices, rank, gpt3);
const adapterH3 = (rank: number): number => trains(gpt3, "adapter", { variant: "houlsby", rank });
const preEmbed3 = (prefix: number, infix: number): number =>
  trains(gpt3, "prefix-embedding", { prefix, infix });
const preLayer3 = (prefix: number, infix: number): number => trains(gpt3, "prefix-layer", { prefix, infix });

const PRE_LAYER = "printed counts exceed the formula L d (l_p + l_i) by 0.4 to 1.6, at no fixed ratio";

export const gpt3Counts: readonly Printed[] = printed("GPT-3 175B", [
  [
    "full fine-tuning",
    trains(gpt3, "full", {}),
    "175255.8",
    "with an output layer of its own 175,221.8; 34.0 stay unexplained",
  ],
  ["BitFit", trains(gpt3, "bitfit", {}), "14.2", "14.2 is 12 d L; a block has biases for 11 d"],
  ["PreEmbed, l_p = 32, l_i = 8", preEmbed3(32, 8), "0.4", "without l_i it would be 0.39"],
  ["PreEmbed, l_p = 64, l_i = 8", preEmbed3(64, 8), "0.9"],
  ["PreEmbed, l_p = 128, l_i = 8", preEmbed3(128, 8), "1.7"],
  ["PreEmbed, l_p = 256, l_i = 8", preEmbed3(256, 8), "3.2"],
  ["PreEmbed, l_p = 512, l_i = 8", preEmbed3(512, 8), "6.4"],
  ["PreLayer, l_p = 2, l_i = 2", preLayer3(2, 2), "5.1", PRE_LAYER],
  ["PreLayer, l_p = 8, l_i = 0", preLayer3(8, 0), "10.1", "as above"],
  ["PreLayer, l_p = 8, l_i = 8", preLayer3(8, 8), "20.2", "as above"],
  ["PreLayer, l_p = 32, l_i = 4", preLayer3(32, 4), "44.1", "as above"],
  ["PreLayer, l_p = 64, l_i = 0", preLayer3(64, 0), "76.1", "as above"],
  ["AdapterH, r = 1", adapterH3(1), "7.1"],
  ["AdapterH, r = 4", adapterH3(4), "21.2"],
  ["AdapterH, r = 8", adapterH3(8), "40.1"],
  ["AdapterH, r = 16", adapterH3(16), "77.9"],
  ["AdapterH, r = 64", adapterH3(64), "304.4"],
  ["LoRA, r_v = 2", lora3("v", 2), "4.7"],
  ["LoRA, r_q = r_v = 1", lora3("qv", 1), "4.7"],
  ["LoRA, r_q = r_v = 2", lora3("qv", 2), "9.4"],
  ["LoRA, r_q = r_k = r_v = r_o = 1", lora3("qkvo", 1), "9.4"],
  ["LoRA, r_q = r_v = 4", lora3("qv", 4), "18.8", "table 5 says 18M"],
  ["LoRA, r_q = r_k = r_v = r_o = 2", lora3("qkvo", 2), "18.8"],
  ["LoRA, r_q = r_k = 4 (table 5)", lora3("qk", 4), "18"],
  ["LoRA, r = 8 on one of q, k, v (table 5)", lora3("q", 8), "18"],
  ["LoRA, r_o = 8 (table 5)", lora3("o", 8), "18"],
  ["LoRA, r_q = r_v = 8", lora3("qv", 8), "37.7"],
  ["LoRA, r_q = r_k = r_v = r_o = 4", lora3("qkvo", 4), "37.7"],
  ["LoRA, r_q = r_v = 64", lora3("qv", 64), "301.9"],
  ["LoRA, r_q = r_k = r_v = r_o = 64", lora3("qkvo", 64), "603.8", "neither rounded nor cut off"],
  ["LoRA + PreEmbed, r_q = r_v = 8, l_p = 8, l_i = 4", lora3("qv", 8) + preEmbed3(8, 4), "37.8"],
  ["LoRA + PreEmbed, r_q = r_v = 32, l_p = 8, l_i = 4", lora3("qv", 32) + preEmbed3(8, 4), "151.1"],
  ["LoRA + PreEmbed, r_q = r_v = 64, l_p = 8, l_i = 4", lora3("qv", 64) + preEmbed3(8, 4), "302.1"],
  [
    "LoRA + PreLayer, r_q = r_v = 8, l_p = 8, l_i = 4",
    lora3("qv", 8) + preLayer3(8, 4),
    "52.8",
    "as PreLayer",
  ],
]);

// ---------------------------------------------------------------------------------------------------------------
// Tables 3, 13 and 14: GPT-2

const adapterL = (config: ConfigurationName, rank: number): number =>
  trains(config, "adapter", { variant: "lin", rank });
const [M, L] = ["gpt2-medium", "gpt2-large"] as const;

export const gpt2Counts: readonly Printed[] = [
  ...printed("GPT-2 M", [
    ["full fine-tuning", trains(M, "full", {}), "354.92", "the difference is 96 d"],
    ["FT-Top2", trains(M, "last-layers", { blocks: 2 }), "25.19", "tables 13 and 14 print 24"],
    ["AdapterL, r = 6", adapterL(M, 6), "0.37", "the paper does not give r: the one that fits"],
    ["AdapterL, r = 224", adapterL(M, 224), "11.09", "likewise"],
    [
      "AdapterH, r = 112",
      trains(M, "adapter", { variant: "houlsby", rank: 112 }),
      "11.09",
      "the nearest; no r gives 11.09",
    ],
    [
      "PreLayer, 14 tokens",
      trains(M, "prefix-layer", { prefix: 14 }),
      "0.35",
      "the nearest by L d l; no l gives 0.35",
    ],
    [
      "LoRA, r_q = r_v = 4",
      loraOn("qv", 4, M),
      "0.35",
      "printed like PreLayer's; the released checkpoint has 1.5 MiB: 393,216 numbers",
    ],
  ]),
  ...printed("GPT-2 L", [
    ["full fine-tuning", trains(L, "full", {}), "774.03"],
    ["AdapterL, r = 8", adapterL(L, 8), "0.88", "the r that fits"],
    ["AdapterL, r = 248", adapterL(L, 248), "23.00", "the r that fits"],
    [
      "PreLayer, 17 tokens",
      trains(L, "prefix-layer", { prefix: 17 }),
      "0.77",
      "the nearest by L d l; no l gives 0.77",
    ],
    ["LoRA, r_q = r_v = 4", loraOn("qv", 4, L), "0.77", "printed like PreLayer's, as for GPT-2 M"],
  ]),
];

// ---------------------------------------------------------------------------------------------------------------
// Table 2: the models of GLUE

const roberta = { target: ["query", "value"], rank: 8 };
const deberta = (rank: number): number =>
  trains("deberta-v2-xxlarge", "lora", { target: ["query_proj", "value_proj"], rank });
const drop = { variant: "drop", rank: 48 } as const;
const large = (variant: "pfeiffer" | "houlsby", rank: number): number =>
  trains("roberta-large", "adapter", { variant, rank });
const WIDTH = "the paper does not give r";

export const glueCounts: readonly Printed[] = [
  ...printed("RoBERTa-base", [
    ["full fine-tuning", trains("roberta-base", "full", {}), "125.0", "124.6 rounded to whole millions"],
    ["BitFit", trains("roberta-base", "bitfit", {}), "0.1"],
    [
      "AdapterD, r = 48, in 4 blocks",
      trains("roberta-base", "adapter", { ...drop, layers: [8, 9, 10, 11] }),
      "0.3",
      WIDTH,
    ],
    ["AdapterD, r = 48, in 12 blocks", trains("roberta-base", "adapter", drop), "0.9", WIDTH],
    ["LoRA, r_q = r_v = 8", trains("roberta-base", "lora", roberta), "0.3"],
    [
      "the same, with MNLI's head",
      countParameters("lora", {
        config: { ...configurations["roberta-base"], num_labels: 3 },
        ...roberta,
        modulesToSave: "classifier",
      }).trainable,
      "0.8",
      "printed in the authors' repository, whose checkpoint of 3.4 MiB agrees",
    ],
  ]),
  ...printed("RoBERTa-large", [
    ["full fine-tuning", trains("roberta-large", "full", {}), "355.0", "355.4 rounded to whole millions"],
    ["LoRA, r_q = r_v = 8", trains("roberta-large", "lora", roberta), "0.8"],
    ["AdapterP, r = 64", large("pfeiffer", 64), "3.0", `${WIDTH}; 60 gives 2.98`],
    ["AdapterP, r = 16", large("pfeiffer", 16), "0.8", WIDTH],
    ["AdapterH, r = 64", large("houlsby", 64), "6.0", `${WIDTH}; 60 gives 5.95`],
    ["AdapterH, r = 8", large("houlsby", 8), "0.8", WIDTH],
  ]),
  ...printed("DeBERTa-XXL", [
    [
      "full fine-tuning",
      trains("deberta-v2-xxlarge", "full", {}),
      "1500.0",
      "rounded to hundreds of millions, and down: 1,565",
    ],
    ["LoRA, r_q = r_v = 8", deberta(8), "4.7", "the rank that table 10 states"],
    ["LoRA, r_q = r_v = 16", deberta(16), "4.7", "that of the released script; its checkpoint agrees"],
  ]),
];

// ---------------------------------------------------------------------------------------------------------------
// Sizes, factors, speeds

/** A figure of the text and the sum behind it. */
export interface Arithmetic {
  readonly figure: string;
  readonly sum: string;
  readonly value: number;
  readonly paper: string;
  /** Whether the printed figure is the value, to its digits. */
  readonly agrees: boolean;
  readonly why?: string;
}

const GPT3 = 175_255.8e6; // as printed
const SMALL = lora3("qv", 4);
const near = (value: number, paper: number, half: number): boolean => Math.abs(value - paper) <= half;

export const arithmetic: readonly Arithmetic[] = (
  [
    [
      "checkpoint of GPT-3",
      "175,255.8M × 2 B, GB",
      (GPT3 * 2) / 1e9,
      "350 GB",
      near((GPT3 * 2) / 1e9, 350, 5),
    ],
    [
      "checkpoint of LoRA, r_q = r_v = 4",
      "18.874M × 2 B, MB",
      (SMALL * 2) / 1e6,
      "35 MB",
      near((SMALL * 2) / 1e6, 35, 0.5),
      "36.0 MiB; 35 is approximate",
    ],
    ["100 adapted models", "350 GB + 100 × 35 MB, GB", 350 + 100 * 0.035, "354 GB", near(353.5, 354, 0.5)],
    ["100 fine-tuned models", "100 × 350 GB, TB", (100 * 350) / 1000, "35 TB", true],
    [
      "trainable parameters, reduced by a factor of",
      "175,255.8M / 18.874M",
      GPT3 / SMALL,
      "10,000",
      near(GPT3 / SMALL, 10_000, 500),
      "rounded up to a power of ten",
    ],
    ["trainable parameters, of all", "18.874M / 175,255.8M, %", (100 * SMALL) / GPT3, "0.01 %", true],
    [
      "training memory, reduced by a factor of",
      "1.2 TB / 350 GB",
      1200 / 350,
      "3",
      near(1200 / 350, 3, 0.5),
      "1.2 TB are 6.85 B a parameter: no usual recipe gives that",
    ],
    [
      "training speed",
      "43.1 / 32.5 tokens/s",
      43.1 / 32.5,
      "25 % faster",
      near(43.1 / 32.5, 1.25, 0.005),
      "33 % more tokens a second; 25 % less time a token",
    ],
    [
      "time a token",
      "1 − 32.5 / 43.1, %",
      100 * (1 - 32.5 / 43.1),
      "25 %",
      near(100 * (1 - 32.5 / 43.1), 25, 0.5),
    ],
    [
      "Table 7, random directions, r = 4",
      "‖W‖ r / d = 61.95 × 4 / 12,288",
      (61.95 * 4) / 12_288,
      "0.02",
      true,
    ],
    [
      "Table 7, random directions, r = 64",
      "61.95 × 64 / 12,288",
      (61.95 * 64) / 12_288,
      "0.33",
      near((61.95 * 64) / 12_288, 0.33, 0.005),
      "an expectation; the paper drew one pair",
    ],
    [
      "Table 7, amplification, r = 4",
      "6.91 / 0.32",
      6.91 / 0.32,
      "21.5",
      near(6.91 / 0.32, 21.5, 0.4),
      "0.32 is rounded",
    ],
    ["Table 7, amplification, r = 64", "3.57 / 1.90", 3.57 / 1.9, "about 2", near(3.57 / 1.9, 2, 0.5)],
  ] as const
).map(([figure, sum, value, paper, agrees, why]) => ({ figure, sum, value, paper, agrees, why }));

/** Table 1: milliseconds of one forward pass of GPT-2 M, batch × length with adapters of so many parameters. */
export const table1 = [
  {
    batch: 32,
    length: 512,
    adapters: "0.5M",
    base: 1449.4,
    adapterL: 1482.0,
    adapterH: 1492.2,
    printed: [2.2, 3.0],
  },
  {
    batch: 16,
    length: 256,
    adapters: "11M",
    base: 338.0,
    adapterL: 354.8,
    adapterH: 366.3,
    printed: [5.0, 8.4],
  },
  {
    batch: 1,
    length: 128,
    adapters: "11M",
    base: 19.8,
    adapterL: 23.9,
    adapterH: 25.8,
    printed: [20.7, 30.3],
  },
] as const;

// ---------------------------------------------------------------------------------------------------------------
// Results, to stand beside ours

/**
 * Tables 2, 3 and 4 by method: GLUE's accuracies (CoLA: Matthews correlation) on RoBERTa-base, BLEU on E2E by GPT-2 M,
 * MNLI-m on GPT-3.
 */
export const table234 = [
  {
    method: "full fine-tuning",
    "SST-2": 94.8,
    CoLA: 63.6,
    MNLI: 87.6,
    RTE: 78.7,
    "GLUE, mean of 8": 86.4,
    "E2E, BLEU": 68.2,
    "GPT-3, MNLI-m": 89.5,
  },
  { method: "FT-Top2", "E2E, BLEU": 68.1 },
  {
    method: "BitFit",
    "SST-2": 93.7,
    CoLA: 62.0,
    MNLI: 84.7,
    RTE: 81.5,
    "GLUE, mean of 8": 85.2,
    "GPT-3, MNLI-m": 91.0,
  },
  { method: "AdapterL (0.37M)", "E2E, BLEU": 66.3 },
  { method: "AdapterH (11.09M; GPT-3: 40.1M)", "E2E, BLEU": 67.3, "GPT-3, MNLI-m": 91.5 },
  { method: "AdapterD (0.9M)", "SST-2": 94.7, CoLA: 62.6, MNLI: 87.3, RTE: 75.9, "GLUE, mean of 8": 85.4 },
  { method: "PreLayer", "E2E, BLEU": 69.7, "GPT-3, MNLI-m": 89.5 },
  {
    method: "LoRA",
    "SST-2": 95.1,
    CoLA: 63.4,
    MNLI: 87.5,
    RTE: 86.6,
    "GLUE, mean of 8": 87.2,
    "E2E, BLEU": 70.4,
    "GPT-3, MNLI-m": 91.7,
  },
] as const;

/** Table 5, WikiSQL and MNLI, by matrices as in `loraOn`. */
export const table5: Readonly<Record<string, readonly [wikiSQL: number, mnli: number]>> = {
  q: [70.4, 91.0],
  k: [70.0, 90.8],
  v: [73.0, 91.0],
  o: [73.2, 91.3],
  qk: [71.4, 91.3],
  qv: [73.7, 91.3],
  qkvo: [73.7, 91.7],
};

/** Table 6, WikiSQL by matrices and r. */
export const table6: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  q: { 1: 68.8, 2: 69.6, 4: 70.5, 8: 70.4, 64: 70.0 },
  qv: { 1: 73.4, 2: 73.3, 4: 73.7, 8: 73.8, 64: 73.5 },
  qkvo: { 1: 74.1, 2: 73.7, 4: 74.0, 8: 74.0, 64: 73.9 },
};

/** Table 7: W_q of block 48 of GPT-3, d = 12,288. */
export const table7 = [
  { r: 4, normW: 61.95, normDelta: 6.91, byDelta: 0.32, byW: 21.67, byRandom: 0.02, factor: 21.5 },
  { r: 64, normW: 61.95, normDelta: 3.57, byDelta: 1.9, byW: 37.71, byRandom: 0.33, factor: 2 },
] as const;

/** Table 18, validation loss of GPT-2 M on E2E by r; 1,024 is full rank. */
export const table18: Readonly<Record<number, number>> = {
  1: 1.23,
  2: 1.21,
  4: 1.18,
  8: 1.17,
  16: 1.16,
  32: 1.16,
  64: 1.16,
  128: 1.16,
  256: 1.16,
  512: 1.16,
  1024: 1.17,
};

/** Table 15, WikiSQL and MNLI on GPT-3 by size, smallest first. */
export const table15 = [
  {
    method: "PreEmbed",
    sizes: "0.4M to 6.4M",
    wikiSQL: [55.9, 58.7, 60.6, 63.1, 55.9],
    mnli: [84.9, 88.1, 88.0, 88.6, 85.8],
  },
  {
    method: "PreLayer",
    sizes: "5.1M to 76.1M",
    wikiSQL: [68.5, 69.8, 70.1, 66.4, 64.9],
    mnli: [89.2, 88.2, 89.5, 89.6, 87.9],
  },
  {
    method: "AdapterH",
    sizes: "7.1M to 304.4M",
    wikiSQL: [71.9, 73.2, 73.2, 73.2, 72.6],
    mnli: [89.8, 91.0, 91.5, 91.5, 91.5],
  },
  {
    method: "LoRA (q, v)",
    sizes: "4.7M to 301.9M",
    wikiSQL: [73.4, 73.3, 73.7, 73.8, 73.6],
    mnli: [91.3, 91.4, 91.3, 91.6, 91.4],
  },
] as const;

/** Table 16, MNLI on GPT-3 by the number of training examples. */
export const table16 = [
  { method: "full fine-tuning", "100": 60.2, "1k": 85.8, "10k": 88.9, "392k": 89.5 },
  { method: "PreEmbed", "100": 37.6, "1k": 75.2, "10k": 79.5, "392k": 88.6 },
  { method: "PreLayer", "100": 48.3, "1k": 82.5, "10k": 85.9, "392k": 89.6 },
  { method: "LoRA", "100": 63.8, "1k": 85.6, "10k": 89.2, "392k": 91.7 },
] as const;
