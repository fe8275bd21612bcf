/** @file What the AdaLoRA page adapts: a base of code, or one of restaurants, to English prose. */
import { type GPT2, generate, type LanguageModel } from "lowrank/nn";
import { textDomain } from "../../support/data/domain.ts";
import { committedBase, TIME } from "../../support/experiments/bases.ts";
import { type KnownShift, shiftOf } from "../../support/experiments/shifts.ts";
import { farShift } from "../../support/index.ts";

/** A base that has seen neither code nor prose, to be adapted to the comments of code; 512 windows are held out. */
export function fromRestaurants(): KnownShift<GPT2> {
  const comments = textDomain("the comments", farShift().target, { time: TIME, windows: 512 + 96 });
  return shiftOf(committedBase("restaurants-a"), "the comments", comments, 3);
}

const PROMPT = 16;

/** The first tokens of a held-out window as a prompt, and how the text goes on. */
export function heldOutText(
  { domain, tokenizer }: KnownShift,
  row = 1,
): { prompt: number[]; text: string; wanted: string } {
  const { data, shape } = domain.validation[0].ids;
  const ids = Array.from(data.subarray(row * shape[1], (row + 1) * shape[1]));
  const prompt = ids.slice(0, PROMPT);
  return { prompt, text: tokenizer.decode(prompt), wanted: shown(tokenizer.decode(ids.slice(PROMPT))) };
}

/** How a model goes on after the prompt: samples with a fixed seed. */
export function continuation(model: LanguageModel, { tokenizer }: KnownShift, prompt: number[]): string {
  const options = { maxNewTokens: 60, temperature: 0.7, seed: 1, stopAtContextEnd: true };
  const { rows } = generate(model, [prompt], options);
  return shown(tokenizer.decode(Array.from(rows[0]).slice(prompt.length)));
}

const shown = (text: string): string => text.replaceAll("\n", " ⏎ ");
