/** @file The visible training loop's task: a base that knows restaurants in any style is adapted to one style. */
import { type GPT2, generate, type LanguageModel } from "lowrank/nn";
import { decode, encode } from "../../support/data/domain.ts";
import { type KnownShift, nearShift } from "../../support/index.ts";

export interface House extends Pick<KnownShift<GPT2>, "copy" | "domain"> {
  /** Two prompts that are held out, with what the style asks for. */
  readonly examples: readonly { readonly prompt: string; readonly wanted: string }[];
}

export function house(): House {
  const shift = nearShift("a", { reported: 128, choosing: 32 });
  const { data, shape } = shift.domain.validation[0].ids;
  const examples = [0, 1].map((row) => {
    const line = decode(data.subarray(row * shape[1], (row + 1) * shape[1]));
    const [prompt, wanted] = line.split(/(?<=>)/);
    return { prompt, wanted: wanted.trim() };
  });
  return { copy: shift.copy, domain: shift.domain, examples };
}

/** What the model writes after the prompt, up to the end of the line; samples with a fixed seed. */
export function completion(model: LanguageModel, prompt: string): string {
  const options = { maxNewTokens: 56, temperature: 1, seed: 1, stopTokens: [0], stopAtContextEnd: true };
  const { rows } = generate(model, [[...encode(prompt)]], options);
  return decode(rows[0]).slice(prompt.length).trim();
}
