/** @file One case of the fuzzer: files that are wrong in one to three places, given to the library. */

import { LowrankError, random } from "lowrank/core";
import { type Mutation, mutate } from "./mutate.ts";
import { Changed, place, type Target } from "./target.ts";
import { targets } from "./targets.ts";

export type Outcome =
  /** A typed error, and nothing has changed. */
  | "refused"
  /** What the bytes say has been loaded. */
  | "loaded"
  /** All else. */
  | "wrong";

export interface Result {
  readonly target: string;
  readonly outcome: Outcome;
  /** What was changed in the file, and what came of it. */
  readonly what: string;
}

/** Most memory that a case may take: the files have a few kB. */
const MOST_BYTES = 200e6;

const made = new Map<string, Target>();

/** Case `i` of a seed; the same each time. @param folder where its files go */
export function runCase(
  seed: number,
  i: number,
  folder: string,
  names: readonly string[] = Object.keys(targets),
): Result {
  const name = names[i % names.length];
  let target = made.get(name);
  if (!target) made.set(name, (target = targets[name]()));
  const rng = random(seed).split(name).split(i);
  let mutation: Mutation = { files: target.files, what: "" };
  const changes = rng.float() < 0.7 ? 1 : 2 + Math.floor(2 * rng.float());
  for (let k = 0; k < changes; k++) {
    try {
      const { files, what } = mutate(mutation.files, rng);
      mutation = { files, what: mutation.what ? `${mutation.what}, ${what}` : what };
    } catch (error) {
      if (mutation.what === "") throw error;
      break; // too broken for another change of its structure
    }
  }
  place(mutation.files, folder);
  const before = process.resourceUsage().maxRSS;
  const [outcome, said] = outcomeOf(() => target.load(mutation.files, folder));
  const grown = 1000 * (process.resourceUsage().maxRSS - before);
  const what = `${mutation.what}: ${said}`;
  if (grown > MOST_BYTES)
    return { target: name, outcome: "wrong", what: `${what}; it took ${grown / 1e6} MB` };
  return { target: name, outcome, what };
}

function outcomeOf(load: () => string | null): [Outcome, string] {
  try {
    const problem = load();
    return problem === null ? ["loaded", "loaded"] : ["wrong", problem];
  } catch (error) {
    if (error instanceof LowrankError) return ["refused", error.message];
    const text = error instanceof Changed ? error.message : `an untyped error: ${(error as Error).stack}`;
    return ["wrong", text];
  }
}
