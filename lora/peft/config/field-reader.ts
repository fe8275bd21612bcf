/** @file FieldReader: the fields of adapter_config.json, read by name and checked by type. */

import { CheckpointError, isJsonObject, isStringList } from "../../../core/index.ts";
import type { Fields } from "./fields.ts";

/**
 * Reads fields by name. A field that is absent or null has PEFT's default.
 * Every method throws a CheckpointError that names the field when its value is of another type.
 */
export class FieldReader {
  readonly #fields: Fields;
  readonly #source: string;

  constructor(fields: Fields, source: string) {
    this.#fields = fields;
    this.#source = source;
  }

  /** A text, which must be there. */
  text(name: string): string {
    return this.#take(name, "a text", (value) => typeof value === "string", undefined);
  }

  /** One of a few texts. @default the first of them */
  oneOf<const Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const fits = (value: unknown): value is Choice => choices.includes(value as Choice);
    return this.#take(name, `one of ${choices.join(", ")}`, fits, choices[0]);
  }

  /** @default false */
  boolean(name: string): boolean {
    return this.#take(name, "true or false", (value) => typeof value === "boolean", false);
  }

  /** A number that `fits`; `expected` says in words which those are. */
  number(name: string, fallback: number, expected: string, fits: (value: number) => boolean): number {
    const isFitting = (value: unknown): value is number => typeof value === "number" && fits(value);
    return this.#take(name, expected, isFitting, fallback);
  }

  /** @default null */
  textOrTexts(name: string): string | readonly string[] | null {
    const fits = (value: unknown): value is string | readonly string[] | null =>
      value === null || typeof value === "string" || isStringList(value);
    return this.#take(name, "a text or a list of texts", fits, null);
  }

  /** @default empty */
  texts(name: string): readonly string[] {
    return this.#take<readonly string[]>(name, "a list of texts", isStringList, []);
  }

  /** Numbers of blocks; null when absent or empty. */
  integers(name: string): readonly number[] | null {
    const isIndex = (value: unknown): value is number => Number.isSafeInteger(value);
    const fits = (value: unknown): value is number | readonly number[] =>
      isIndex(value) || (Array.isArray(value) && value.every(isIndex));
    const given = this.#take<number | readonly number[]>(name, "integers", fits, []);
    const list = typeof given === "number" ? [given] : given;
    return list.length > 0 ? list : null;
  }

  /** An object of numbers that `fits`. @default empty */
  numbers(
    name: string,
    expected: string,
    fits: (value: number) => boolean,
  ): Readonly<Record<string, number>> {
    const isNumbers = (value: unknown): value is Readonly<Record<string, number>> =>
      isJsonObject(value) && Object.values(value).every((item) => typeof item === "number" && fits(item));
    return this.#take(name, `an object of ${expected}`, isNumbers, {});
  }

  /** Distinct numbers of tokens, or an object of such lists; null when absent or empty. */
  tokens(name: string): readonly number[] | Readonly<Record<string, readonly number[]>> | null {
    const isRows = (value: unknown): value is readonly number[] =>
      Array.isArray(value) &&
      value.every((row) => Number.isSafeInteger(row) && row >= 0) &&
      new Set(value).size === value.length;
    type Tokens = readonly number[] | Readonly<Record<string, readonly number[]>>;
    const fits = (value: unknown): value is Tokens =>
      isRows(value) || (isJsonObject(value) && Object.values(value).every(isRows));
    const expected = "distinct numbers of tokens, or an object of such lists";
    const given = this.#take<Tokens>(name, expected, fits, []);
    return Object.keys(given).length > 0 ? given : null;
  }

  /** AdaLoRA's rank_pattern: "LAYER.lora_E" or "LAYER.lora_E.ADAPTER", each with a list of true and false. */
  masks(name: string): ReadonlyMap<string, readonly boolean[]> | null {
    const isMask = (value: unknown): value is readonly boolean[] =>
      Array.isArray(value) && value.every((item) => typeof item === "boolean");
    const isMasks = (value: unknown): value is Readonly<Record<string, readonly boolean[]>> =>
      isJsonObject(value) && Object.values(value).every(isMask);
    const expected = "an object of lists of true and false by LAYER.lora_E";
    const none: Readonly<Record<string, readonly boolean[]>> = {};
    const entries = Object.entries(this.#take(name, expected, isMasks, none));
    if (entries.length === 0) return null;
    return new Map(
      entries.map(([key, mask]) => {
        const layer = /^(.+)\.lora_E(?:\.[^.]+)?$/.exec(key)?.[1];
        if (layer === undefined)
          throw new CheckpointError(`${this.#source}: ${name}: expected ${expected}; got ${show(key)}`);
        return [layer, mask];
      }),
    );
  }

  #take<T>(name: string, expected: string, fits: (value: unknown) => value is T, fallback: T | undefined): T {
    const value = (Object.hasOwn(this.#fields, name) ? this.#fields[name] : null) ?? fallback;
    if (value !== undefined && fits(value)) return value;
    throw new CheckpointError(`${this.#source}: ${name}: expected ${expected}; got ${show(value)}`);
  }
}

/** A value of a field for a message. */
export const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
};
