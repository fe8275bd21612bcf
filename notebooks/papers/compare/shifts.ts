/** @file What the methods are compared on: two bases with texts that are far from what they know, and one near task. */
import { generate, type LanguageModel } from "lowrank/nn";
import { readersShift } from "../../support/experiments/reader.ts";
import { farShiftOf, type HeldOut, type KnownShift, nearShift } from "../../support/experiments/shifts.ts";

/** A shift, and what is needed to show it. */
export interface Compared extends KnownShift<LanguageModel> {
  /** From what to what, in words. */
  readonly title: string;
  /** The beginning of a text, to be continued. */
  readonly prompt: string;
}

/** What the page compares on: the reader's own base and text if they named one, else code → English. */
export function comparedOn(held: HeldOut): { readonly shift: Compared; readonly isOwn: boolean } {
  const own = readersShift();
  if (!own) return { shift: declarationsToProse(held), isOwn: false };
  const { data } = own.domain.validation[0].ids;
  const prompt = own.tokenizer.decode(Array.from(data.subarray(0, 8)));
  return { shift: compared(own, `${own.base} → ${own.name}`, prompt), isOwn: true };
}

/** Code → English: the base knows TypeScript declarations and learns the prose of their comments. */
export function declarationsToProse(held?: HeldOut): Compared {
  return compared(
    farShiftOf("declarations", held),
    "TypeScript declarations → English comments",
    "The value is ",
  );
}

/** Speeches → a novel: the base knows the State of the Union addresses and learns Moby-Dick. */
export function speechesToMobyDick(held?: HeldOut): Compared {
  return compared(farShiftOf("english", held), "State of the Union → Moby-Dick", "The captain");
}

/** Restaurants in any of 54 styles → the one style of a house: near, and soon learned. */
export function restaurantsToHouse(held?: HeldOut): Compared {
  const title = "restaurants in any style → the style of one house";
  return compared(nearShift("a", held), title, "Aromi Thai cheap river>");
}

function compared(shift: KnownShift<LanguageModel>, title: string, prompt: string): Compared {
  return Object.defineProperties({ title, prompt } as Compared, Object.getOwnPropertyDescriptors(shift));
}

/** What a model writes after the shift's prompt: likely tokens, with the same dice for all models. */
export function continued(model: LanguageModel, shift: Compared, length = 60): string {
  const prompt = Array.from(shift.tokenizer.encode(shift.prompt));
  const { data } = generate(model, [prompt], {
    maxNewTokens: Math.min(length, model.contextLength - prompt.length),
    temperature: 0.5,
    seed: 3,
  });
  return shift.tokenizer.decode(Array.from(data)).replace(/\s*\n\s*/g, " ⏎ ");
}

/** The recipes that a base can take: BitFit needs biases, and Llama has none. */
export function thatApply<R extends { readonly name: string }>(
  shift: KnownShift<LanguageModel>,
  recipes: readonly R[],
): R[] {
  const hasBiases = [...shift.copy().namedParameters()].some(([name]) => name.endsWith(".bias"));
  return recipes.filter(({ name }) => name !== "BitFit" || hasBiases);
}
