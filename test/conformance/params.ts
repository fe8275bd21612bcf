/** @file The params of a case, read by name and type: one that is missing or of another type is an error, never a guess. */

type Json = Readonly<Record<string, unknown>>;

/** What is null counts as absent. A fallback is for what a case may leave out. */
export class Params {
  readonly values: Json;
  /** Where these stand, for messages: "params" or "params.optimizer". */
  readonly #at: string;

  constructor(values: Json, at = "params") {
    this.values = values;
    this.#at = at;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name) && this.values[name] !== null;
  }

  names(): string[] {
    return Object.keys(this.values).filter((name) => this.has(name));
  }

  number(name: string, fallback?: number): number {
    return this.#read(name, "a number", isNumber, fallback);
  }

  boolean(name: string, fallback?: boolean): boolean {
    return this.#read(name, "true or false", (value) => typeof value === "boolean", fallback);
  }

  string(name: string, fallback?: string): string {
    return this.#read(name, "a text", (value) => typeof value === "string", fallback);
  }

  numbers(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#read(name, "a list of numbers", isNumbers, fallback);
  }

  booleans(name: string): readonly boolean[] {
    const isBooleans = (value: unknown): value is boolean[] =>
      Array.isArray(value) && value.every((item) => typeof item === "boolean");
    return this.#read(name, "a list of true and false", isBooleans);
  }

  strings(name: string, fallback?: readonly string[]): readonly string[] {
    const isStrings = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return this.#read(name, "a list of texts", isStrings, fallback);
  }

  /** One of these texts. */
  oneOf<const Choice extends string>(name: string, choices: readonly Choice[], fallback?: Choice): Choice {
    const isChoice = (value: unknown): value is Choice => choices.includes(value as Choice);
    return this.#read(name, `one of ${choices.join(", ")}`, isChoice, fallback);
  }

  object(name: string): Params {
    return new Params(this.#read(name, "an object", isObject), `${this.#at}.${name}`);
  }

  objects(name: string): Params[] {
    const isObjects = (value: unknown): value is Json[] => Array.isArray(value) && value.every(isObject);
    const list = this.#read<Json[]>(name, "a list of objects", isObjects);
    return list.map((values, i) => new Params(values, `${this.#at}.${name}[${i}]`));
  }

  /** @throws Error naming a param that is none of these: for settings that cannot be ignored */
  expectOnly(names: readonly string[]): void {
    const unknown = this.names().filter((name) => !names.includes(name));
    if (unknown.length > 0) {
      throw new Error(`${this.#at}: expected only ${names.join(", ")}; got ${unknown.join(", ")}`);
    }
  }

  #read<T>(name: string, expected: string, fits: (value: unknown) => boolean, fallback?: T): T {
    const value = this.has(name) ? this.values[name] : fallback;
    if (value === undefined || !fits(value)) {
      throw new Error(`${this.#at}.${name}: expected ${expected}; got ${JSON.stringify(value)}`);
    }
    return value as T;
  }
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every(isNumber);
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
