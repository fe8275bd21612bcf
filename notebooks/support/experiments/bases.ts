/**
 * @file The pretrained models that the notebooks stand on. They are committed in `notebooks/bases`, each with a model card
 * that says how it was made, so that nobody waits for pretraining.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "lowrank/core";
import {
  cloneModule,
  type GPT2,
  type LanguageModel,
  type Llama,
  loadPretrained,
  loadTokenizer,
  type Tokenizer,
} from "lowrank/nn";
import { farShift } from "../data/declarations.ts";
import { type Domain, decode, encode, taskDomain, textDomain, VOCABULARY } from "../data/domain.ts";
import { factDomain } from "../data/facts.ts";
import { anyStyle } from "../data/house-style.ts";
import { stateOfTheUnion } from "../data/literature.ts";
import { NotebookError } from "../terminal/errors.ts";

/** The bases, with the classes of their models. */
interface Bases {
  /** Restaurants' facts in words, in any of 54 styles: GPT-2, d = 64, 4 blocks. */
  "restaurants-a": GPT2;
  /** The same from another seed. */
  "restaurants-b": GPT2;
  /** The same with d = 16: it loses when it is quantized. */
  "tiny-a": GPT2;
  "tiny-b": GPT2;
  /** TypeScript declarations: GPT-2, d = 64, 4 blocks. */
  declarations: GPT2;
  /** 256 arbitrary facts: GPT-2, d = 32, 2 blocks. */
  facts: GPT2;
  /** State of the Union addresses, with a vocabulary of 1,024 pieces of words: Llama, d = 128, 5 blocks. */
  english: Llama;
}

export type BaseName = keyof Bases;

export interface CommittedBase<M extends LanguageModel = GPT2 | Llama> {
  readonly name: BaseName;
  /** Held-out loss on what it was trained on, in nats per token. */
  readonly loss: number;
  readonly tokenizer: Tokenizer;
  /** What it was trained on. Of `english` only addresses that were held out from its training. */
  readonly domain: Domain;
  /** The head of its model card: parameters, steps, seed, date … */
  readonly card: Readonly<Record<string, string>>;
  /** A new copy of the model, all of it trainable. */
  copy(): M;
}

const FOLDER = fileURLToPath(new URL("../../bases/", import.meta.url));

/** Tokens of context of the bases of characters. */
export const TIME = 79;

/** Tokens of the windows of the base of words. */
export const WORDS_TIME = 128;

const characters: Tokenizer = { vocabSize: VOCABULARY, encode, decode };

/** The text of a base, and what turns text into ids. */
const texts: Readonly<Record<BaseName, (folder: string) => Pick<CommittedBase, "tokenizer" | "domain">>> = {
  "restaurants-a": restaurants,
  "restaurants-b": restaurants,
  "tiny-a": restaurants,
  "tiny-b": restaurants,
  declarations: () => ({
    tokenizer: characters,
    domain: textDomain("declarations", farShift().source, { time: TIME, windows: 512 }),
  }),
  facts: () => ({ tokenizer: characters, domain: factDomain(256, 999) }),
  english(folder) {
    const tokenizer = loadTokenizer(folder);
    const encode = (text: string): Int32Array => tokenizer.encode(text);
    const options = { time: WORDS_TIME, windows: 64, encode, held: { every: 2 } };
    return { tokenizer, domain: textDomain("State of the Union", stateOfTheUnion(), options) };
  },
};

function restaurants() {
  return {
    tokenizer: characters,
    domain: taskDomain(anyStyle, { time: TIME, test: 64, random: random(10) }),
  };
}

const opened = new Map<string, CommittedBase>();

/**
 * A committed base; its files are read once in a process.
 *
 * @param folder the folder of the bases @default notebooks/bases
 * @throws NotebookError if a file is missing or is not the one that the model card describes
 */
export function committedBase<N extends BaseName>(name: N, folder = FOLDER): CommittedBase<Bases[N]> {
  const path = join(folder, name);
  const known = opened.get(path) ?? open(name, path);
  opened.set(path, known);
  return known as CommittedBase<Bases[N]>;
}

function open(name: BaseName, path: string): CommittedBase {
  const card = checkedCard(name, path);
  const model = loadPretrained(path) as GPT2 | Llama;
  return {
    name,
    loss: Number(card.loss),
    card,
    copy: () => cloneModule(model),
    ...texts[name](path),
  };
}

/** The head of the card, once every file of the base was found to be as it says. */
function checkedCard(name: BaseName, path: string): Readonly<Record<string, string>> {
  const lost = (what: string): NotebookError =>
    new NotebookError(
      `base ${name}: ${what}; this gets it back: git checkout -- notebooks/bases/${name} (or: npx tsx notebooks/bases/${name}.ts, which makes it again)`,
    );
  const file = join(path, "README.md");
  if (!existsSync(file))
    throw lost(`expected its model card notebooks/bases/${name}/README.md; there is none`);
  const [, head = ""] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(readFileSync(file, "utf8")) ?? [];
  const card = Object.fromEntries(
    [...head.matchAll(/^([\w.-]+): (.*?)\r?$/gm)].map(([, key, value]) => [key, value]),
  );
  const files = Object.keys(card).filter((key) => /\.(json|safetensors)$/.test(key));
  if (
    !files.includes("model.safetensors") ||
    !files.includes("config.json") ||
    !Number.isFinite(Number(card.loss))
  )
    throw lost("its model card README.md was changed");
  for (const one of files) {
    if (!existsSync(join(path, one))) throw lost(`${one} is missing`);
    const digest = createHash("sha256")
      .update(readFileSync(join(path, one)))
      .digest("hex");
    if (digest !== card[one]) throw lost(`${one} is not the file that its model card describes`);
  }
  return card;
}
