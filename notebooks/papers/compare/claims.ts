/** @file What the methods' papers claim about each other, as far as losses of two arms can decide it, and when to use which. */
import type { ArmResult } from "../../support/experiments/study.ts";
import { every, type Judgement, lower, noWorse } from "../../support/experiments/verdicts.ts";
import type { Claim } from "../../support/index.ts";

/** A claim about two arms. */
export interface PaperClaim {
  readonly first: string;
  readonly second: string;
  /** Whether the first is to have a lower loss, or one that is no higher. */
  readonly says: "better" | "no worse";
  readonly paper: string;
  /** Shown if the claim comes out contradicted. */
  readonly why: string;
}

export const paperClaims: readonly PaperClaim[] = [
  {
    first: "LoRA",
    second: "full fine-tuning",
    says: "no worse",
    paper: "87.2 against 86.4 on GLUE (LoRA, table 2)",
    why: "almost everything in the text is new here, and that takes more numbers than a low rank has: at a higher rank the gap is smaller (above), and on the near shift it is gone (page lora)",
  },
  {
    first: "DoRA",
    second: "LoRA",
    says: "better",
    paper: "78.4 against 74.7 (DoRA, table 1)",
    why: "rates are tuned for both; where the change is one of magnitudes DoRA does win (page dora)",
  },
  {
    first: "AdaLoRA",
    second: "LoRA",
    says: "no worse",
    paper: "89.31 against 88.34 at one budget (AdaLoRA, table 1)",
    why: "in a short run the allocation has little time: try `--set steps=300`, and see the page adalora",
  },
  {
    first: "LoRA+",
    second: "LoRA",
    says: "better",
    paper: "1 to 2 % better (LoRA+, abstract)",
    why: "its gain grows with the width, and the width is small here (page lora-plus)",
  },
  {
    first: "LoRA-FA",
    second: "LoRA",
    says: "no worse",
    paper: "close to LoRA (LoRA-FA, abstract)",
    why: "with A frozen, ΔW can use only r directions of the input that were drawn at random; with as many numbers as LoRA it comes closer (above)",
  },
  {
    first: "PiSSA",
    second: "LoRA",
    says: "better",
    paper: "72.9 against 67.7 % (PiSSA, abstract)",
    why: "the paper keeps one learning rate for both; here each has its own",
  },
  {
    first: "VeRA",
    second: "LoRA",
    says: "no worse",
    paper: "10 times fewer parameters, the same performance (VeRA, abstract)",
    why: "with a fifth of the numbers it can make a smaller change, and this shift needs a large one",
  },
  {
    first: "BitFit",
    second: "full fine-tuning",
    says: "no worse",
    paper: "competitive where there is little data (BitFit, abstract)",
    why: "a bias shifts what a layer gives and mixes nothing anew; new text needs new mixtures",
  },
];

/** The losses of an arm on a base; empty if it did not run there. */
export function lossesOf(
  results: readonly ArmResult<unknown>[],
  arm: string,
  base: string,
): readonly number[] {
  return results.find((one) => one.arm === arm && one.base === base)?.losses ?? [];
}

/** The judgement of one arm against another on every base on which both ran. */
export function judged(
  results: readonly ArmResult<unknown>[],
  { first, second, says }: Pick<PaperClaim, "first" | "second" | "says">,
  par: number,
): Judgement {
  const bases = [...new Set(results.map(({ base }) => base))];
  const pairs = bases
    .map((base) => [first, second].map((arm) => lossesOf(results, arm, base)))
    .filter(([one, other]) => one.length > 0 && other.length > 0);
  return every(pairs.map(([one, other]) => (says === "better" ? lower : noWorse)(one, other, { par })));
}

/** The claims as rows for `replication`. */
export function asClaims(results: readonly ArmResult<unknown>[], par: number): Claim[] {
  const ran = new Set(results.map(({ arm }) => arm));
  const decidable = paperClaims.filter(({ first, second }) => ran.has(first) && ran.has(second));
  return decidable.map((one) => {
    const verdict = judged(results, one, par);
    return {
      claim: `${one.first} is ${one.says === "better" ? "better than" : "no worse than"} ${one.second}`,
      paper: one.paper,
      verdict,
      note: verdict.verdict === "contradicted" ? one.why : undefined,
    };
  });
}

/** When a method is the one to use, in words; what is measured stands beside it. */
export const uses: Readonly<Record<string, string>> = {
  "full fine-tuning":
    "the memory is there, the text is far from what the model knows, and one model is all you serve",
  LoRA: "you do not know better: it is the yardstick, and every tool reads its files",
  rsLoRA: "you go to high ranks (64 and more) and want to keep the rate of a low one",
  "LoRA+": "the model is wide and the task is hard; then B wants a higher rate than A",
  DoRA: "the change is one of sizes of rows, or the rank must be very low, and a slower step is no matter",
  AdaLoRA: "you do not know which layers need rank, or the budget is one triplet a matrix (page adalora)",
  "LoRA-FA": "inputs kept for the backward pass are what fills the memory: long texts, large batches",
  PiSSA: "training is short and must start fast, or the weights are about to be quantized",
  VeRA: "thousands of adapters must be stored, and a small change is enough",
  BitFit: "the smallest possible change is wanted, and the model has biases",
};
