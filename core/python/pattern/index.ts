/**
 * @file Regular expressions as Python's `re` reads them, for the expressions in adapters' files, in time that is bounded.
 *
 * A backtracking engine, JavaScript's and Python's alike, can take 2ⁿ steps for n letters, and a file from elsewhere must
 * not be able to stop a program. So an expression becomes a nondeterministic automaton, and a text is run through all its
 * states at once (Thompson, Regular Expression Search Algorithm, 1968): at most letters × states steps. Back references,
 * which no automaton can follow, are refused; lookahead and lookbehind are runs of their own, each once per place.
 *
 * What is matched is always the whole text, as in `re.fullmatch`.
 */

import { LowrankError } from "../../errors.ts";

type Test = (character: string) => boolean;
type Assertion = (text: readonly string[], at: number) => boolean;

type Node =
  | { readonly kind: "one"; readonly test: Test }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "choice"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly least: number; readonly most: number }
  | { readonly kind: "at"; readonly holds: Assertion }
  /** `behind`: how many letters back it begins; null looks ahead. */
  | {
      readonly kind: "look";
      readonly node: Node;
      readonly behind: number | null;
      readonly negative: boolean;
    };

const LONGEST = 4096;
const DEEPEST = 100;
const MOST_STATES = 10_000;
const MOST_STEPS = 200_000_000;

/**
 * Whether a text matches `source` from end to end.
 * @throws LowrankError on what is no expression in Python, on back references, on one that is too long, and at the text on
 *   which all steps together become too many
 */
export function fullMatcher(source: string): (text: string) => boolean {
  if (source.length > LONGEST)
    throw new LowrankError(`an expression of at most ${LONGEST} characters, not ${source.length}`);
  const automaton = new Automaton(new Parser(source).parse());
  return (text) => automaton.matches(Array.from(text));
}

/** i, s, m, x, a of the place that is being parsed. */
interface Flags {
  readonly i: boolean;
  readonly s: boolean;
  readonly m: boolean;
  readonly x: boolean;
  readonly a: boolean;
}

const isLetter = (c: string | undefined): boolean => c !== undefined && /[A-Za-z]/.test(c);

class Parser {
  readonly #source: readonly string[];
  #at = 0;
  #depth = 0;
  readonly #names = new Set<string>();
  #flags: Flags = { i: false, s: false, m: false, x: false, a: false };

  constructor(source: string) {
    this.#source = Array.from(source);
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#source.length) this.#fail("no ) without its (");
    return node;
  }

  #fail(expected: string): never {
    throw new LowrankError(`${expected} (position ${this.#at})`);
  }

  #peek(text: string): boolean {
    return Array.from(text).every((c, i) => this.#source[this.#at + i] === c);
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += Array.from(text).length;
    return true;
  }

  /** The characters up to `end`, which is taken too. */
  #until(end: string): string {
    const from = this.#at;
    while (this.#at < this.#source.length && !this.#peek(end)) this.#at++;
    const text = this.#source.slice(from, this.#at).join("");
    if (!this.#take(end)) this.#fail(`a closing ${end}`);
    return text;
  }

  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    return nodes.length === 1 ? nodes[0] : { kind: "choice", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (;;) {
      if (this.#flags.x) this.#skipSpace();
      if (this.#at === this.#source.length || this.#peek("|") || this.#peek(")")) break;
      nodes.push(this.#repeated());
    }
    return nodes.length === 1 ? nodes[0] : { kind: "sequence", nodes };
  }

  #skipSpace(): void {
    for (;;) {
      while (/^\s$/.test(this.#source[this.#at] ?? "")) this.#at++;
      if (!this.#take("#")) return;
      while (this.#at < this.#source.length && !this.#take("\n")) this.#at++;
    }
  }

  #repeated(): Node {
    const node = this.#atom();
    if (this.#flags.x) this.#skipSpace();
    const bounds = this.#bounds();
    if (!bounds) return node;
    this.#take("?"); // lazy or not, the whole text matches or does not
    if (this.#take("+")) this.#fail("no possessive repetition, which is not supported");
    const again = this.#at;
    if (this.#bounds()) {
      this.#at = again;
      this.#fail("one repetition, not several");
    }
    return { kind: "repeat", node, ...bounds };
  }

  #bounds(): { least: number; most: number } | null {
    if (this.#take("*")) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#take("+")) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#take("?")) return { least: 0, most: 1 };
    if (!this.#peek("{")) return null;
    const end = this.#source.indexOf("}", this.#at);
    const braces = /^\{(\d*)(,?)(\d*)$/.exec(this.#source.slice(this.#at, Math.max(end, this.#at)).join(""));
    if (!braces || braces[0] === "{") return null; // a brace like any other character
    const [, low, comma, high] = braces;
    this.#at = end + 1;
    const least = low === "" ? 0 : Number(low);
    const most = comma === "" ? least : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    if (most < least) this.#fail("a repetition of at least, then at most");
    return { least, most };
  }

  #atom(): Node {
    const c = this.#source[this.#at];
    if (c === "*" || c === "+" || c === "?") this.#fail("something to repeat");
    if (c === "(") return this.#group();
    this.#at++;
    switch (c) {
      case ".":
        return { kind: "one", test: this.#flags.s ? () => true : (one) => one !== "\n" };
      case "^":
        return { kind: "at", holds: this.#flags.m ? atLineStart : atStart };
      case "$":
        return { kind: "at", holds: this.#flags.m ? atLineEnd : atLastLineEnd };
      case "[":
        return this.#set();
      case "\\":
        return this.#escape();
      default:
        return this.#literal(c);
    }
  }

  #one(test: Test): Node {
    if (!this.#flags.i) return { kind: "one", test };
    return { kind: "one", test: (c) => test(c) || test(c.toLowerCase()) || test(c.toUpperCase()) };
  }

  #literal(literal: string): Node {
    return this.#one((c) => c === literal);
  }

  #group(): Node {
    if (++this.#depth > DEEPEST) this.#fail(`groups nested at most ${DEEPEST} deep`);
    const before = this.#flags;
    this.#at++;
    const node = this.#take("?") ? this.#special() : this.#inside();
    this.#depth--;
    if (node !== null) {
      this.#flags = before;
      return node;
    }
    return { kind: "sequence", nodes: [] }; // flags for the whole expression, or a comment
  }

  #inside(): Node {
    const node = this.#choice();
    if (!this.#take(")")) this.#fail("a closing )");
    return node;
  }

  /** What begins with (? ; null for what only sets flags. */
  #special(): Node | null {
    if (this.#take("P<")) {
      const name = this.#until(">");
      if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) this.#fail("a name for the group");
      if (this.#names.has(name)) this.#fail(`one group with the name ${name}`);
      this.#names.add(name);
      return this.#inside();
    }
    if (this.#take("P=")) this.#fail(`no back reference (?P=${this.#until(")")}), which is not supported`);
    if (this.#take(":")) return this.#inside();
    if (this.#take("=")) return { kind: "look", node: this.#inside(), behind: null, negative: false };
    if (this.#take("!")) return { kind: "look", node: this.#inside(), behind: null, negative: true };
    if (this.#take("<=")) return this.#behind(false);
    if (this.#take("<!")) return this.#behind(true);
    if (this.#take("#")) {
      this.#until(")");
      return { kind: "sequence", nodes: [] };
    }
    if (this.#peek(">")) this.#fail("no atomic group (?>…), which is not supported");
    if (this.#peek("(")) this.#fail("no conditional group (?(…)…), which is not supported");
    return this.#flagGroup();
  }

  #behind(negative: boolean): Node {
    const node = this.#inside();
    const behind = width(node);
    if (behind === null) this.#fail("a lookbehind of fixed width");
    return { kind: "look", node, behind, negative };
  }

  #flagGroup(): Node | null {
    const start = this.#at - 2;
    const on = this.#flagLetters();
    const off = this.#take("-") ? this.#flagLetters() : [];
    const flags = { ...this.#flags };
    for (const flag of on) flags[flag] = true;
    for (const flag of off) flags[flag] = false;
    if (this.#take(":")) {
      this.#flags = flags;
      return this.#inside();
    }
    if (off.length > 0 || !this.#take(")")) this.#fail("a group that Python knows after (?");
    if (
      start !== 0 &&
      !this.#source
        .slice(0, start)
        .join("")
        .match(/^(\(\?[aimsux]+\))*$/)
    )
      this.#fail("flags for the whole expression at its start");
    this.#flags = flags;
    return null;
  }

  #flagLetters(): (keyof Flags)[] {
    const flags: (keyof Flags)[] = [];
    while ("aimsux".includes(this.#source[this.#at] ?? "-")) {
      const flag = this.#source[this.#at++];
      if (flag !== "u") flags.push(flag as keyof Flags);
    }
    return flags;
  }

  #escape(): Node {
    const c = this.#source[this.#at];
    if (c === undefined) this.#fail("a character after \\");
    const ends: Readonly<Record<string, Assertion>> = { A: atStart, Z: atEnd, z: atEnd };
    const word = this.#classTest("w") as Test;
    if (Object.hasOwn(ends, c)) {
      this.#at++;
      return { kind: "at", holds: ends[c] };
    }
    if (c === "b" || c === "B") {
      this.#at++;
      const atWord: Assertion = (text, at) => isWordAt(text, at - 1, word) !== isWordAt(text, at, word);
      return { kind: "at", holds: c === "b" ? atWord : (text, at) => !atWord(text, at) };
    }
    const test = this.#classTest(c);
    if (test) {
      this.#at++;
      return { kind: "one", test };
    }
    if (/[1-9]/.test(c)) this.#fail(`no back reference \\${c}, which is not supported`);
    return this.#literal(this.#character());
  }

  /** The characters of \d, \w, \s and their opposites. */
  #classTest(letter: string): Test | null {
    const unicode = { d: /^\p{Nd}$/u, w: /^[\p{L}\p{N}_]$/u, s: /^\s$/u };
    const ascii = { d: /^[0-9]$/, w: /^[A-Za-z0-9_]$/, s: /^[ \t\n\r\f\v]$/ };
    const lower = letter.toLowerCase();
    if (lower !== "d" && lower !== "w" && lower !== "s") return null;
    const expression = (this.#flags.a ? ascii : unicode)[lower];
    return letter === lower ? (c) => expression.test(c) : (c) => !expression.test(c);
  }

  /** One character after \, by itself, by a letter for it, or by its number. */
  #character(): string {
    const c = this.#source[this.#at++];
    const controls: Readonly<Record<string, string>> = {
      n: "\n",
      t: "\t",
      r: "\r",
      f: "\f",
      v: "\v",
      a: "\x07",
    };
    if (Object.hasOwn(controls, c)) return controls[c];
    const digits = { x: 2, u: 4, U: 8 }[c];
    if (digits !== undefined) {
      const hex = this.#source.slice(this.#at, this.#at + digits).join("");
      if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== digits || Number.parseInt(hex, 16) > 0x10ffff)
        this.#fail(`${digits} hexadecimal digits`);
      this.#at += digits;
      return String.fromCodePoint(Number.parseInt(hex, 16));
    }
    if (c === "0") {
      const octal = /^[0-7]{0,2}/.exec(this.#source.slice(this.#at, this.#at + 2).join(""))?.[0] ?? "";
      this.#at += octal.length;
      return String.fromCodePoint(Number.parseInt(`0${octal}`, 8));
    }
    if (isLetter(c)) this.#fail(`an escape that Python knows, not \\${c}`);
    return c;
  }

  #set(): Node {
    const negative = this.#take("^");
    const tests: Test[] = [];
    for (let first = true; first || !this.#peek("]"); first = false) {
      if (this.#at >= this.#source.length) this.#fail("a closing ]");
      const low = this.#member();
      const isRange =
        this.#peek("-") && this.#source[this.#at + 1] !== "]" && this.#at + 1 < this.#source.length;
      if (!isRange) {
        tests.push(typeof low === "string" ? (c) => c === low : low);
        continue;
      }
      this.#at++;
      const high = this.#member();
      if (typeof low !== "string" || typeof high !== "string" || codeOf(low) > codeOf(high))
        return this.#fail("a range from one character up to another");
      tests.push((c) => codeOf(low) <= codeOf(c) && codeOf(c) <= codeOf(high));
    }
    this.#at++;
    const folded = this.#one((c) => tests.some((test) => test(c)));
    const { test } = folded as Node & { kind: "one" };
    return { kind: "one", test: negative ? (c) => !test(c) : test };
  }

  #member(): string | Test {
    if (!this.#take("\\")) return this.#source[this.#at++];
    const c = this.#source[this.#at];
    if (c === undefined) this.#fail("a character after \\");
    const test = this.#classTest(c);
    if (test) {
      this.#at++;
      return test;
    }
    if (this.#take("b")) return "\b";
    return this.#character();
  }
}

const codeOf = (c: string): number => c.codePointAt(0) as number;

const atStart: Assertion = (_, at) => at === 0;
const atEnd: Assertion = (text, at) => at === text.length;
const atLineStart: Assertion = (text, at) => at === 0 || text[at - 1] === "\n";
const atLineEnd: Assertion = (text, at) => at === text.length || text[at] === "\n";
const atLastLineEnd: Assertion = (text, at) =>
  at === text.length || (at === text.length - 1 && text[at] === "\n");

const isWordAt = (text: readonly string[], at: number, word: Test): boolean =>
  at >= 0 && at < text.length && word(text[at]);

/** How many letters a node matches, where it is always the same. */
function width(node: Node): number | null {
  switch (node.kind) {
    case "one":
      return 1;
    case "at":
    case "look":
      return 0;
    case "sequence":
      return node.nodes.map(width).reduce((sum, w) => (sum === null || w === null ? null : sum + w), 0);
    case "choice": {
      const [first, ...others] = node.nodes.map(width);
      return others.every((w) => w === first) ? first : null;
    }
    case "repeat": {
      const one = width(node.node);
      return one === null || node.least !== node.most ? null : one * node.least;
    }
  }
}

/** A state: what a letter has to be, or where to go without one. */
type State =
  | { readonly kind: "one"; readonly test: Test; readonly next: number }
  | { readonly kind: "fork"; next: readonly number[] }
  | { readonly kind: "at"; readonly holds: Assertion; readonly next: number }
  | {
      readonly kind: "look";
      readonly entry: number;
      readonly behind: number | null;
      readonly negative: boolean;
      readonly next: number;
    };

const DONE = -1;

class Automaton {
  readonly #states: State[] = [];
  readonly #entry: number;
  #text: readonly string[] = [];
  #steps = 0;
  /** Whether a look holds at a place, by its state and the place. */
  readonly #looked = new Map<string, boolean>();

  constructor(node: Node) {
    this.#entry = this.#build(node, DONE);
  }

  matches(text: readonly string[]): boolean {
    this.#text = text;
    this.#looked.clear();
    return this.#run(this.#entry, 0, text.length);
  }

  #push(state: State): number {
    if (this.#states.length >= MOST_STATES)
      throw new LowrankError(`an expression that stands for at most ${MOST_STATES} letters when written out`);
    return this.#states.push(state) - 1;
  }

  /** The state from which `node` is matched and then state `next` is reached. */
  #build(node: Node, next: number): number {
    switch (node.kind) {
      case "one":
        return this.#push({ kind: "one", test: node.test, next });
      case "at":
        return this.#push({ kind: "at", holds: node.holds, next });
      case "sequence":
        return node.nodes.reduceRight((after, one) => this.#build(one, after), next);
      case "choice":
        return this.#push({ kind: "fork", next: node.nodes.map((one) => this.#build(one, next)) });
      case "look": {
        const { behind, negative } = node;
        return this.#push({ kind: "look", entry: this.#build(node.node, DONE), behind, negative, next });
      }
      case "repeat":
        return this.#buildRepeat(node, next);
    }
  }

  #buildRepeat({ node, least, most }: Node & { kind: "repeat" }, next: number): number {
    let entry = next;
    if (most === Number.POSITIVE_INFINITY) {
      const fork: State & { kind: "fork" } = { kind: "fork", next: [] };
      entry = this.#push(fork);
      fork.next = [this.#build(node, entry), next];
    } else {
      for (let i = least; i < most; i++)
        entry = this.#push({ kind: "fork", next: [this.#build(node, entry), next] });
    }
    for (let i = 0; i < least; i++) {
      const before = this.#states.length;
      entry = this.#build(node, entry);
      if (this.#states.length === before) break; // nothing to match, however often
    }
    return entry;
  }

  /** Whether a way from `entry` at place `from` is done at `until`, or anywhere when that is null. */
  #run(entry: number, from: number, until: number | null): boolean {
    let current = this.#reached([entry], from);
    for (let at = from; ; at++) {
      if (current.has(DONE) && (until === null || at === until)) return true;
      if (at === (until ?? this.#text.length)) return false;
      const following: number[] = [];
      for (const state of current) {
        const one = this.#states[state];
        if (one?.kind === "one" && one.test(this.#text[at])) following.push(one.next);
      }
      if (following.length === 0) return false;
      current = this.#reached(following, at + 1);
    }
  }

  /** These states, and all that are reached from them without a letter. */
  #reached(states: readonly number[], at: number): Set<number> {
    const reached = new Set<number>();
    const open = [...states];
    while (open.length > 0) {
      const number = open.pop() as number;
      if (reached.has(number)) continue;
      reached.add(number);
      if (++this.#steps > MOST_STEPS) throw new LowrankError("an expression that takes fewer steps");
      const state = this.#states[number];
      if (state === undefined || state.kind === "one") continue;
      if (state.kind === "fork") open.push(...state.next);
      else if (state.kind === "at" ? state.holds(this.#text, at) : this.#holds(number, state, at))
        open.push(state.next);
    }
    return reached;
  }

  #holds(number: number, look: State & { kind: "look" }, at: number): boolean {
    const key = `${number} ${at}`;
    const before = this.#looked.get(key);
    if (before !== undefined) return before;
    const start = look.behind === null ? at : at - look.behind;
    const matches = start >= 0 && this.#run(look.entry, start, look.behind === null ? null : at);
    this.#looked.set(key, matches !== look.negative);
    return matches !== look.negative;
  }
}
