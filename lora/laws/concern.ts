/** @file Which trials a law of the LoRA family applies to, and which trials are malformed. */

import { AdapterError, type Guard } from "../../core/index.ts";
import { type Method, methodOf, methods } from "../methods.ts";
import type { Law, Trial } from "./law.ts";

/** The kinds of layers. */
export const sites: readonly Trial["site"][] = ["linear", "conv1d", "embedding", "conv2d"];
const counts = ["out", "in", "rank", "batch"] as const;

/** Whether the adapters of a method take an option. */
export const hasOption = (method: Trial["method"], option: string): boolean =>
  methodOf(method).adapter.options?.includes(option) ?? true;

/** Whether a law is true of a method: one of your own has the laws of all methods, and those that it lists. */
function isOf(law: Law, method: Trial["method"]): boolean {
  if (typeof method === "string") return law.methods.includes(method);
  if (law.needs === "count" && !method.count) return false;
  if (law.needs === "alpha" && !hasOption(method, "alpha")) return false;
  const ofAll = Object.keys(methods).every((name) => law.methods.includes(name as Method));
  return ofAll || (method.laws ?? []).some(({ name }) => name === law.name);
}

/** Why `law` does not apply to `trial`, or null if it does. */
function exception(law: Law, { method, values, alpha, rank }: Trial): string | null {
  if (!isOf(law, method))
    return `applies to ${law.methods.join(", ")}; got method ${JSON.stringify(methodOf(method).name)}`;
  if (law.values !== undefined && values !== law.values)
    return `applies to numbers that are never rounded (values ${JSON.stringify(law.values)}); got ${JSON.stringify(values)}`;
  if (law.values === "dyadic" && !Number.isInteger(Math.log2(Math.abs(alpha / rank))))
    return `applies to numbers that are never rounded, with α/r a power of two; got ${alpha}/${rank}`;
  return null;
}

/** Whether `law` applies to `trial`: to its method, and to its kind of numbers. */
export const concerns = (law: Law, trial: Trial): boolean => exception(law, trial) === null;

function validate(trial: Trial, who: string): void {
  const refuse = (expected: string, name: keyof Trial): never => {
    throw new AdapterError(`${who}: expected ${expected} in the trial; got ${name} ${String(trial[name])}`);
  };
  if (typeof trial.method !== "object" && !Object.hasOwn(methods, trial.method))
    refuse(`one of ${Object.keys(methods).join(", ")}`, "method");
  if (!sites.includes(trial.site)) refuse(`one of ${sites.join(", ")}`, "site");
  if (trial.values !== "real" && trial.values !== "dyadic") refuse('"real" or "dyadic"', "values");
  for (const name of counts)
    if (!Number.isSafeInteger(trial[name]) || trial[name] < 1) refuse("a positive integer", name);
  if (!Number.isFinite(trial.alpha)) refuse("a finite number", "alpha");
  if (!Number.isSafeInteger(trial.seed) || trial.seed < 0) refuse("an integer from 0", "seed");
}

export const guard: Guard<Trial, Law> = { validate, exception, error: AdapterError };
