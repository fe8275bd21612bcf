/** @file The tables of the comparison. */

import type { LanguageModel } from "lowrank/nn";
import { validationLoss } from "../../support/experiments/evaluation.ts";
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { interval } from "../../support/experiments/verdicts.ts";
import type { Trained } from "../../support/methods/recipes.ts";
import { mergeError } from "../../support/methods/recipes.ts";
import { meanStd } from "../../support/show/format.ts";
import { type Table, table } from "../../support/show/table.ts";
import { uses } from "./claims.ts";
import type { Beside, Comparison } from "./comparison.ts";
import type { Kept } from "./keep.ts";
import { type Compared, continued } from "./shifts.ts";

/** What the base writes, and what it is to learn. */
export function taskTable(shift: Compared): Table {
  const { data, shape } = shift.domain.validation[0].ids;
  const row = Array.from(data.subarray(shape[1], 2 * shape[1]));
  return table(
    [
      { "": "the base writes", text: continued(shift.copy(), shift) },
      { "": "it is to learn", text: shift.tokenizer.decode(row).replace(/\s*\n\s*/g, " ⏎ ") },
    ],
    {
      title: `${shift.title}: the base's loss there is ${shift.before.toFixed(2)} nats`,
      note: "⏎ is a new line.",
    },
  );
}

/** Loss and text of the base, and of an adapted model that was merged. */
export function beforeAndAfter(shift: Compared, name: string, adapted: Trained, plain: LanguageModel): Table {
  const error = mergeError(adapted, shift.domain.validation[0]);
  const rows = [
    { model: "the base", of: shift.copy() },
    { model: name, of: plain },
  ].map(({ model, of }) => ({
    model,
    "held-out loss": validationLoss(of, shift.domain),
    text: continued(of, shift),
  }));
  return table(rows, {
    title: `${name}, merged, and what comes after “${shift.prompt.trim()}”`,
    note: error
      ? `Merged and adapted logits differ by at most ${(error.difference / error.largest).toExponential(0)} of the largest one: roundings.`
      : "There is nothing to merge: the model's own weights were trained.",
    volatile: ["text"],
    tolerance: 0.02,
  });
}

export function ratesTable(results: readonly ArmResult<unknown>[]): Table {
  const short = (rate: number): string => String(Number(rate.toPrecision(2)));
  return table(
    results.map(({ arm, rate, tried }) => ({
      method: arm,
      "rate chosen": short(rate),
      "rates tried": tried.map(({ rate }) => short(rate)).join(", ") || "this one only",
    })),
    { title: "Learning rates" },
  );
}

/** Loss, cost and merging of every method. @param times of a step, by method */
export function resultTable(
  comparison: Comparison<Kept | null>,
  times: ReadonlyMap<string, number>,
  title: string,
): Table {
  const lora = times.get("LoRA") ?? 1;
  const merges = (kept: Kept | null): string => {
    if (!kept || kept.merge === null) return "nothing to";
    return kept.merge < 1e-4 ? "yes" : "no";
  };
  const rows = comparison.results.map(({ arm, losses, runs: [run] }) => ({
    method: arm,
    loss: meanStd(losses),
    gap: Math.round(mean(comparison.closed(arm))),
    trained: run.trainable,
    peak: run.peak / MIB,
    saved: run.memory.saved / MIB,
    time: (times.get(arm) ?? Number.NaN) / lora,
    merges: merges(run.read),
  }));
  return table(rows, {
    title,
    columns: [
      { key: "method" },
      { key: "loss", label: "loss, nats" },
      { key: "gap", label: "gap closed, %" },
      { key: "trained" },
      { key: "peak", label: "peak, MiB", digits: 1 },
      { key: "saved", label: "kept for backward", digits: 1 },
      { key: "time", label: "time", digits: 2 },
      { key: "merges" },
    ],
    volatile: ["time"],
    tolerance: 0.02,
  });
}

const MIB = 2 ** 20;

/** Two arms, and their differences seed by seed. */
export function pairedTable(first: string, second: string, comparison: Comparison<unknown>): Table {
  const [a, b] = [first, second].map((arm) => comparison.losses(arm));
  const differences = a.map((loss, seed) => loss - b[seed]);
  const row = (what: string, values: readonly number[]) => ({
    "": what,
    "mean ± deviation over seeds": meanStd(values),
  });
  return table([row(first, a), row(second, b), row(`${first} − ${second}, seed by seed`, differences)], {
    title: "A paired difference",
    note: `95 % interval of the mean difference: ${interval(differences)}`,
    tolerance: 0.5,
  });
}

/** The arms after half of the steps, in the search, and after all. */
export function doubledTable(
  half: readonly ArmResult<unknown>[],
  whole: Comparison<unknown>,
  { steps, turned }: { readonly steps: number; readonly turned: readonly string[] },
): Table {
  const at = (arm: string): number => mean(half.find((one) => one.arm === arm)?.losses ?? [Number.NaN]);
  return table(
    whole.results.map(({ arm, losses }) => ({
      method: arm,
      [`loss after ${Math.ceil(steps / 2)} steps`]: at(arm),
      [`loss after ${steps} steps`]: mean(losses),
    })),
    {
      title: turned.length === 0 ? "No pair changes its order" : `Another order: ${turned.join("; ")}`,
      tolerance: 0.02,
    },
  );
}

/** The losses on all shifts; the caption says which pairs have another order at half of the steps. */
export function elsewhereTable(
  here: Comparison<unknown>,
  title: string,
  others: readonly {
    readonly title: string;
    readonly by: Comparison<unknown>;
    readonly turned: readonly string[];
  }[],
): Table {
  const shifts = [{ title, by: here }, ...others];
  const orders = others.map(({ title, turned }) => `${title}: ${turned.join(", ") || "none"}`).join("; ");
  return table(
    here.results.map(({ arm }) => ({
      method: arm,
      ...Object.fromEntries(
        shifts.map(({ title, by }) => {
          const ran = by.results.some((one) => one.arm === arm);
          return [title, ran ? meanStd(by.losses(arm)) : "–"];
        }),
      ),
    })),
    {
      title: "Loss in nats",
      note: `Pairs that change their order between half of the steps and all: ${orders}.`,
      tolerance: 0.3,
    },
  );
}

export function writtenTable(shift: Compared, comparison: Comparison<Kept | null>): Table {
  const rows = [
    { model: "the base, before", loss: shift.before, text: continued(shift.copy(), shift) },
    ...comparison.results.map(({ arm, losses, runs }) => ({
      model: arm,
      loss: losses[0],
      text: runs[0].read?.text ?? "",
    })),
  ];
  return table(rows, { title: `After “${shift.prompt.trim()}”`, tolerance: 0.02, volatile: ["text"] });
}

/** When to use which method, and what was seen of it here. */
export function whenTable(comparison: Comparison<unknown>): Table {
  const part = (value: number): string => value.toFixed(2);
  const loss = (difference: number, side: Beside["side"]): string => {
    const by = Math.abs(difference).toFixed(3);
    if (side === "ahead" || side === "behind")
      return `${by} ${side === "ahead" ? "lower" : "higher"} than LoRA`;
    return side === "level"
      ? "as LoRA"
      : `one cannot tell (${by} ${difference < 0 ? "lower" : "higher"} on average)`;
  };
  const here = ({ arm, difference, side }: Beside): string => {
    const numbers = part(comparison.trained(arm) / comparison.trained("LoRA"));
    return `${loss(difference, side)}; ${numbers} × its numbers, ${part(comparison.saved(arm) / comparison.saved("LoRA"))} × its bytes kept for backward`;
  };
  return table(
    [
      { method: "LoRA", "use it when": uses.LoRA, "here, loss in nats": "the yardstick" },
      ...comparison.besideLora().map((one) => ({
        method: one.arm,
        "use it when": uses[one.arm] ?? "",
        "here, loss in nats": here(one),
      })),
    ],
    { title: "Which method when", tolerance: 0.05 },
  );
}
