/**
 * @file Tables of claims: what the paper reports, what this run measured, and whether the paper's claim holds here. A
 * claim that does not hold is shown as such.
 */

import type { Verdict } from "../notebook/session.ts";
import { isSpread, meanStd, type Spread } from "./format.ts";
import { Table, table } from "./table.ts";

export interface Claim {
  /** The claim, as a statement that numbers can decide. */
  readonly claim: string;
  /** The paper's result and its place: "26.8 → 69.8 BLEU (table 3)". */
  readonly paper: string | number;
  /** The result of this run; an array holds one value per seed. */
  readonly measured: string | number | Spread | readonly number[];
  /** Whether the claim holds for the measured numbers. */
  readonly holds: boolean | "partly";
  /** Number of seeds; not needed if `measured` is an array or a spread. */
  readonly seeds?: number;
  /** How the experiment is scaled down, or why the numbers differ. */
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
 * @example display(replication({ claim, paper, measured, holds, note }))
 */
export function replication(
  claims: Claim | readonly Claim[],
  title = "What the paper says, and what holds here",
): Table {
  const list = "claim" in claims ? [claims] : claims;
  const rows = list.map(({ claim, paper, measured, holds, seeds, note, volatile = false }) => {
    const value = isArray(measured) ? meanStd(measured) : measured;
    return {
      claim,
      paper: String(paper),
      measured: String(value),
      seeds: seeds ?? (isSpread(value) ? value.n : null),
      verdict: volatile ? TIMED : verdict(holds),
      note: note ?? "",
    };
  });
  const columns = ["claim", "paper", "measured", "seeds", "verdict", "note"] as const;
  const shown = columns.filter((key) => rows.some((row) => row[key] !== "" && row[key] !== null));
  const { grid } = table(rows, { title, columns: shown.map((key) => ({ key, label: labels[key] ?? key })) });
  const volatile = list.map((claim) => shown.map((key) => claim.volatile === true && changing.has(key)));
  return new Table(
    { ...grid, volatile },
    list.flatMap(({ holds, volatile }) => (volatile ? [] : [verdict(holds)])),
  );
}

/** Shown in place of a verdict for volatile claims, whose verdict might change in the next run. */
const TIMED = "timed on this machine: no verdict";

const changing: ReadonlySet<string> = new Set(["measured", "verdict", "note"]);

const labels: Partial<Record<string, string>> = { paper: "paper reports", measured: "this run" };

function verdict(holds: Claim["holds"]): Verdict {
  if (holds === "partly") return "partly";
  return holds ? "holds" : "does not hold";
}

function isArray(value: Claim["measured"]): value is readonly number[] {
  return Array.isArray(value);
}
