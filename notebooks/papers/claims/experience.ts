/**
 * @file Statements of experience, decided by adapting the committed bases: near (restaurants in any style to the style of
 * one house, two bases) and far (code to English prose).
 */
import { inject } from "lowrank/lora";
import type { GPT2 } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { adamW } from "../../support/experiments/harness.ts";
import { farShiftOf, type KnownShift, nearShift } from "../../support/experiments/shifts.ts";
import { mean } from "../../support/experiments/statistics.ts";
import { type Arm, type ArmResult, study } from "../../support/experiments/study.ts";
import {
  above,
  below,
  every,
  higher,
  type Judgement,
  lower,
  noWorse,
} from "../../support/experiments/verdicts.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";
import { separateAttention } from "../../support/methods/separate-attention.ts";
import type { Statement } from "./statement.ts";

type OneArm = Arm<GPT2, null, undefined>;

/** Full fine-tuning of every parameter. */
const full = (rate: number): OneArm => ({
  name: "full fine-tuning",
  rates: [rate],
  prepare(model, { rate: lr }) {
    fullFineTuning(model);
    return { module: model, adapted: null, optimizer: adamW(model, lr) };
  },
});

interface LoraOptions {
  readonly name?: string;
  readonly rank: number;
  readonly target?: "all-linear" | readonly string[];
  readonly dropout?: number;
  readonly quantized?: boolean;
  readonly rate: number;
}

/** LoRA with α = 2r. */
const lora = ({ name, rank, target = "all-linear", dropout = 0, quantized, rate }: LoraOptions): OneArm => ({
  name: name ?? `LoRA, r = ${rank}`,
  rates: [rate],
  prepare(model, { rate: lr, seed }) {
    const base = target === "all-linear" ? model : separateAttention(model);
    if (quantized) quantizeModel(base, { format: "nf4", doubleQuant: true });
    const module = inject(base, { method: "lora", rank, alpha: 2 * rank, target, dropout, seed });
    return { module, adapted: null, optimizer: adamW(module, lr) };
  },
});

/**
 * Rates that were chosen on held-out rows, with three seeds, from equally fine grids: near by the page on LoRA, far by the
 * page that compares methods.
 */
const RATES = {
  near: { full: 1e-3, lora: 5e-3, queryValue: 1e-2 },
  far: { full: 2e-3, lora: 1e-2 },
} as const;

export interface Experience {
  readonly near: readonly KnownShift[];
  readonly far: KnownShift;
  /** Fraction of full fine-tuning's gain by arm, one value per seed; near has those of all bases one after the other. */
  closed(shift: "near" | "far", arm: string): number[];
  losses(shift: "near" | "far", arm: string): number[];
}

export interface ExperienceOptions {
  readonly ranks: readonly number[];
  readonly bases: number;
  readonly seeds: number;
  readonly steps: number;
  readonly rows: number;
  /** Held-out rows, a multiple of 32. */
  readonly held: number;
}

/** Runs all adaptations of the page. */
export function experience({ ranks, bases, seeds, steps, rows, held }: ExperienceOptions): Experience {
  const near = (["a", "b"] as const)
    .slice(0, bases)
    .map((base) => nearShift(base, { reported: held, choosing: 32 }));
  const far = farShiftOf("declarations", { reported: held, choosing: 32 });
  const byRank = (rate: number): OneArm[] => ranks.map((rank) => lora({ rank, rate }));
  const others = [
    lora({
      name: "queries and values",
      rank: 8,
      target: ["c_attn.q", "c_attn.v"],
      rate: RATES.near.queryValue,
    }),
    lora({ name: "with dropout", rank: 8, dropout: 0.1, rate: RATES.near.lora }),
    lora({ name: "QLoRA", rank: 8, quantized: true, rate: RATES.near.lora }),
  ];
  const options = { steps, rows, seeds };
  const results = {
    near: study([full(RATES.near.full), ...byRank(RATES.near.lora), ...others], near, options),
    far: study([full(RATES.far.full), ...byRank(RATES.far.lora)], [far], options),
  };
  const of = (shift: "near" | "far", arm: string): ArmResult<undefined>[] =>
    results[shift].filter((one) => one.arm === arm);
  const shifts = { near, far: [far] };
  return {
    near,
    far,
    losses: (shift, arm) => of(shift, arm).flatMap(({ losses }) => losses),
    closed: (shift, arm) =>
      shifts[shift].flatMap(({ base, before }) => {
        const [method, reference] = [arm, "full fine-tuning"].map(
          (name) => of(shift, name).find((one) => one.base === base)!.losses,
        );
        return method.map((loss, seed) => (before - loss) / (before - reference[seed]));
      }),
  };
}

const percent = (values: readonly number[]): string => `${(100 * mean(values)).toFixed(1)} %`;
/** The smallest rank that closes 95 % of the gap in the mean. */
function enough({ closed }: Experience, shift: "near" | "far", ranks: readonly number[]): string {
  const rank = ranks.find((r) => mean(closed(shift, `LoRA, r = ${r}`)) >= 0.95);
  return rank === undefined ? `more than ${ranks.at(-1)}` : String(rank);
}

/** The statements, judged. δ is 2 % of full fine-tuning's gain. */
export function experienced(seen: Experience, ranks: readonly number[]): Statement[] {
  const PAR = 0.02;
  const near = (arm: string): number[] => seen.closed("near", arm);
  const far = (arm: string): number[] => seen.closed("far", arm);
  const eight = "LoRA, r = 8";
  const nearLosses = (arm: string): number[] => seen.losses("near", arm);
  const gain = mean(seen.near.map(({ before }) => before)) - mean(nearLosses("full fine-tuning"));
  const par = PAR * gain;
  const farPar = PAR * (seen.far.before - mean(seen.losses("far", "full fine-tuning")));
  const reaches = (values: readonly number[]): Judgement => above(values, 0.95);
  const top = `LoRA, r = ${ranks.at(-1)}`;
  return [
    {
      said: "LoRA matches or exceeds full fine-tuning.",
      number: `${percent(near(eight))} near, ${percent(far(eight))} far`,
      of: "full fine-tuning's gain, r = 8; in nine results of LoRA's paper its score is 99.5 to 103.2 % of full fine-tuning's",
      depends: "On the distance of the task from what the model was pretrained on, and on the rank.",
      verdict: every([
        noWorse(nearLosses(eight), nearLosses("full fine-tuning"), { par }),
        noWorse(seen.losses("far", eight), seen.losses("far", "full fine-tuning"), { par: farPar }),
      ]),
      more: "lora",
    },
    {
      said: "At r = 8 LoRA reaches at least 95 % of full fine-tuning.",
      number: `${percent(near(eight))} near, ${percent(far(eight))} far`,
      of: "full fine-tuning's gain on held-out text",
      depends:
        "On the distance. Near, the model knows all words and learns a style; far, nearly everything is new.",
      verdict: every([reaches(near(eight)), reaches(far(eight))]),
      more: "lora",
    },
    {
      said: "Start with r = 8 and increase it when the model underfits.",
      number: `r = ${enough(seen, "near", ranks)} near, ${enough(seen, "far", ranks)} far`,
      of: "the smallest rank tried that closes 95 % of the gap",
      depends: `On the amount that is new. There is no rank that suits all: near, r = 8 is enough; far, r = ${ranks.at(-1)} gains ${percent(far(top))}.`,
      verdict: every([reaches(near(eight)), higher(far(top), far(eight), { par: PAR })]),
      more: "lora-without-regret",
    },
    {
      said: "Simpler tasks need a lower rank.",
      number: `${percent(near(`LoRA, r = ${ranks[0]}`))} near, ${percent(far(`LoRA, r = ${ranks[0]}`))} far`,
      of: `full fine-tuning's gain at r = ${ranks[0]}`,
      depends: "Here “simpler” is nearer to what the base can do already.",
      verdict: higher(
        near(`LoRA, r = ${ranks[0]}`).slice(0, far(eight).length),
        far(`LoRA, r = ${ranks[0]}`),
        {
          par: PAR,
        },
      ),
      more: "lora",
    },
    {
      said: "A large shift of domain is a case for full fine-tuning.",
      number: percent(far(eight)),
      of: "full fine-tuning's gain that LoRA of r = 8 reaches on the far shift",
      depends: `On the rank: ${percent(far(`LoRA, r = ${ranks.at(-1)}`))} at r = ${ranks.at(-1)}.`,
      verdict: below(far(eight), 0.95),
      more: "forgetting",
    },
    {
      said: "More adapted layers are better.",
      number: `${percent(near(eight))} against ${percent(near("queries and values"))}`,
      of: "the gain at r = 8, all linear layers against queries and values",
      depends:
        "All linear layers train more numbers. At equal numbers the page on LoRA without regret decides.",
      verdict: lower(nearLosses(eight), nearLosses("queries and values"), { par }),
      more: "lora-without-regret",
    },
    {
      said: "Queries and values alone still do well.",
      number: percent(near("queries and values")),
      of: "full fine-tuning's gain on the near shift, r = 8",
      depends: "On the number of steps: an adaptation that is stopped early shows more of a gap.",
      verdict: above(near("queries and values"), 0.9),
      more: "lora",
    },
    {
      said: "Dropout of 0.05 to 0.1 on the adapters is optional.",
      number: `${mean(nearLosses(eight)).toFixed(4)} without, ${mean(nearLosses("with dropout")).toFixed(4)} with 0.1`,
      of: "held-out loss on the near shift, in nats",
      depends: "On how often the examples are repeated. Here each is new, so that nothing can be overfitted.",
      verdict: noWorse(nearLosses(eight), nearLosses("with dropout"), { par }),
    },
    {
      said: "QLoRA performs like LoRA on the full-precision model.",
      number: `${percent(near("QLoRA"))} against ${percent(near(eight))}`,
      of: "full fine-tuning's gain on the near shift",
      depends:
        "On what storing costs: this base loses next to nothing in NF4. The page on QLoRA has one that does.",
      verdict: noWorse(nearLosses("QLoRA"), nearLosses(eight), { par }),
      more: "qlora",
    },
  ];
}

/** What the shares of full fine-tuning's gain say of a near and of a far shift, in two sentences. */
export function twoAnswers(
  gains: readonly { readonly shift: string; readonly rank: number; readonly closed: readonly number[] }[],
): string {
  const [near, far] = ["near", "far"].map((shift) =>
    gains
      .filter((one) => one.shift === shift)
      .map(({ rank, closed }) => ({ rank, share: Math.round(100 * mean(closed)) }))
      .sort((one, other) => one.rank - other.rank),
  );
  const enough = near.find(({ share }) => share >= 97);
  const [least, most] = [far[0], far[far.length - 1]];
  return [
    enough
      ? `Near what the model knows, rank ${enough.rank} has ${enough.share} % of full fine-tuning's gain.`
      : `Near what the model knows, the best rank has ${Math.max(...near.map(({ share }) => share))} % of full fine-tuning's gain.`,
    `Far from it, rank ${least.rank} has ${least.share} % and rank ${most.rank} has ${most.share} %.`,
  ].join(" ");
}
