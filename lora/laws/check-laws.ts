/** @file checkLaws: every law that applies to a method, on random layers. */

import { ArgumentError, checkOptions, type LawResult, type Random, random } from "../../core/index.ts";
import { type Method, methodOf } from "../methods.ts";
import type { MethodDefinition } from "../model/method.ts";
import { sites as kinds } from "./concern.ts";
import type { Law, Trial } from "./law.ts";

/** How a law fared on all its trials. */
export interface LawReport {
  readonly law: string;
  readonly statement: string;
  readonly equation: string;
  readonly holds: boolean;
  readonly trials: number;
  /** The result of the first trial on which it does not hold, else the one with the largest error. */
  readonly worst: LawResult;
  /** The first trial on which it does not hold; null if there is none. `law.check` runs it again. */
  readonly counterexample: Trial | null;
}

/** Which trials are drawn. */
export interface CheckLawsOptions {
  /** @default 20 */
  readonly trials?: number;
  /** @default 0 */
  readonly seed?: number;
  /**
   * The kinds of layers that the method goes on.
   * @default all four
   */
  readonly sites?: readonly Trial["site"][];
}

const known = ["trials", "seed", "sites"];

/** The reports of `checkLaws`, from the laws of the library and the question which of them apply. */
export function checkLawsOf(
  laws: Readonly<Record<string, Law>>,
  concerns: (law: Law, trial: Trial) => boolean,
  method: Method | MethodDefinition,
  options: CheckLawsOptions = {},
): LawReport[] {
  checkOptions("checkLaws", options, known);
  const { trials = 20, seed = 0, sites = kinds } = options;
  if (!Number.isSafeInteger(trials) || trials < 1)
    throw new ArgumentError("checkLaws", "trials to be a positive integer", { trials });
  if (!Array.isArray(sites) || sites.length === 0 || !sites.every((site) => kinds.includes(site)))
    throw new ArgumentError("checkLaws", `sites to be a list among ${kinds.join(", ")}`, { sites });
  const named = new Set(Object.values(laws).map(({ name }) => name));
  const own = (methodOf(method).laws ?? []).filter(({ name }) => !named.has(name));
  return [...Object.values(laws), ...own].flatMap((law) => {
    const rng = random(seed).split(law.name);
    const drawn = Array.from({ length: trials }, () => trialFor(law, method, sites, rng));
    const apply = drawn.filter((trial) => concerns(law, trial));
    return apply.length > 0 ? [reportOf(law, apply)] : [];
  });
}

function reportOf(law: Law, trials: readonly Trial[]): LawReport {
  const { name, statement, equation } = law;
  let worst: LawResult | null = null;
  for (const trial of trials) {
    const result = law.check(trial);
    if (!result.holds)
      return {
        law: name,
        statement,
        equation,
        holds: false,
        trials: trials.length,
        worst: result,
        counterexample: trial,
      };
    if (worst === null || result.error > worst.error) worst = result;
  }
  return {
    law: name,
    statement,
    equation,
    holds: true,
    trials: trials.length,
    worst: worst as LawResult,
    counterexample: null,
  };
}

/** A random trial of the kind that the law is about. */
function trialFor(law: Law, method: Trial["method"], sites: readonly Trial["site"][], rng: Random): Trial {
  const size = (): number => 1 + rng.integer(6);
  const [out, into, batch] = [size(), size(), 1 + rng.integer(4)];
  const rank = 1 + rng.integer(Math.min(out, into));
  const values = law.values ?? (["real", "dyadic"] as const)[rng.integer(2)];
  return {
    method,
    site: sites[rng.integer(sites.length)],
    out,
    in: into,
    rank,
    alpha: rank * 2 ** (rng.integer(4) - 1),
    batch,
    values,
    seed: rng.integer(2 ** 31),
  };
}
