/**
 * @file Replications: what the paper reports, what this run measured, and whether the paper's claim holds here.
 * A claim that does not hold is shown as such.
 */

import type { Verdict } from "../notebook/session.ts";
import { isSpread, meanStd, type Spread } from "./format.ts";
import { Table, table } from "./table.ts";

export interface Claim {
  /** The claim, as a statement that a number can decide. */
  readonly claim: string;
  /** What the paper reports, and where: "26.8 → 69.8 BLEU (table 3)". */
  readonly paper: string | number;
  /** What this run measured; an array holds one value per seed. */
  readonly measured: string | number | Spread | readonly number[];
  /** The predicate's value: does the claim hold for what was measured? */
  readonly holds: boolean | "partly";
  /** How many seeds; known already if `measured` is an array or a spread. */
  readonly seeds?: number;
  /** How the experiment is scaled down; why the numbers differ. */
  readonly note?: string;
  /**
   * What was measured differs from run to run, since it is a time: it is this machine's, gets no verdict, and is not
   * checked against a run before.
   */
  readonly volatile?: boolean;
}

/** One claim, or several, side by side: `display(replication({ claim, paper, measured, holds, note }))`. */
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

/** In place of a verdict that the next run might turn. */
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
