/** @file The tables of the page. */
import { random } from "lowrank/core";
import { inject } from "lowrank/lora";
import type { GPT2, LanguageModel } from "lowrank/nn";
import { accuracy, validationLoss } from "../../support/experiments/evaluation.ts";
import { corner, latencies } from "../../support/experiments/latency.ts";
import { mean } from "../../support/experiments/statistics.ts";
import { type ArmResult, halfway, reordered, type Shift } from "../../support/experiments/study.ts";
import { type Claim, fold, type KnownShift, md, meanStd, type Spread, table } from "../../support/index.ts";
import { adapterH } from "../../support/methods/baselines.ts";
import { separateAttention } from "../../support/methods/separate-attention.ts";
import type { Displayable } from "../../support/show/display.ts";
import type { Folded } from "../../support/show/fold.ts";
import type { Table } from "../../support/show/table.ts";
import type { ByBase } from "./claims.ts";
import { glueCounts, gpt2Counts, gpt3Counts, printedAs } from "./counts.ts";
import { full, type Updates } from "./methods.ts";
import type { Outcome } from "./outcome.ts";
import { type Amplification, amplified } from "./subspaces.ts";
import { table7 } from "./tables.ts";

/** Numbers that came of training may differ by so much on another processor. */
const TRAINED = 0.1;

/** 0.97 as 97, with the deviation of the runs. */
export const percent = (parts: ByBase): Spread => meanStd(parts.flat().map((part) => 100 * part));

/** In the place of an experiment that takes too long for the quick setting. @param alone the setting that makes it */
export const inFull = (alone: string): Displayable =>
  md`This experiment is part of the full setting, \`npm start -- lora --full\`; alone: \`npm start -- lora --set ${alone}\`.`;

/** The columns of the three ways to compute one layer. */
export const waysColumns = [
  "layer",
  { key: "multiplications", label: "multiplications for each input" },
  {
    key: "away",
    label: "relative difference",
    format: (value: unknown) => (value === 0 ? "0" : Number(value).toPrecision(1)),
  },
] as const;

/** How the model is after training: of the house, how many rows are right. */
export function afterTraining(
  { domain, before }: KnownShift<LanguageModel>,
  model: LanguageModel,
  losses: readonly number[],
  isText: boolean,
): Displayable {
  const [start, end] = [losses[0], losses.at(-1)!].map((loss) => loss.toPrecision(2));
  const result = isText
    ? `Its held-out loss went from ${before.toFixed(3)} to **${validationLoss(model, domain).toFixed(3)}** nats a token.`
    : `It describes **${Math.round(100 * accuracy(model, domain))} %** of the held-out restaurants as the house wants it, to the last character.`;
  return md`The training loss went from ${start} to ${end}. The merged model has the layers of the base and no others. ${result}`;
}

/** Methods on one shift: size, held-out loss, gain. */
export function methodTable(
  outcome: Outcome,
  methods: readonly { readonly name: string }[],
  title: string,
  note = "",
): Table {
  const runs = outcome.losses(methods[0]).length;
  const rows = methods.map((method) => ({
    method: method.name,
    "numbers trained": outcome.trained(method),
    "% of all": (100 * outcome.trained(method)) / outcome.trained(full),
    "held-out loss": meanStd(outcome.losses(method)),
    "gain, %": percent(outcome.gains(method)),
    "right, %": meanStd(outcome.accuracies(method).flat()),
  }));
  const judged = rows.some((row) => Number.isFinite(Number(row["right, %"])));
  const of = `Loss in nats a character${runs > 1 ? `, mean ± standard deviation of ${runs} runs` : ""}.`;
  return table(rows, {
    title,
    tolerance: TRAINED,
    note: `${of} ${note}`.trim(),
    columns: [
      "method",
      "numbers trained",
      { key: "% of all", digits: 1 },
      "held-out loss",
      "gain, %",
      ...(judged ? (["right, %"] as const) : []),
    ],
  });
}

/**
 * The rates that were tried, each for half of the steps, and whether all of them changes the order of the methods.
 *
 * @param par differences in loss that count as none
 */
export function searchFold(searched: readonly ArmResult<unknown>[], outcome: Outcome, par: number): Folded {
  if (searched.length === 0)
    return fold(
      "The learning rates of this run are usual ones; the full setting chooses them.",
      table(outcome.rates(), { title: "Rates" }),
    );
  const rows = searched.map(({ arm, rate, tried, atEdge }) => ({
    method: arm,
    "loss by rate": tried.map(({ rate, loss }) => `${rate}: ${loss.toPrecision(3)}`).join(" · "),
    chosen: `${rate}${atEdge ? ", at the edge" : ""}`,
    "loss after all steps": outcome.has({ name: arm })
      ? mean(outcome.losses({ name: arm })).toPrecision(3)
      : "",
  }));
  const reported = searched.filter((one) => outcome.has({ name: one.arm }));
  const whole = reported.map((one) => ({ ...one, losses: outcome.losses({ name: one.arm }) }));
  const turned = reordered(halfway(reported), whole, { par });
  const order =
    turned.length === 0
      ? "Twice as many steps change the order of no two methods."
      : `With twice as many steps other methods come first: ${turned.join("; ")}.`;
  return fold(
    `The learning rates were tried for half of the steps. ${order}`,
    table(rows, { title: "Rates, with the mean loss of the search", tolerance: TRAINED }),
  );
}

/** Table 7 for W_q: the runs of this page beside the paper's. */
export function amplification(runs: readonly (readonly Updates[])[], rank: number) {
  const all = runs.map((ofBase) => ofBase.map((updates) => amplified(updates, "c_attn.q", rank)));
  const column = (key: keyof Amplification): number[][] => all.map((ofBase) => ofBase.map((one) => one[key]));
  const row = (key: keyof Amplification): Spread => meanStd(column(key).flat());
  const [paper] = table7;
  const shown = (of: Record<keyof Amplification, number | Spread>, model: string) => ({
    model,
    "‖W‖": of.normW,
    "‖ΔW‖": of.normDelta,
    "W within the directions of ΔW": of.byDelta,
    "of W": of.byW,
    "at random": of.byRandom,
    amplified: of.factor,
  });
  const keys = Object.keys(all[0][0]) as (keyof Amplification)[];
  const here = Object.fromEntries(keys.map((key) => [key, row(key)])) as Record<keyof Amplification, Spread>;
  return {
    byDelta: column("byDelta"),
    byW: column("byW"),
    byRandom: column("byRandom"),
    table: table([shown(here, "here"), shown(paper, "GPT-3, block 48")], {
      title: `‖UᵀWV‖ for the queries, r = ${rank} (table 7)`,
      tolerance: TRAINED,
      note: "The last column is ‖ΔW‖ / ‖UᵀWV‖.",
    }),
  };
}

/** Multiplications of one token in the linear layers of the blocks: the sizes of all matrices but the embeddings. */
export function multiplications(model: LanguageModel): number {
  let sum = 0;
  for (const [name, { shape, size }] of model.namedParameters())
    if (shape.length === 2 && !/\bwte\b|\bwpe\b|lm_head/.test(name)) sum += size;
  return sum;
}

/** LoRA beside the weights, LoRA merged, and adapters, against the base: counted multiplications, and milliseconds. */
export function costOfUse(
  shift: Shift<GPT2>,
  { rank, width, turns }: { readonly rank: number; readonly width: number; readonly turns: number },
): { readonly table: Table; readonly claims: Claim[] } {
  const [base, beside, bottlenecks] = [0, 1, 2].map(() => separateAttention(shift.copy()));
  const adapted = inject(beside, { method: "lora", rank, target: ["c_attn.q", "c_attn.v"], seed: 1 });
  const merged = adapted.toPlain();
  adapterH(bottlenecks, { width, rng: random(1) });
  const models = [base, beside, merged, bottlenecks];
  const names = ["the base", "LoRA beside it", "LoRA, merged", `adapters, width ${width}`];
  const counted = models.map(multiplications);
  const [{ ids }] = shift.domain.validation;
  const timed = latencies(models, corner(ids, 8, ids.shape[1] - 1), turns);
  const layers = (model: GPT2): string =>
    [...model.namedModules()].map(([path, one]) => `${path} ${one.constructor.name}`).join();
  return {
    table: table(
      names.map((model, i) => ({
        model,
        "multiplications a token": counted[i],
        "more than the base, %": (100 * counted[i]) / counted[0] - 100,
        "milliseconds here": timed[i],
      })),
      {
        title: "One token through the weights of the blocks",
        volatile: ["milliseconds here"],
        note: "Milliseconds of 8 rows, taken in turns; they differ from run to run.",
      },
    ),
    claims: [
      {
        claim: "Merged LoRA costs nothing at inference",
        paper: "no additional latency (table 1)",
        measured: `${counted[2] - counted[0]} more multiplications, and the layers of the base`,
        verdict: counted[2] === counted[0] && layers(merged) === layers(base),
      },
      {
        claim: "Adapters cost multiplications at every token",
        paper: "+2.2 to +30.3 % of time (table 1)",
        measured: `${(counted[3] - counted[0]).toLocaleString("en")} more`,
        verdict: counted[3] > counted[0],
      },
    ],
  };
}

/** The printed parameter counts, behind one sentence. */
export function countsFold(): Folded {
  const all = [...gpt3Counts, ...gpt2Counts, ...glueCounts];
  const agree = all.filter((row) => printedAs(row) !== "no").length;
  const rows = all.map((row) => ({
    model: row.model,
    method: row.method,
    counted: row.exact,
    "paper, millions": row.paper,
    agrees: { rounded: "yes", "cut off": "yes, cut off", no: `no: ${row.why}` }[printedAs(row)],
  }));
  return fold(
    `${agree} of the ${all.length} parameter counts that the paper prints are the exact ones, rounded or cut off; this is said of the others.`,
    table(rows, { title: "Trainable parameters (tables 2 to 5 and 13 to 15)" }),
  );
}
