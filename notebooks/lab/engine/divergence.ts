/** @file When a run diverges: it is stopped then, with one sentence that says what was seen and what to change. */
import type { Llama } from "lowrank/nn";
import { uses } from "./controls.ts";
import type { Controls } from "./types.ts";

/** Nats above guessing, or above the first loss where that is higher, at which one loss is enough. */
const FAR = 3;
/** So many steps whose mean loss is above both, by so much above the first, are enough too. */
const [RECENT, NEAR] = [5, 0.5];

/**
 * What is wrong with the losses of a run, or null. The last one may be no number, or far above what guessing among all
 * tokens gives, ln V; the last few may be above it on average. A text that the base finds harder than guessing begins
 * there, and may stay there.
 */
export function divergenceOf(losses: readonly number[], { config }: Llama): string | null {
  const guess = Math.log(config.vocab_size);
  const [first, last] = [losses[0], losses[losses.length - 1]];
  const beside = `where guessing has ${guess.toFixed(2)}`;
  if (!Number.isFinite(last)) return "its loss is no number any more";
  if (losses.length === 1) return null;
  if (last > Math.max(guess, first) + FAR) return `its loss is ${last.toFixed(1)} nats, ${beside}`;
  if (losses.length < RECENT) return null;
  const mean = losses.slice(-RECENT).reduce((sum, loss) => sum + loss, 0) / RECENT;
  if (mean <= Math.max(guess, first + NEAR)) return null;
  return `its last ${RECENT} losses are ${mean.toFixed(1)} nats on average, ${beside}`;
}

/** What the visitor reads. `step`: the one that was tried, 1 for the first. */
export function sentenceOfDivergence(step: number, what: string, controls: Controls): string {
  const { method, rate, alpha, rank } = controls;
  const factor = uses("alpha", method) ? ` with α/r = ${Number((alpha / rank).toPrecision(3))}` : "";
  return `The run stopped at step ${step}: ${what}. The learning rate ${rate}${factor} is too high; take a smaller one.`;
}
