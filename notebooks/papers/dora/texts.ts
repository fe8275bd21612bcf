/** @file What is shown of the texts: an excerpt, what a model writes, what a house would write. */
import { random } from "lowrank/core";
import { generate, type LanguageModel } from "lowrank/nn";
import { houseStyle } from "../../support/data/house-style.ts";
import { type KnownShift, nearShift } from "../../support/experiments/shifts.ts";
import { type ArmResult, halfway, reordered } from "../../support/experiments/study.ts";

/** What a model writes after `prompt`: so many tokens, or up to the end of the line. */
export function written(
  { tokenizer }: KnownShift,
  model: LanguageModel,
  prompt: string,
  { length = 60, line = false }: { readonly length?: number; readonly line?: boolean } = {},
): string {
  const ids = [...tokenizer.encode(prompt)];
  const { rows } = generate(model, [ids], {
    maxNewTokens: length,
    stopAtContextEnd: true,
    temperature: 0.7,
    seed: 1,
  });
  const text = tokenizer.decode(rows[0].slice(ids.length)).trimEnd();
  return line ? text.split("\n")[0] : text.replaceAll("\n", " ⏎ ");
}

/** The first ids of a shift's held-out text. */
export function sample({ domain }: KnownShift, length: number): number[] {
  return [...domain.validation[0].ids.data.subarray(0, length)];
}

/** They as text. */
export function excerpt(shift: KnownShift, length: number): string {
  return shift.tokenizer.decode(sample(shift, length)).replaceAll("\n", " ⏎ ");
}

/** Whether the order of the arms changes between the search, at half of the steps, and the reported runs, in a sentence. */
export function orderSentence(studies: readonly (readonly ArmResult<unknown>[])[], par: number): string {
  if (studies.flat().every(({ tried }) => tried.length === 0))
    return "The quick setting has no search, so it does not say whether the order of the methods would change with more steps.";
  const turned = studies.flatMap((results) => reordered(halfway(results), results, { par }));
  return turned.length === 0
    ? "Doubling the steps, from the search's to these, changes no order of two methods."
    : `Doubling the steps, from the search's to these, changes the order of ${turned.join("; ")}: these pairs would need longer runs.`;
}

/** The house's sentence for the facts of a prompt. */
export function houseAnswer(prompt: string): string {
  for (let seed = 0; seed < 1e5; seed++) {
    const example = houseStyle.sample(random(seed));
    if (example.prompt === prompt) return example.completion.trimEnd();
  }
  throw new RangeError(`houseAnswer: expected the facts of a restaurant and ">"; got ${prompt}`);
}

/** The training of the near shift: so many steps of 8 rows, the rates chosen at half of them. */
export const nearTraining = <T extends object>(training: T, steps: number) => ({
  ...training,
  steps,
  searchSteps: Math.ceil(steps / 2),
  rows: 8,
});

/** From any style to the style of a house, from the first `bases` of the two bases that know the restaurants. */
export function nearShifts(bases: number, reported: number): KnownShift[] {
  return (["a", "b"] as const).slice(0, bases).map((name) => nearShift(name, { reported }));
}
