/**
 * @file The shifts that the pages study: a committed base, and what it is adapted to. Near: the base knows all words, and
 * only the rules of a house's style are new. Far: nearly everything is new.
 */
import { random } from "lowrank/core";
import type { GPT2, LanguageModel, Llama, Tokenizer } from "lowrank/nn";
import { farShift } from "../data/declarations.ts";
import { type Domain, taskDomain, textDomain } from "../data/domain.ts";
import { houseStyle } from "../data/house-style.ts";
import { mobyDick } from "../data/literature.ts";
import type { Task } from "../data/tasks.ts";
import { type CommittedBase, committedBase, TIME, WORDS_TIME } from "./bases.ts";
import { validationLoss } from "./evaluation.ts";
import { apart, type Shift } from "./study.ts";

/** A shift with what a page tells of it. */
export interface KnownShift<M extends LanguageModel = GPT2> extends Shift<M> {
  /** What the base is adapted to, in a word or two. */
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** The base's loss on the reported batches before any adaptation, in nats per token; computed when first asked for. */
  readonly before: number;
}

export interface HeldOut {
  /** Rows of which the loss is reported, a multiple of 32. */
  readonly reported?: number;
  /** Other rows, by which rates are chosen, a multiple of 32. */
  readonly choosing?: number;
}

/** Rows of a validation batch. */
const BATCH = 32;

/** The restaurants' bases: `a` and `b` have d = 64, the tiny ones d = 16. */
export type RestaurantsBase = "a" | "b" | "tiny-a" | "tiny-b";

/** From any style to the style of one house. @param held @default 512 and 96 rows */
export function nearShift(base: RestaurantsBase, held: HeldOut = {}): KnownShift {
  return taskShift(base, houseStyle, held);
}

/**
 * From restaurants in any style to a task about them: `houseStyle`, `sentiment`, `acceptability`, `entailment`. Both bases
 * of a size have the same held-out rows.
 *
 * @param held @default 512 and 96 rows
 */
export function taskShift(
  base: RestaurantsBase,
  task: Task,
  { reported = 512, choosing = 96 }: HeldOut = {},
  /** Tokens of a row. @default the base's context */
  time = TIME,
): KnownShift {
  const name = base === "a" || base === "b" ? (`restaurants-${base}` as const) : base;
  const domain = taskDomain(task, { time, test: reported + choosing, random: random(11) });
  return shiftOf(committedBase(name), task.name, domain, choosing / BATCH);
}

const far = {
  declarations: { name: "the comments", text: () => farShift().target, time: TIME, every: 10 },
  english: { name: "Moby-Dick", text: mobyDick, time: WORDS_TIME, every: 4 },
};

/**
 * From code to English prose, or from political speeches to a novel.
 *
 * @param held @default 512 and 96 windows of 80 characters, or 128 and 32 windows of 129 pieces of words
 */
export function farShiftOf(base: "declarations", held?: HeldOut): KnownShift<GPT2>;
export function farShiftOf(base: "english", held?: HeldOut): KnownShift<Llama>;
export function farShiftOf(base: "declarations" | "english", held: HeldOut = {}): KnownShift<GPT2 | Llama> {
  const isEnglish = base === "english";
  const { reported = isEnglish ? 128 : 512, choosing = isEnglish ? 32 : 96 } = held;
  const { name, text, time, every } = far[base];
  const from: CommittedBase<GPT2 | Llama> = committedBase(base);
  const domain = textDomain(name, text(), {
    time,
    windows: reported + choosing,
    encode: (part) => from.tokenizer.encode(part),
    held: { every },
  });
  return shiftOf(from, name, domain, choosing / BATCH);
}

/** A shift from a base to a domain, of whose batches the last `batches` are for choosing. */
export function shiftOf<M extends LanguageModel>(
  from: Pick<CommittedBase<M>, "tokenizer" | "copy"> & { readonly name: string },
  name: string,
  whole: Domain,
  batches: number,
): KnownShift<M> {
  const { domain, choosing } = apart(whole, batches);
  let before: number | undefined;
  return {
    base: from.name,
    name,
    copy: from.copy,
    domain,
    choosing,
    tokenizer: from.tokenizer,
    get before() {
      return (before ??= validationLoss(from.copy(), domain));
    },
  };
}
