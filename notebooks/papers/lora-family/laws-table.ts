/** @file Every law of the family, tried on every method that it concerns. */
import { laws, type Method, trial } from "lowrank/lora";
import { type Table, table } from "../../support/show/table.ts";

const sites = ["linear", "conv1d", "embedding", "conv2d"] as const;
const methods = ["lora", "dora", "adalora", "lora-fa"] as const satisfies readonly Method[];

/** What trying a law on a method said. */
interface Outcome {
  readonly trials: number;
  readonly holds: boolean;
  readonly exact: boolean;
}

export interface LawsTried {
  readonly table: Table;
  readonly laws: number;
  readonly trials: number;
  /** Trials in which a law did not hold. */
  readonly broken: number;
  /** Laws that held to the last bit in all trials. */
  readonly exact: number;
}

/** Tries every law on `trials` random layers of each kind for each method. */
export function tryLaws(trials: number): LawsTried {
  const rows = Object.values(laws).map((law) => {
    const outcomes = methods.map((method): Outcome | null => {
      if (!law.methods.includes(method)) return null;
      const found = sites.flatMap((site) =>
        Array.from({ length: trials }, (_, seed) =>
          law.check({ ...trial, method, site, values: law.values ?? "real", seed }),
        ),
      );
      return {
        trials: found.length,
        holds: found.every(({ holds }) => holds),
        exact: found.every(({ error }) => error === 0),
      };
    });
    return { law, outcomes };
  });
  const all = rows.flatMap(({ outcomes }) => outcomes.filter((one) => one !== null));
  const word = (one: Outcome | null): string => {
    if (!one) return "";
    if (!one.holds) return "BROKEN";
    return one.exact ? "exact" : "rounding";
  };
  return {
    table: table(
      rows.map(({ law, outcomes }) => ({
        law: law.statement,
        equation: law.equation,
        ...Object.fromEntries(methods.map((method, i) => [method, word(outcomes[i])])),
      })),
      {
        title: "The laws, by method",
        note: "exact: to the last bit. rounding: within the bound that rounding sets. An empty cell: the law is about other methods.",
      },
    ),
    laws: rows.length,
    trials: all.reduce((sum, one) => sum + one.trials, 0),
    broken: all.filter(({ holds }) => !holds).length,
    exact: rows.filter(({ outcomes }) => outcomes.every((one) => one === null || one.exact)).length,
  };
}
