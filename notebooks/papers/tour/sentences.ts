/** @file Sentences that a model writes about restaurants, and how many of them are in the style of the house. */
import { random } from "lowrank/core";
import { generate, type LanguageModel } from "lowrank/nn";
import { decode, encode } from "../../support/data/domain.ts";
import { houseStyle } from "../../support/data/house-style.ts";
import { type Example, split } from "../../support/data/tasks.ts";

/** Restaurants with the sentence of the house. The first ones are shown, all are counted. */
export const restaurants = (count: number): Example[] =>
  split(houseStyle, { train: 0, test: count }, random(11)).test;

/** What the model writes after each prompt: at each place the likeliest character, to the end of the line. */
export function write(model: LanguageModel, list: readonly Example[]): string[] {
  const prompts = list.map(({ prompt }) => [...encode(prompt)]);
  const { rows } = generate(model, prompts, { maxNewTokens: 50, stopTokens: [0] });
  return rows.map((row, i) => decode(row.slice(prompts[i].length)).replace(/\n.*$/s, ""));
}

/** How many of the sentences are those of the house, to the last character. */
export const inStyle = (written: readonly string[], list: readonly Example[]): number =>
  written.filter((text, i) => `${text}\n` === list[i].completion).length;
