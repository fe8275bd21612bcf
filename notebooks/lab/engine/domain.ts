/**
 * @file Texts as batches. The last part of a text is held out; training batches are windows at random places of the rest,
 * drawn from the seed and the number of the step.
 */
import { type Indices, random, scope } from "lowrank/core";
import { evaluated, evenWindows, type Llama, type PretrainedTokenizer, randomWindows } from "lowrank/nn";
import { Refusal, withCommas } from "./refusal.ts";
import type { TargetName } from "./types.ts";

/** Tokens of a window that predict another, windows of a training batch, and windows of an evaluation. */
export const LENGTH = 64;
export const ROWS = 4;
const HELD_OUT_ROWS = 8;

/** A text in tokens: most of it to train on, the rest to measure with. */
export interface Domain {
  readonly training: Int32Array;
  readonly heldOut: Int32Array;
}

/** @throws Refusal when the text has too few tokens for a window of each part */
export function domainOf(tokenizer: PretrainedTokenizer, text: string): Domain {
  const tokens = tokenizer.encode(text);
  const window = LENGTH + 1;
  const heldOut = Math.max(window, Math.floor(0.15 * tokens.length));
  if (tokens.length < heldOut + 2 * window)
    throw new Refusal(
      `Text: expected at least ${withCommas(3 * window)} tokens; got ${withCommas(tokens.length)}. Paste a longer one.`,
    );
  const end = tokens.length - heldOut;
  return { training: tokens.subarray(0, end), heldOut: tokens.subarray(end) };
}

/** The batch of a step, 0 for the first: ids [ROWS, LENGTH + 1]. */
export const batchAt = ({ training }: Domain, seed: number, step: number): Indices =>
  randomWindows(training, LENGTH + 1, ROWS, random(seed).split("batches").split(step));

/** Windows of the held-out part, the same each time: ids [rows, LENGTH + 1]. */
export const heldOutWindows = ({ heldOut }: Domain, rows = HELD_OUT_ROWS): Indices =>
  evenWindows(heldOut, LENGTH + 1, rows);

/** Held-out loss in nats per token. */
export const heldOutLoss = (model: Llama, domain: Domain): number =>
  scope(() => evaluated(model, () => model.loss(heldOutWindows(domain)).item()));

/** What the model is asked to continue, by target. */
export const prompts: Readonly<Record<TargetName, string>> = {
  speeches: "The people of this country",
  "moby-dick": "The old captain",
  code: "export function",
  own: "The",
};
