/**
 * @file Tables of claims: what a paper says and where, what this run measured, and what that says of the claim. A claim
 * that is contradicted is shown as such.
 */

import type { Judgement } from "../experiments/verdicts.ts";
import type { Verdict } from "../notebook/session.ts";
import { isSpread, meanStd, type Spread } from "./format.ts";
import { Table, table } from "./table.ts";

export interface Claim {
  /** The claim, as a statement that numbers can decide. */
  readonly claim: string;
  /** The paper's result and its place: "26.8 → 69.8 BLEU (table 3)". A claim that no paper makes is not one. */
  readonly paper: string | number;
  /**
   * The result of this run; an array holds one value per seed.
   * @default the interval of the judgement
   */
  readonly measured?: string | number | Spread | readonly number[];
  /**
   * The judgement of `lower`, `noWorse`, `above` … on paired seeds; a boolean for a statement that is exact (a law, a
   * count, a byte): true is *supported*, false *contradicted*.
   */
  readonly verdict: Judgement | boolean;
  /** Number of seeds; not needed if `measured` is an array or a spread. */
  readonly seeds?: number;
  /** How the experiment is scaled down, or why the claim does not hold here. */
  readonly note?: string;
  /**
   * Whether the measured value is a time or otherwise differs from run to run. Such a claim gets no verdict, and its
   * value is not compared with earlier runs.
   *
   * @default false
   */
  readonly volatile?: boolean;
}

/**
 * The table of one claim or of several.
 *
 * @example display(replication({ claim, paper, measured, verdict: lower(lora, full, { par: 0.01 }) }))
 */
export function replication(
  claims: Claim | readonly Claim[],
  title = "What the paper says, and what is seen here",
): Table {
  const list = "claim" in claims ? [claims] : claims;
  const rows = list.map(({ claim, paper, measured, verdict, seeds, note, volatile = false }) => {
    const given = measured ?? (typeof verdict === "boolean" ? "" : verdict.why);
    const value = isArray(given) ? meanStd(given) : given;
    return {
      claim,
      paper: String(paper),
      measured: String(value),
      seeds: seeds ?? (isSpread(value) ? value.n : null),
      verdict: volatile ? TIMED : verdictOf(verdict),
      note: note ?? "",
    };
  });
  const columns = ["claim", "paper", "measured", "seeds", "verdict", "note"] as const;
  const shown = columns.filter((key) => rows.some((row) => row[key] !== "" && row[key] !== null));
  const { grid } = table(rows, { title, columns: shown.map((key) => ({ key, label: labels[key] ?? key })) });
  const volatile = list.map((claim) => shown.map((key) => claim.volatile === true && changing.has(key)));
  return new Table(
    { ...grid, volatile },
    list.flatMap(({ verdict, volatile }) => (volatile ? [] : [verdictOf(verdict)])),
  );
}

/** Shown in place of a verdict for volatile claims, whose verdict might change in the next run. */
const TIMED = "timed on this machine: no verdict";

const changing: ReadonlySet<string> = new Set(["measured", "verdict", "note"]);

const labels: Partial<Record<string, string>> = { paper: "paper reports", measured: "this run" };

export function verdictOf(verdict: Claim["verdict"]): Verdict {
  if (typeof verdict === "boolean") return verdict ? "supported" : "contradicted";
  return verdict.verdict;
}

function isArray(value: NonNullable<Claim["measured"]>): value is readonly number[] {
  return Array.isArray(value);
}
