/** @file Statements about settings and results, decided by what the papers print. */
import type { Statement } from "./statement.ts";

/** Published settings of LoRA. GPT-3's α is not printed. */
export const published = [
  { model: "RoBERTa-base (LoRA, table 9)", r: 8, alpha: 8, lr: [4e-4, 5e-4] },
  { model: "RoBERTa-large (LoRA, table 9)", r: 8, alpha: 16, lr: [2e-4, 4e-4] },
  { model: "DeBERTa-XXL (LoRA, scripts)", r: 16, alpha: 32, lr: [6e-5, 2e-4] },
  { model: "GPT-2 M, L (LoRA, table 11)", r: 4, alpha: 32, lr: [2e-4, 2e-4] },
  { model: "LLaMA-7B (QLoRA, scripts)", r: 64, alpha: 16, lr: [2e-4, 2e-4] },
  { model: "LLaMA-65B (QLoRA, scripts)", r: 64, alpha: 16, lr: [1e-4, 1e-4] },
  { model: "LLaMA-7B (DoRA's LoRA, table 8)", r: 32, alpha: 64, lr: [3e-4, 3e-4] },
] as const;

/** LoRA's and full fine-tuning's scores, as LoRA's paper prints them in tables 2, 3 and 4. */
export const scores = [
  { result: "RoBERTa-base, GLUE average", lora: 87.2, full: 86.4 },
  { result: "RoBERTa-large, GLUE average", lora: 89.0, full: 88.9 },
  { result: "DeBERTa-XXL, GLUE average", lora: 91.3, full: 91.1 },
  { result: "GPT-2 M, E2E BLEU", lora: 70.4, full: 68.2 },
  { result: "GPT-2 L, E2E BLEU", lora: 70.4, full: 68.5 },
  { result: "GPT-3, WikiSQL, 4.7M", lora: 73.4, full: 73.8 },
  { result: "GPT-3, WikiSQL, 37.7M", lora: 74.0, full: 73.8 },
  { result: "GPT-3, MNLI-m, 37.7M", lora: 91.6, full: 89.5 },
  { result: "GPT-3, SAMSum R1, 37.7M", lora: 53.4, full: 52.0 },
] as const;

const ratios = published.map(({ r, alpha }) => alpha / r);
const inBand = ratios.filter((ratio) => ratio >= 2 && ratio <= 4).length;
const often = published.filter(({ alpha }) => alpha === 16 || alpha === 32).length;
const inRates = published.filter(({ lr: [low, high] }) => low >= 1e-4 && high <= 5e-4).length;
const percents = scores.map(({ lora, full }) => (100 * lora) / full);
const inBelow = percents.filter((percent) => percent >= 95 && percent <= 99).length;
/** “Typical” is what at least two thirds of the published settings do. */
const typical = (count: number, all: number): boolean => 3 * count >= 2 * all;

export const settings: readonly Statement[] = [
  {
    said: "α is typically 2r to 4r.",
    number: `${inBand} of ${published.length}`,
    of: "published settings",
    depends: `α/r goes from ${Math.min(...ratios)} (QLoRA) to ${Math.max(...ratios)} (LoRA on GPT-2). With Adam, α acts like the learning rate, so that only the pair means something.`,
    verdict: typical(inBand, published.length),
    more: "lora-without-regret",
  },
  {
    said: "α is often 16 or 32.",
    number: `${often} of ${published.length}`,
    of: "published settings",
    depends: "On the authors' habit: α was set to the first rank that was tried and then left alone.",
    verdict: typical(often, published.length),
  },
  {
    said: "Learning rates are 1e-4 to 5e-4.",
    number: `${inRates} of ${published.length}`,
    of: "published settings",
    depends: "On the model's width and on α/r. The small models of these pages want 10 to 100 times more.",
    verdict: typical(inRates, published.length),
    more: "lora-without-regret",
  },
  {
    said: "LoRA typically reaches 95 to 99 % of full fine-tuning.",
    number: `${inBelow} of ${scores.length}`,
    of: "results of LoRA's paper in that band",
    depends: `In LoRA's paper all nine are between ${Math.min(...percents).toFixed(1)} and ${Math.max(...percents).toFixed(1)} %. Biderman et al. report 85 % on code (0.224 against 0.263).`,
    verdict: typical(inBelow, scores.length),
  },
];
