/** @file What a model writes: the likeliest token each time, where one that stands there already counts less. */
import { generate, type Llama, type PretrainedTokenizer } from "lowrank/nn";
import { Refusal } from "./refusal.ts";
import { REPETITION_PENALTY } from "./types.ts";

/** Tokens that a model adds to a prompt. */
export const WRITTEN = 40;

/** How the model goes on after the prompt, without the prompt itself. @throws Refusal when the prompt is empty or too long */
export function continuation(
  model: Llama,
  tokenizer: PretrainedTokenizer,
  prompt: string,
  count = WRITTEN,
): string {
  const ids = [...tokenizer.encode(prompt)];
  const most = model.contextLength - count;
  if (ids.length === 0) throw new Refusal("Prompt: expected at least one word; got none.");
  if (ids.length > most)
    throw new Refusal(`Prompt: expected at most ${most} tokens; got ${ids.length}. Take a shorter one.`);
  const { rows } = generate(model, [ids], { maxNewTokens: count, repetitionPenalty: REPETITION_PENALTY });
  return tokenizer.decode(rows[0]).slice(tokenizer.decode(ids).length);
}
