/**
 * @file The numbers that LoRA's paper prints (Hu et al., 2021, arXiv:2106.09685): its arithmetic beside the sums, and
 * the results of its tables, to stand beside ours. The parameter counts are in counts.ts.
 */
import { loraOn } from "./counts.ts";

export { glueCounts, gpt2Counts, gpt3Counts, type Printed, printedAs } from "./counts.ts";

/** A figure in the text, and the sum behind it. */
export interface Arithmetic {
  readonly figure: string;
  readonly sum: string;
  readonly value: number;
  readonly paper: string;
  /** Whether the printed figure equals the value to its printed digits. */
  readonly agrees: boolean;
  readonly why?: string;
}

const GPT3 = 175_255.8e6; // as printed
const SMALL = loraOn("qv", 4, "gpt3-175b");
/** Whether `value` is within `half` of the printed number. */
const near = (value: number, paper: number, half: number): boolean => Math.abs(value - paper) <= half;

/** The arithmetic of the text, recomputed. */
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
    [
      "100 adapted models",
      "350 GB + 100 × 35 MB, GB",
      350 + 100 * 0.035,
      "354 GB",
      near(350 + 100 * 0.035, 354, 0.5),
    ],
    ["100 fine-tuned models", "100 × 350 GB, TB", (100 * 350) / 1000, "35 TB", (100 * 350) / 1000 === 35],
    [
      "trainable parameters, reduced by a factor of",
      "175,255.8M / 18.874M",
      GPT3 / SMALL,
      "10,000",
      near(GPT3 / SMALL, 10_000, 500),
      "rounded up to a power of ten",
    ],
    [
      "trainable parameters, of all",
      "18.874M / 175,255.8M, %",
      (100 * SMALL) / GPT3,
      "0.01 %",
      near((100 * SMALL) / GPT3, 0.01, 0.005),
    ],
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
      near((61.95 * 4) / 12_288, 0.02, 0.005),
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
