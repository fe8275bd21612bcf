/** @file The visible training loop's task: a base that knows restaurants in any style is adapted to one style. */
import { random } from "lowrank/core";
import { type GPT2, generate, type LanguageModel } from "lowrank/nn";
import { type Domain, decode, encode, taskDomain } from "../../support/data/domain.ts";
import { houseStyle } from "../../support/data/house-style.ts";
import { committedBase, TIME } from "../../support/experiments/bases.ts";

export interface House {
  copy(): GPT2;
  readonly domain: Domain;
  /** Two prompts that are held out, with what the style asks for. */
  readonly examples: readonly { readonly prompt: string; readonly wanted: string }[];
}

export function house(): House {
  const domain = taskDomain(houseStyle, { time: TIME, test: 128, random: random(11) });
  const { data, shape } = domain.validation[0].ids;
  const examples = [0, 1].map((row) => {
    const line = decode(data.subarray(row * shape[1], (row + 1) * shape[1]));
    const [prompt, wanted] = line.split(/(?<=>)/);
    return { prompt, wanted: wanted.trim() };
  });
  return { copy: committedBase("restaurants-a").copy, domain, examples };
}

/** What the model writes after the prompt, up to the end of the line; samples with a fixed seed. */
export function completion(model: LanguageModel, prompt: string): string {
  const options = { maxNewTokens: 56, temperature: 1, seed: 1, stopTokens: [0], stopAtContextEnd: true };
  const { rows } = generate(model, [[...encode(prompt)]], options);
  return decode(rows[0]).slice(prompt.length).trim();
}
