/**
 * @file The parameter counts that LoRA's paper prints (Hu et al., 2021, arXiv:2106.09685), beside the exact numbers of
 * `countParameters`.
 */
import { type CountMethod, type CountSpecs, countParameters } from "lowrank/lora";
import { type ConfigurationName, configurations } from "lowrank/nn";

/** A printed count and the exact one. */
export interface Printed {
  readonly model: string;
  readonly method: string;
  readonly exact: number;
  /** The printed count in millions, with the paper's decimals. */
  readonly paper: string;
  /** Why the printed count differs from the exact one. */
  readonly why?: string;
}

/** How a count in millions was printed: rounded, cut off after its last decimal, or "no" if neither gives it. */
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

/**
 * Parameters of LoRA on the matrices named by letters of "qkvo": "qv" for W_q and W_v. In GPT-2 and GPT-3 the first
 * three are one layer.
 */
export function loraOn(matrices: string, rank: number, config: ConfigurationName): number {
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
