/** @file The data of a run: what it learns from, what it is validated on, and what the sample continues. */

import { LowrankError, random } from "../../../../core/index.ts";
import type { PretrainedTokenizer } from "../../../../nn/index.ts";
import { windowRandom } from "./batches.ts";
import { readTexts, type SourceText } from "./read.ts";
import {
  beginning,
  type Example,
  type ExampleOptions,
  examplesIn,
  type Prompt,
  promptIn,
  promptOf,
} from "./records.ts";
import type { RunSettings } from "./settings.ts";
import { cutExamples, exampleSource, type Source, windowSource } from "./source.ts";

/** The data of a run. */
export interface RunData {
  readonly train: Source;
  readonly validation: Source | null;
  /** What the sample continues. */
  readonly prompt: Prompt;
  /** What a user should know: examples that were cut or left out. */
  readonly notes: readonly string[];
}

/** What the data must fit. */
export interface DataOptions {
  readonly tokenizer: PretrainedTokenizer;
  /** Most tokens of the model's input. */
  readonly contextLength: number;
  /** Number of tokens that the model knows. */
  readonly vocabSize: number;
  readonly stdin: NodeJS.ReadableStream;
}

/** Tokens of a window where --length is not given. */
const WINDOW = 128;

/** @throws LowrankError when a file cannot be read, is no such data, or has too little of it for the run */
export async function loadData(settings: RunSettings, options: DataOptions): Promise<RunData> {
  const { length } = settings;
  const { contextLength } = options;
  if (length !== undefined && length > contextLength)
    throw new LowrankError(`--length: expected at most ${contextLength}, the model's context; got ${length}`);
  const data =
    settings.text.length > 0 ? await textData(settings, options) : await exampleData(settings, options);
  for (const source of [data.train, data.validation]) if (source) checkIds(source, settings, options);
  return data;
}

async function textData(settings: RunSettings, options: DataOptions): Promise<RunData> {
  const { tokenizer, contextLength, stdin } = options;
  const { length = Math.min(WINDOW, contextLength), validation, validationText, seed } = settings;
  const texts = await readTexts("--text", settings.text, stdin);
  const name = texts.map((text) => text.name).join(", ");
  const tokens = streamOf(tokenizer, texts);
  const windows = (who: string, part: Int32Array): Source =>
    windowSource(who, part, length, windowRandom(seed));
  const prompt = promptOf(tokenizer, settings.prompt ?? beginning(texts[0].text));
  if (validationText.length > 0) {
    const other = streamOf(tokenizer, await readTexts("--validation-text", validationText, stdin));
    const held = windows(`--validation-text: ${validationText.join(", ")}`, other);
    return { train: windows(`--text: ${name}`, tokens), validation: held, prompt, notes: [] };
  }
  if (validation === undefined)
    return { train: windows(`--text: ${name}`, tokens), validation: null, prompt, notes: [] };
  const held = Math.max(length, Math.round(validation * tokens.length));
  const share = `--validation ${validation} of ${name}`;
  return {
    train: windows(`--text: ${name} without ${share}`, tokens.subarray(0, Math.max(0, tokens.length - held))),
    validation: windows(share, tokens.subarray(Math.max(0, tokens.length - held))),
    prompt,
    notes: [],
  };
}

/** The tokens of texts, one after the other, with the end-of-text token between two where there is one. */
function streamOf(tokenizer: PretrainedTokenizer, texts: readonly SourceText[]): Int32Array {
  const parts = texts.map(({ text }) => tokenizer.encode(text));
  const { eosToken } = tokenizer;
  const stream: number[] = [];
  for (const [i, ids] of parts.entries()) {
    if (i > 0 && eosToken && stream.at(-1) !== eosToken.id) stream.push(eosToken.id);
    for (const id of ids) stream.push(id);
  }
  return Int32Array.from(stream);
}

async function exampleData(settings: RunSettings, options: DataOptions): Promise<RunData> {
  const { tokenizer, contextLength, stdin } = options;
  const { base, lossOn, validation, validationData, seed } = settings;
  const making: ExampleOptions = { tokenizer, base, lossOn };
  const { length = contextLength } = settings;
  const files = await readTexts("--data", settings.data, stdin);
  const notes: string[] = [];
  const cut = (option: string, all: readonly Example[]): Example[] => {
    const { examples, cut, leftOut } = cutExamples(all, length);
    if (cut > 0)
      notes.push(
        `${option}: ${cut} of ${all.length} examples are longer than ${length} tokens; their ends are cut off`,
      );
    if (leftOut > 0)
      notes.push(
        `${option}: ${leftOut} of ${all.length} examples are left out: nothing in their first ${length} tokens counts`,
      );
    if (examples.length === 0)
      throw new LowrankError(
        `${option}: no example has a token that counts within ${length} tokens; expected a larger --length, or shorter prompts`,
      );
    return [...examples];
  };
  const all = cut(
    "--data",
    files.flatMap((file) => examplesIn(file, making)),
  );
  const prompt =
    settings.prompt === undefined ? promptIn(files[0], making) : promptOf(tokenizer, settings.prompt);
  if (validationData.length > 0) {
    const others = await readTexts("--validation-data", validationData, stdin);
    const held = cut(
      "--validation-data",
      others.flatMap((file) => examplesIn(file, making)),
    );
    return { train: exampleSource(all), validation: exampleSource(held), prompt, notes };
  }
  if (validation === undefined) return { train: exampleSource(all), validation: null, prompt, notes };
  if (all.length < 2)
    throw new LowrankError(
      "--validation: one example cannot be divided; expected more, or --validation-data",
    );
  const held = Math.min(all.length - 1, Math.max(1, Math.round(validation * all.length)));
  const places = random(seed).split("validation").permutation(all.length);
  const chosen = new Set(places.subarray(0, held));
  return {
    train: exampleSource(all.filter((_, i) => !chosen.has(i))),
    validation: exampleSource(all.filter((_, i) => chosen.has(i))),
    prompt,
    notes,
  };
}

/** @throws LowrankError when the tokenizer has an id that the model does not know */
function checkIds(source: Source, { base }: RunSettings, { vocabSize }: DataOptions): void {
  for (let i = 0; i < source.size; i++) {
    const wrong = source.at(i, 0).ids.find((id) => id >= vocabSize);
    if (wrong !== undefined)
      throw new LowrankError(
        `${base}: the tokenizer gives the token ${wrong}, and the model knows ${vocabSize}; expected a tokenizer of this model`,
      );
  }
}
