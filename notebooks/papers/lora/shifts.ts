/** @file The houses to whose style the bases are adapted on this page, and what a model writes. */
import { type GPT2, generate, type LanguageModel } from "lowrank/nn";
import { acceptability } from "../../support/data/classification.ts";
import { IGNORED } from "../../support/data/domain.ts";
import type { HeldOut } from "../../support/experiments/shifts.ts";
import { type KnownShift, taskShift } from "../../support/index.ts";
import { houseWithRules } from "./rules.ts";

const NAMES = ["a", "b"] as const;

/**
 * The first `bases` of the two bases that write about restaurants in any style, to be adapted to a house with so many
 * rules.
 */
export function houses(rules: number, bases: number, held: HeldOut): KnownShift[] {
  return NAMES.slice(0, bases).map((base) => taskShift(base, houseWithRules(rules), held));
}

/** Tokens of a sentence and its label. */
const SENTENCE = 52;

/** The same bases, to be adapted to a classification in the manner of CoLA: are the words of a sentence in order? */
export function wordOrder(bases: number, held: HeldOut): KnownShift[] {
  return NAMES.slice(0, bases).map((base) => taskShift(base, acceptability, held, SENTENCE));
}

export interface Row {
  readonly prompt: string;
  /** What follows in the held-out row. */
  readonly wanted: string;
}

/** The first `count` held-out rows: the prompt of a task and its completion, or a text in two halves. */
export function heldOut({ domain, tokenizer }: KnownShift<LanguageModel>, count: number): Row[] {
  const [{ ids, labels }] = domain.validation;
  const width = ids.shape[1];
  return Array.from({ length: count }, (_, at) => {
    const [row, counted] = [ids, labels].map(({ data }) => data.subarray(at * width, (at + 1) * width));
    const isTask = counted[0] === IGNORED;
    const from = isTask ? counted.findIndex((id) => id !== IGNORED) : Math.floor(width / 2);
    const [prompt, wanted] = [row.subarray(0, from), row.subarray(from)].map((part) =>
      tokenizer.decode(part),
    );
    return { prompt, wanted: wanted.trimEnd() };
  });
}

/** What the model writes after each prompt: samples with a fixed seed, up to the end of the line. */
export function completions(
  model: LanguageModel,
  { tokenizer }: Pick<KnownShift<GPT2>, "tokenizer">,
  prompts: readonly string[],
): string[] {
  return prompts.map((prompt) => {
    const ids = [...tokenizer.encode(prompt)];
    const options = { maxNewTokens: 56, temperature: 1, seed: 1, stopAtContextEnd: true };
    const { rows } = generate(model, [ids], { ...options, stopStrings: "\n", tokenizer });
    return tokenizer.decode(rows[0].slice(ids.length)).trimEnd();
  });
}
