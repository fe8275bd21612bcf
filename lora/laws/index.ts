/**
 * @file The laws of the family. Each is a sentence with its equation and a check of it on a trial: a small layer, an
 * adapter, numbers. The tests run every law on hundreds of random trials; anyone can run one:
 *
 *     laws.mergedIsAdapted.check({ ...trial, method: "dora" })      { holds: true, error: 1.2e-7, bound: 2.0e-5 }
 */

import { type GuardedLaw, guardLaws } from "../../core/index.ts";
import type { Method } from "../methods.ts";
import type { MethodDefinition } from "../model/method.ts";
import { algebraLaws } from "./algebra.ts";
import { type CheckLawsOptions, checkLawsOf, type LawReport } from "./check-laws.ts";
import { concerns, guard } from "./concern.ts";
import type { Law, Trial } from "./law.ts";
import { methodLaws } from "./methods.ts";
import { operationLaws } from "./operations.ts";
import { trainingLaws } from "./training.ts";

export type { CheckLawsOptions, LawReport } from "./check-laws.ts";
export { concerns } from "./concern.ts";
export type { Law, Trial } from "./law.ts";

/** A trial to begin with. */
export const trial: Trial = {
  method: "lora",
  site: "linear",
  out: 6,
  in: 5,
  rank: 2,
  alpha: 4,
  batch: 3,
  values: "real",
  seed: 0,
};

const groups = { ...operationLaws, ...algebraLaws, ...trainingLaws, ...methodLaws };

export const laws: Readonly<Record<keyof typeof groups, GuardedLaw<Trial, Law>>> = guardLaws<
  Trial,
  Law,
  keyof typeof groups
>("laws", groups, guard);

/**
 * Runs every law that applies to a method on random layers: the laws of every method, and those that its definition
 * lists.
 *
 * @example
 *     const reports = checkLaws(vera);
 *     const broken = reports.filter(({ holds }) => !holds); // []
 *
 * @param method a value of `defineMethod`, or the name of a method of this library
 * @returns one report per law
 * @throws ArgumentError on an option that there is not, and unless `trials` is a positive integer
 */
export const checkLaws = (method: Method | MethodDefinition, options: CheckLawsOptions = {}): LawReport[] =>
  checkLawsOf(laws, concerns, method, options);
