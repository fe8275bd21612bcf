/**
 * @file Parsing the header of a safetensors file, as if its author were hostile.
 *
 *     { "__metadata__": { name: text, ... }, name: { "dtype": text, "shape": [n, ...], "data_offsets": [begin, end] }, ... }
 *
 * The scanner accepts exactly this grammar. It is not `JSON.parse`, which silently merges duplicate names, rounds
 * integers beyond 2^53, has no byte offsets for error messages, and recurses as deep as a file demands. Here nothing
 * nests beyond the three levels above, names become keys of a `Map`, and everything else is refused.
 */

import { CheckpointError } from "../../errors.ts";
import { type Dtype, dtypes, isDtype } from "./dtype.ts";

/** The safetensors library's cap on the header: a hostile length must not make a reader allocate. */
export const headerCap = 100_000_000;

/** The header's entry for a tensor. Offsets are counted from the end of the header. */
export interface HeaderEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The content of the header, in its order. */
export interface Header {
  readonly entries: Map<string, HeaderEntry>;
  readonly metadata: Map<string, string>;
}

/** The name whose entry is not a tensor but the metadata: strings about the file. */
export const metadataName = "__metadata__";

/**
 * Parses the header, which is `bytes[from, to)` of a file.
 * @param source the name of the file, for error messages
 * @throws CheckpointError with the byte offset of the first mistake
 */
export function parseHeader(bytes: Uint8Array, from: number, to: number, source: string): Header {
  const scanner = new Scanner(bytes, from, to, source);
  const entries = new Map<string, HeaderEntry>();
  let metadata: Map<string, string> | null = null;
  if (bytes[from] !== code("{")) scanner.fail("the header must begin with {", from);
  scanner.object((name, at) => {
    const what = name === metadataName ? "metadata" : `tensor ${quote(name)}`;
    if (entries.has(name) || (name === metadataName && metadata)) scanner.fail(`duplicate ${what}`, at);
    if (name === metadataName) metadata = scanMetadata(scanner);
    else entries.set(checkedName(scanner, name, at), scanEntry(scanner, what, at));
  });
  scanner.end();
  return { entries, metadata: metadata ?? new Map() };
}

function scanMetadata(scanner: Scanner): Map<string, string> {
  const metadata = new Map<string, string>();
  scanner.object((name, at) => {
    checkedName(scanner, name, at);
    if (metadata.has(name)) scanner.fail(`duplicate metadata ${quote(name)}`, at);
    metadata.set(name, scanner.string(`metadata ${quote(name)} must be a text`));
  });
  return metadata;
}

function scanEntry(scanner: Scanner, what: string, at: number): HeaderEntry {
  let dtype: Dtype | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((field, fieldAt) => {
    const duplicate = () => scanner.fail(`${what}: duplicate ${field}`, fieldAt);
    if (field === "dtype") {
      if (dtype) duplicate();
      dtype = scanDtype(scanner, what);
    } else if (field === "shape") {
      if (shape) duplicate();
      shape = scanner.integers(`${what}: shape`);
    } else if (field === "data_offsets") {
      if (offsets) duplicate();
      offsets = scanner.integers(`${what}: data_offsets`);
    } else scanner.fail(`${what}: unknown field ${quote(field)}`, fieldAt);
  });
  if (!dtype || !shape || !offsets) scanner.fail(`${what}: needs dtype, shape and data_offsets`, at);
  if (offsets.length !== 2) scanner.fail(`${what}: data_offsets must be [begin, end]; got [${offsets}]`, at);
  const [begin, end] = offsets;
  if (begin > end) scanner.fail(`${what}: data_offsets [${offsets}] run backwards`, at);
  return { dtype, shape, begin, end };
}

function scanDtype(scanner: Scanner, what: string): Dtype {
  const at = scanner.at;
  const dtype = scanner.string(`${what}: dtype must be a text`);
  if (!isDtype(dtype)) {
    const advice = /^F[468](_|$)/.test(dtype) ? ". Convert the tensor to F32, F16 or BF16 first" : "";
    scanner.fail(`${what}: unknown dtype ${quote(dtype)}; known are ${dtypes.join(", ")}${advice}`, at);
  }
  return dtype;
}

function checkedName(scanner: Scanner, name: string, at: number): string {
  const problem = nameProblem(name);
  if (problem) scanner.fail(`name ${quote(name)} ${problem}`, at);
  return name;
}

const prototypeNames = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Why a name may not be used; null when it may. Dotted names are paths into a model, of which no step may lead to a
 * prototype.
 */
export function nameProblem(name: string): string | null {
  if (/\p{Surrogate}/u.test(name)) return "is not valid Unicode";
  const step = name.split(".").find((part) => prototypeNames.has(part));
  return step === undefined ? null : `contains ${step}, which would reach into JavaScript's prototypes`;
}

/** A string from the file for an error message: shortened, and with control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

const code = (character: string): number => character.charCodeAt(0);

/** Reads the few forms of JSON of which the header consists. */
class Scanner {
  /** The position of the next byte. */
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #source: string;
  /** Refuses bytes that are not UTF-8 (`fatal`), and keeps a byte order mark as a character (`ignoreBOM`). */
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array, from: number, to: number, source: string) {
    this.#bytes = bytes;
    this.at = from;
    this.#end = to;
    this.#source = source;
  }

  fail(problem: string, at: number): never {
    throw new CheckpointError(`${this.#source}: ${problem} (byte ${at})`);
  }

  /** Reads `{ "name": …, … }`. `member` reads each value. */
  object(member: (name: string, at: number) => void): void {
    this.#expect("{", "an object");
    if (this.#take("}")) return;
    do {
      this.#space();
      const at = this.at;
      const name = this.string("expected a name");
      this.#expect(":", "a colon after a name");
      member(name, at);
    } while (this.#take(","));
    this.#expect("}", "a comma or the end of the object");
  }

  /** Reads `[n, …]`, a list of non-negative integers up to 2^53 - 1. */
  integers(what: string): number[] {
    const list: number[] = [];
    this.#expect("[", `${what} as a list`);
    if (this.#take("]")) return list;
    do list.push(this.#integer(what));
    while (this.#take(","));
    this.#expect("]", `${what}: a comma or the end of the list`);
    return list;
  }

  /** Reads `"…"`, with JSON's escapes. */
  string(expectation: string): string {
    this.#space();
    const from = this.at;
    if (!this.#take('"')) this.fail(expectation, from);
    let escaped = false;
    for (;;) {
      if (this.at >= this.#end) this.fail("a text does not end", from);
      const byte = this.#bytes[this.at++];
      if (byte === code('"')) break;
      if (byte < 0x20) this.fail("a text contains a control character", this.at - 1);
      if (byte === code("\\")) {
        escaped = true;
        this.at++; // the escaped character, which may be a quote
      }
    }
    try {
      const text = this.#utf8.decode(this.#bytes.subarray(from + 1, this.at - 1));
      return escaped ? JSON.parse(`"${text}"`) : text;
    } catch {
      return this.fail("a text is not valid UTF-8, or has a wrong escape", from);
    }
  }

  /** Checks that only padding follows. */
  end(): void {
    this.#space();
    if (this.at !== this.#end) this.fail("the header goes on after its object ends", this.at);
  }

  #integer(what: string): number {
    this.#space();
    const from = this.at;
    let value = 0;
    while (this.at < this.#end && isDigit(this.#bytes[this.at])) {
      value = 10 * value + (this.#bytes[this.at++] - code("0"));
      if (!Number.isSafeInteger(value)) this.fail(`${what}: an integer beyond 2^53`, from);
    }
    const digits = this.at - from;
    const leadingZero = digits > 1 && this.#bytes[from] === code("0");
    const goesOn = this.at < this.#end && ".eE".includes(String.fromCharCode(this.#bytes[this.at]));
    if (digits === 0 || leadingZero || goesOn) this.fail(`${what}: expected non-negative integers`, from);
    return value;
  }

  #space(): void {
    while (this.at < this.#end && isSpace(this.#bytes[this.at])) this.at++;
  }

  #take(character: string): boolean {
    this.#space();
    const found = this.at < this.#end && this.#bytes[this.at] === code(character);
    if (found) this.at++;
    return found;
  }

  #expect(character: string, expectation: string): void {
    if (!this.#take(character)) this.fail(`expected ${expectation}`, this.at);
  }
}

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
