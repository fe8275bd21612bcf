/** @file The sample: what the model writes after the prompt, before and after training, with the same seed. */

import { random } from "../../../../core/index.ts";
import { generate } from "../../../../nn/index.ts";
import type { PreparedRun } from "./training.ts";

/** A prompt, and what the model writes after it. */
export interface Sample {
  readonly prompt: string;
  readonly before: string;
  readonly after: string;
}

/** Of a sample's tokens, how predictable they are. */
export const SAMPLING = { temperature: 0.8, topP: 0.95 } as const;

/** What the model writes now, as `before`; null where no sample is asked for or there is no room for one. */
export function sampleOf({ settings, tokenizer, adapted, data }: PreparedRun): Sample | null {
  const { contextLength } = adapted.model;
  const { text, ids } = data.prompt;
  if (settings.sampleTokens === 0 || ids.length === 0) return null;
  const maxNewTokens = Math.min(settings.sampleTokens, contextLength - 1);
  const kept = ids.slice(-(contextLength - maxNewTokens)); // the end of a long prompt
  const all = generate(adapted, [[...kept]], {
    maxNewTokens,
    ...SAMPLING,
    rng: random(settings.seed).split("sample"),
    stopTokens: tokenizer.eosToken ? [tokenizer.eosToken.id] : [],
  }).data;
  return { prompt: text, before: continuation(tokenizer, kept, all), after: "" };
}

/** The text of the ids after the prompt, with the space that may begin it. */
function continuation({ decode }: PreparedRun["tokenizer"], prompt: Int32Array, all: Int32Array): string {
  const [known, whole] = [decode(prompt), decode(all)];
  return whole.startsWith(known) ? whole.slice(known.length) : decode(all.slice(prompt.length));
}
