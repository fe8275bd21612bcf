/** @file What AdaLoRA's paper prints, and where its text and its code differ. Zhang et al., 2023, arXiv:2303.10512. */
import { countParameters } from "lowrank/lora";

/** Tables 4 and 5: accuracy on SST-2, at 0.08, 0.16 and 0.65 % of the parameters where the row has them. */
export const SST2 = {
  adaLora: "95.52, 95.80, 96.10",
  sensitivity: "94.61, 95.30, 95.64",
  magnitude: "95.41, 95.41, 95.87",
  doublets: "94.84, 94.50, 94.95",
  free: "95.41, 95.10, 95.10",
  svd: "95.33, 95.18, 95.53",
} as const;

export const differences = [
  {
    what: "the budget while it falls",
    text: "(1 − (t − tᵢ − t_f)/(T − tᵢ − t_f))³ in equation 12, which starts above b(0)",
    code: "(1 − (t − tᵢ)/(T − tᵢ − t_f))³, rounded down",
    here: "the code's",
  },
  {
    what: "the regulariser R",
    text: "squared norms, summed over the matrices",
    code: "norms without the square, averaged over all P and Q",
    here: "the code's: form: \"code\"; the text's is the library's default",
  },
  {
    what: "the scores",
    text: "w and its gradient at the same step",
    code: "w after the optimizer's step, the gradient from before it",
    here: "the text's",
  },
  {
    what: "ties at the threshold",
    text: "not mentioned",
    code: "all of them are pruned",
    here: "exactly b(t) stay",
  },
  { what: "P and Q at the start", text: "Gaussian", code: "standard deviation 0.02", here: "the code's" },
  {
    what: "the factor",
    text: "α/r",
    code: "α/(r + 0.00001), r from the start",
    here: "the text's, r from the start",
  },
  {
    what: "adapted matrices",
    text: "five of a block: not the attention's output",
    code: "all six",
    here: "all six",
  },
] as const;

const deberta = { config: "deberta-v3-base", target: "all-linear" } as const;
/** Matrices that are adapted in DeBERTaV3-base: six in each of twelve blocks. */
const MATRICES = 72;

/** Bytes for each number that trains: the number, its gradient, Adam's two averages; AdaLoRA adds I, Ī and Ū. */
const BYTES = { lora: 16, adalora: 28 } as const;

/** Table 15: gigabytes on MNLI at 0.08, 0.16 and 0.65 % for LoRA and AdaLoRA; the ranks it starts with are those of the appendix. */
const GIGABYTES = [
  { rank: 1, initial: 2, lora: 11.094, adalora: 11.104 },
  { rank: 2, initial: 4, lora: 11.098, adalora: 11.11 },
  { rank: 8, initial: 12, lora: 11.128, adalora: 11.188 },
] as const;

/** What AdaLoRA needs beyond LoRA on DeBERTaV3-base, counted, beside the difference of table 15. */
export const overheads = GIGABYTES.map(({ rank, initial, lora, adalora }) => {
  const ours = countParameters("lora", { ...deberta, rank }).trainable;
  const end = countParameters("adalora", { ...deberta, budget: rank * MATRICES }).trainable;
  const start = (initial / rank) * end;
  const added = BYTES.adalora * start - BYTES.lora * ours;
  return {
    "triplets per matrix": rank,
    "LoRA trains": ours,
    "AdaLoRA starts with": start,
    "ends with": end,
    "more memory, counted (MB)": Number((added / 1e6).toPrecision(2)),
    "printed (MB)": Math.round(1000 * (adalora - lora)),
  };
});
