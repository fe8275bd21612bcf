/** @file Which trials a law speaks of, and what a check must answer. */

import { AdapterError } from "../../core/index.ts";
import { type Method, methods } from "../methods.ts";
import type { Finding, Law, Trial } from "./law.ts";

const builtIn: ReadonlySet<string> = new Set(Object.keys(methods));
const sites: readonly Trial["site"][] = ["linear", "conv1d", "embedding", "conv2d"];
const counts = ["out", "in", "rank", "batch"] as const;

/** Why `law` says nothing about `trial`, or null where it does. A method that is not the library's own is tried. */
export function unconcerned(law: Law, { method, values, alpha, rank }: Trial): string | null {
  if (builtIn.has(method) && !law.methods.includes(method))
    return `speaks of ${law.methods.join(", ")}; got method ${JSON.stringify(method)}`;
  if (law.values !== undefined && values !== law.values)
    return `speaks of numbers that are never rounded (values ${JSON.stringify(law.values)}); got ${JSON.stringify(values)}`;
  if (law.values === "dyadic" && !Number.isInteger(Math.log2(Math.abs(alpha / rank))))
    return `speaks of numbers that are never rounded, with α/r a power of two; got ${alpha}/${rank}`;
  return null;
}

/** Whether `law` speaks of `trial`: of its method, and of its kind of numbers. */
export const concerns = (law: Law, trial: Trial): boolean => unconcerned(law, trial) === null;

/** `law` with a check that says when it is not concerned, and that has to answer. */
export function guarded(key: string, law: Law): Law {
  return {
    ...law,
    check(trial) {
      checkTrial(key, trial);
      const why = unconcerned(law, trial);
      if (why !== null)
        throw new AdapterError(`laws.${key}: this law ${why}; ask concerns(law, trial) first`);
      const finding = law.check(trial) as Finding | undefined;
      if (typeof finding?.holds !== "boolean" || Number.isNaN(finding.error) || Number.isNaN(finding.bound))
        throw new AdapterError(`laws.${key}: the check found nothing; got ${JSON.stringify(finding)}`);
      return finding;
    },
  };
}

function checkTrial(key: string, trial: Trial): void {
  const refuse = (expected: string, name: keyof Trial): never => {
    throw new AdapterError(
      `laws.${key}: expected ${expected} in the trial; got ${name} ${String(trial[name])}`,
    );
  };
  if (!Object.hasOwn(methods, trial.method as Method))
    refuse(`one of ${Object.keys(methods).join(", ")}`, "method");
  if (!sites.includes(trial.site)) refuse(`one of ${sites.join(", ")}`, "site");
  if (trial.values !== "real" && trial.values !== "dyadic") refuse('"real" or "dyadic"', "values");
  for (const name of counts)
    if (!Number.isSafeInteger(trial[name]) || trial[name] < 1) refuse("a positive integer", name);
  if (!Number.isFinite(trial.alpha)) refuse("a finite number", "alpha");
  if (!Number.isSafeInteger(trial.seed) || trial.seed < 0) refuse("an integer from 0", "seed");
}
