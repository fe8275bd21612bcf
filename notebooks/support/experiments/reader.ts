/**
 * @file A reader's own text and model: `npm start -- NAME --text FILE --base FOLDER`.
 *
 * A page that can run on them takes its shift from here, in one place, and says so by that alone:
 *
 *     const shift = readersShift() ?? farShiftOf("english");                           // any GPT-2 or Llama
 *     const shift = readersShift({ models: ["gpt2"] }) ?? farShiftOf("declarations");  // methods that need a GPT-2
 *
 * `shift.base` and `shift.name` are what the page calls them; windows and held-out rows are as many as the text allows.
 * With a text only, the base is `english`, or `declarations` where a GPT-2 is needed; with a base only, the text is
 * Moby-Dick.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { LowrankError } from "lowrank/core";
import {
  checkVocabulary,
  cloneModule,
  type GPT2,
  type LanguageModel,
  type Llama,
  loadPretrained,
  loadTokenizer,
  type Tokenizer,
} from "lowrank/nn";
import { textDomain } from "../data/domain.ts";
import { mobyDick } from "../data/literature.ts";
import { toAscii } from "../data/text.ts";
import { currentSession, currentTerminal } from "../notebook/session.ts";
import { NotebookError } from "../terminal/errors.ts";
import { committedBase } from "./bases.ts";
import { type KnownShift, shiftOf } from "./shifts.ts";

/** What the reader named on the command line. */
export interface Reader {
  /** Path of a text. */
  readonly text?: string;
  /** Path of a model's folder. */
  readonly base?: string;
}

/** The kinds of models that a page can adapt. */
export interface ReaderOptions {
  /** @default both */
  readonly models?: readonly ("gpt2" | "llama")[];
}

/** Model types of config.json, by the class that holds them. */
const classes: Readonly<Record<string, "gpt2" | "llama">> = {
  gpt2: "gpt2",
  llama: "llama",
  mistral: "llama",
  qwen2: "llama",
  qwen3: "llama",
};

/** Rows of a validation batch. */
const BATCH = 32;
/** Numbers of reported windows and of windows for choosing, the best first. */
const HELD = [
  [128, 32],
  [64, 32],
  [32, 32],
] as const;
/** Most and fewest tokens of a window, less one. */
const [LONGEST, SHORTEST] = [128, 16];

/**
 * The shift that the reader asked for; undefined if they asked for none.
 *
 * @throws NotebookError if the text or the model cannot be used, in one sentence
 */
export function readersShift(options: { readonly models: readonly ["gpt2"] }): KnownShift<GPT2> | undefined;
export function readersShift(options?: ReaderOptions): KnownShift<GPT2 | Llama> | undefined;
export function readersShift({
  models = ["gpt2", "llama"],
}: ReaderOptions = {}): KnownShift<GPT2 | Llama> | undefined {
  const reader = currentSession()?.reader;
  if (reader?.text === undefined && reader?.base === undefined) return undefined;
  const { text, base } = reader;
  const from = base === undefined ? ownBase(models) : readersBase(base, models);
  const { title, content } =
    text === undefined
      ? { title: "Moby-Dick", content: mobyDick() }
      : { title: basename(text), content: readText(text) };
  return textShift(from, title, content);
}

/** What a shift needs of a base. */
interface From<M extends LanguageModel> {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  copy(): M;
  /** Whether only ASCII has tokens. */
  readonly isAscii?: boolean;
}

function ownBase(models: readonly string[]): From<GPT2 | Llama> {
  return models.includes("llama")
    ? committedBase("english")
    : { ...committedBase("declarations"), isAscii: true };
}

/** The model in a reader's folder. */
function readersBase(folder: string, models: readonly string[]): From<GPT2 | Llama> {
  const name = basename(resolve(folder));
  checkBase(folder, models);
  return refusing(`--base ${folder}`, () => {
    const model = loadPretrained(folder) as GPT2 | Llama;
    const tokenizer = loadTokenizer(folder);
    checkVocabulary(tokenizer, model);
    const encode = (text: string): Int32Array => tokenizer.encode(text, { addSpecialTokens: false });
    const { vocabSize } = tokenizer;
    return {
      name,
      copy: () => cloneModule(model),
      tokenizer: { vocabSize, encode, decode: (ids: ArrayLike<number>) => tokenizer.decode(ids) },
    };
  });
}

/** What can be known of a reader's text and model before anything runs. @throws NotebookError in one sentence */
export function checkReader({ text, base }: Reader): void {
  if (text !== undefined) readText(text);
  if (base !== undefined) checkBase(base, ["gpt2", "llama"]);
}

function checkBase(folder: string, models: readonly string[]): void {
  const wrong = (what: string): NotebookError => new NotebookError(`--base ${folder}: ${what}`);
  const path = join(folder, "config.json");
  if (!existsSync(folder)) throw wrong("expected a folder with a model; there is nothing of that name");
  if (!statSync(folder).isDirectory()) throw wrong("expected the folder of a model; it is a file");
  if (!existsSync(path)) throw wrong("expected a model in Hugging Face's format; there is no config.json");
  let type: unknown;
  try {
    type = JSON.parse(readFileSync(path, "utf8")).model_type;
  } catch {
    throw wrong("its config.json is not JSON");
  }
  const kind = typeof type === "string" && Object.hasOwn(classes, type) ? classes[type] : undefined;
  if (kind === undefined)
    throw wrong(
      `expected one of ${Object.keys(classes).join(", ")}; its model_type is ${JSON.stringify(type)}`,
    );
  if (!models.includes(kind))
    throw wrong(
      `this notebook's methods need a model of the kind ${models.join(" or ")}; its model_type is ${JSON.stringify(type)}`,
    );
}

/** A text file as it is, with line feeds. */
export function readText(path: string): string {
  const wrong = (what: string): NotebookError => new NotebookError(`--text ${path}: ${what}`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw wrong("expected a text file; there is nothing of that name");
    if (code === "EISDIR") throw wrong("expected a text file; it is a folder");
    throw wrong(`it cannot be read (${code})`);
  }
  if (bytes.length === 0) throw wrong("expected a text; the file is empty");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // leaves a byte order mark out
  } catch {
    throw wrong("expected text in UTF-8; the file is in another encoding, or no text");
  }
  if (text.includes("\0")) throw wrong("expected text in UTF-8; the file is no text");
  return text.replace(/\r\n?/g, "\n");
}

/** A shift from `from` to a text of any length, in windows that it allows. */
function textShift<M extends LanguageModel>(from: From<M>, title: string, content: string): KnownShift<M> {
  const text = from.isAscii ? asciiOf(content, title, from.name) : content;
  const ids = (part: string): Int32Array =>
    refusing(`--text ${title}: the tokenizer of ${from.name}`, () => from.tokenizer.encode(part));
  const longest = Math.min(from.copy().contextLength, LONGEST);
  // Blocks so short that many are held out, and that both parts have some of each region.
  const held = { block: Math.max(200, Math.min(2000, Math.floor(text.length / 40))), every: 4 };
  for (let time = longest; time >= Math.min(SHORTEST, longest); time = Math.floor(time / 2))
    for (const [reported, choosing] of HELD) {
      const options = { time, windows: reported + choosing, encode: ids, held };
      const domain = attempt(() => textDomain(title, text, options));
      if (domain) return shiftOf(from, title, domain, choosing / BATCH);
    }
  const [reported, choosing] = HELD[HELD.length - 1];
  throw new NotebookError(
    `--text ${title}: expected a longer text; a quarter of it must give ${reported + choosing} windows of ${Math.min(SHORTEST, longest) + 1} tokens, and all of it has ${ids(text).length} tokens`,
  );
}

/** The text as the bases of characters know it. @throws NotebookError if more than a tenth of it is lost */
function asciiOf(content: string, title: string, base: string): string {
  const text = toAscii(content);
  const lost = (content.match(/[^\t\n\r -~]/g) ?? []).filter((sign) => toAscii(sign) === "").length;
  if (lost > content.length / 10)
    throw new NotebookError(
      `--text ${title}: the base ${base} knows ASCII only, and ${Math.round((100 * lost) / content.length)} % of the text is not; name another with --base`,
    );
  if (lost > 0)
    currentTerminal().status(`${title}: ${lost} characters that ${base} does not know are left out`);
  return text;
}

/** The result of `make`; undefined where the text is too short for it. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The result of `make`, whose errors are told in one sentence after `what`. */
function refusing<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof LowrankError)) throw error;
    throw new NotebookError(`${what}: ${error.message.split("\n")[0]}`);
  }
}
