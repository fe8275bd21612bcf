/**
 * @file Texts as batches. The last part of a text is held out; training batches are windows at random places of the rest,
 * drawn from the seed and the number of the step.
 */
import { type Indices, random, scope } from "lowrank/core";
import { evaluated, evenWindows, type Llama, type PretrainedTokenizer, randomWindows } from "lowrank/nn";
import { Refusal } from "./refusal.ts";
import type { TargetName } from "./types.ts";

/** Tokens of a window that predict another, windows of a training batch, and windows of an evaluation. */
export const LENGTH = 64;
export const ROWS = 4;
const HELD_OUT_ROWS = 8;

/** A text in tokens: most of it to train on, the last part to measure with. */
export interface Domain {
  readonly training: Int32Array;
  readonly heldOut: Int32Array;
}

/** The part of a text that is held out. */
const HELD_OUT = 0.15;

/**
 * The training part is encoded when it is first asked for: a page starts with four texts, and trains on one.
 * @throws Refusal when the text has too few tokens for a window of each part
 */
export function domainOf(tokenizer: PretrainedTokenizer, text: string): Domain {
  const near = Math.floor((1 - HELD_OUT) * text.length);
  // No word is cut where there are spaces, and no emoji where there are none.
  const end = near + Math.max(0, text.slice(near).search(/[\s\ud800-\udbff]/));
  const heldOut = tokenizer.encode(text.slice(end));
  checkLength(heldOut);
  let training: Int32Array | null = null;
  return {
    heldOut,
    get training() {
      return (training ??= tokenizer.encode(text.slice(0, end)));
    },
  };
}

/** A part of a text. @throws Refusal when it is shorter than a window */
function checkLength(tokens: Int32Array): Int32Array {
  const least = LENGTH + 1;
  if (tokens.length >= least) return tokens;
  throw new Refusal(
    `Text: expected at least ${least} tokens in its last part, which is held out; got ${tokens.length}. Paste a longer one.`,
  );
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
