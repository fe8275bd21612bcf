/** @file From the source of an expression, in the syntax of Python's `re`, to its nodes. */

import { classTest, escapedCharacter, folded, octalCharacter, set } from "./characters.ts";
import { Cursor } from "./cursor.ts";
import {
  type Assertion,
  atEnd,
  atLastLineEnd,
  atLineEnd,
  atLineStart,
  atStart,
  atWordEdge,
  type Flags,
  type Node,
  type Test,
  widthOf,
} from "./node.ts";

const DEEPEST = 100;

/** @throws LowrankError on a source that is no expression in Python, and on back references */
export const parsePattern = (source: string): Node => new Parser(source).parse();

class Parser {
  readonly #cursor: Cursor;
  #depth = 0;
  /** False while there were only flags and comments. */
  #hasBegun = false;
  readonly #names = new Set<string>();
  #flags: Flags = { i: false, s: false, m: false, x: false, a: false };

  constructor(source: string) {
    this.#cursor = new Cursor(source);
  }

  parse(): Node {
    const node = this.#choice();
    if (!this.#cursor.isAtEnd) this.#cursor.fail("no ) without its (");
    return node;
  }

  /** a|b */
  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#cursor.take("|")) {
      this.#hasBegun = true;
      nodes.push(this.#sequence());
    }
    return nodes.length === 1 ? nodes[0] : { kind: "choice", nodes };
  }

  #sequence(): Node {
    const cursor = this.#cursor;
    const nodes: Node[] = [];
    for (;;) {
      this.#skipComments();
      if (cursor.isAtEnd || cursor.peek("|") || cursor.peek(")")) break;
      if (!this.#takeGlobalFlags()) nodes.push(this.#repeated());
    }
    return nodes.length === 1 ? nodes[0] : { kind: "sequence", nodes };
  }

  /** Goes past (?#…), and with the flag x past spaces and # to the end of the line. */
  #skipComments(): void {
    const cursor = this.#cursor;
    for (;;) {
      if (cursor.take("(?#")) cursor.until(")");
      else if (this.#flags.x && /^\s$/.test(cursor.next ?? "")) cursor.at++;
      else if (this.#flags.x && cursor.take("#")) {
        while (!cursor.isAtEnd && !cursor.take("\n")) cursor.at++;
      } else return;
    }
  }

  #repeated(): Node {
    const cursor = this.#cursor;
    this.#hasBegun = true;
    this.#refuseBounds("something to repeat");
    const isGroup = cursor.peek("(");
    const node = this.#atom();
    this.#skipComments();
    if (node.kind === "assertion" && !isGroup) this.#refuseBounds("something to repeat");
    const bounds = this.#bounds();
    if (!bounds) return node;
    cursor.take("?"); // lazy or not, the whole text matches or does not
    if (cursor.take("+")) cursor.fail("no possessive repetition, which is not supported");
    this.#skipComments();
    this.#refuseBounds("one repetition, not several");
    return { kind: "repeat", node, ...bounds };
  }

  /** @throws LowrankError if a repetition comes next */
  #refuseBounds(expected: string): void {
    const start = this.#cursor.at;
    if (!this.#bounds()) return;
    this.#cursor.at = start;
    this.#cursor.fail(expected);
  }

  /** *, +, ?, {n}, {n,m}; null for anything else, which is left as it is. */
  #bounds(): { least: number; most: number } | null {
    const cursor = this.#cursor;
    if (cursor.take("*")) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (cursor.take("+")) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (cursor.take("?")) return { least: 0, most: 1 };
    if (!cursor.peek("{")) return null;
    const end = cursor.source.indexOf("}", cursor.at);
    const text = cursor.source.slice(cursor.at, Math.max(end, cursor.at)).join("");
    const braces = /^\{(\d*)(,?)(\d*)$/.exec(text);
    if (!braces || braces[0] === "{") return null; // a brace like any other character
    const [, low, comma, high] = braces;
    cursor.at = end + 1;
    const least = low === "" ? 0 : Number(low);
    const most = comma === "" ? least : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    if (most < least) cursor.fail("a repetition of at least, then at most");
    return { least, most };
  }

  #atom(): Node {
    const cursor = this.#cursor;
    const c = cursor.next as string;
    if (c === "(") return this.#group();
    cursor.at++;
    switch (c) {
      case ".":
        return { kind: "one", test: this.#flags.s ? () => true : (one) => one !== "\n" };
      case "^":
        return { kind: "assertion", holds: this.#flags.m ? atLineStart : atStart };
      case "$":
        return { kind: "assertion", holds: this.#flags.m ? atLineEnd : atLastLineEnd };
      case "[":
        return { kind: "one", test: set(cursor, this.#flags) };
      case "\\":
        return this.#escape();
      default:
        return this.#literal(c);
    }
  }

  #literal(literal: string): Node {
    return { kind: "one", test: folded((c) => c === literal, this.#flags) };
  }

  /** What follows a backslash. */
  #escape(): Node {
    const cursor: Cursor = this.#cursor;
    const c = cursor.next;
    if (c === undefined) cursor.fail("a character after \\");
    const assertion = this.#assertion(c);
    const test = classTest(c, this.#flags);
    if (assertion || test) cursor.at++;
    if (assertion) return { kind: "assertion", holds: assertion };
    if (test) return { kind: "one", test };
    if (!/[1-9]/.test(c)) return this.#literal(escapedCharacter(cursor));
    const start = cursor.at;
    const octal = cursor.while(/[0-7]/, 3);
    if (octal.length === 3) return this.#literal(octalCharacter(cursor, octal));
    cursor.at = start;
    return cursor.fail(`no back reference \\${c}, which is not supported`);
  }

  #assertion(letter: string): Assertion | null {
    if (letter === "A") return atStart;
    if (letter === "Z" || letter === "z") return atEnd;
    const edge = atWordEdge(classTest("w", this.#flags) as Test);
    if (letter === "b") return edge;
    return letter === "B" ? (text, at) => !edge(text, at) : null;
  }

  /** ( … ); flags that are set inside end with it. */
  #group(): Node {
    if (++this.#depth > DEEPEST) this.#cursor.fail(`groups nested at most ${DEEPEST} deep`);
    const before = this.#flags;
    this.#cursor.at++;
    const node = this.#cursor.take("?") ? this.#extension() : this.#inside();
    this.#depth--;
    this.#flags = before;
    return node;
  }

  #inside(): Node {
    const node = this.#choice();
    if (!this.#cursor.take(")")) this.#cursor.fail("a closing )");
    return node;
  }

  /** What begins with (? */
  #extension(): Node {
    const cursor = this.#cursor;
    if (cursor.take("P<")) return this.#named();
    if (cursor.take("P=")) cursor.fail(`no back reference (?P=${cursor.until(")")}), which is not supported`);
    if (cursor.take(":")) return this.#inside();
    if (cursor.take("=")) return { kind: "look", node: this.#inside(), behind: null, negative: false };
    if (cursor.take("!")) return { kind: "look", node: this.#inside(), behind: null, negative: true };
    if (cursor.take("<=")) return this.#lookbehind(false);
    if (cursor.take("<!")) return this.#lookbehind(true);
    if (cursor.peek(">")) cursor.fail("no atomic group (?>…), which is not supported");
    if (cursor.peek("(")) cursor.fail("no conditional group (?(…)…), which is not supported");
    const letters = cursor.while(/[-aimsux]/, Number.POSITIVE_INFINITY);
    if (!/^([aimsux]+|[aimsux]*-[imsx]+)$/.test(letters) || !cursor.take(":"))
      cursor.fail("a group that Python knows after (?");
    this.#setFlags(letters);
    return this.#inside();
  }

  /** (?P<name>…), after its first bracket. */
  #named(): Node {
    const name = this.#cursor.until(">");
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) this.#cursor.fail("a name for the group");
    if (this.#names.has(name)) this.#cursor.fail(`one group with the name ${name}`);
    this.#names.add(name);
    return this.#inside();
  }

  #lookbehind(negative: boolean): Node {
    const node = this.#inside();
    const behind = widthOf(node);
    if (behind === null) this.#cursor.fail("a lookbehind of fixed width");
    return { kind: "look", node, behind, negative };
  }

  /** Goes past (?i), which sets flags of the whole expression, if it comes next. @returns whether it did */
  #takeGlobalFlags(): boolean {
    const cursor = this.#cursor;
    const start = cursor.at;
    const letters = cursor.take("(?") ? cursor.while(/[aimsux]/, Number.POSITIVE_INFINITY) : "";
    if (letters === "" || !cursor.take(")")) {
      cursor.at = start;
      return false;
    }
    if (this.#hasBegun) cursor.fail("flags for the whole expression at its start");
    this.#setFlags(letters);
    return true;
  }

  /** Turns flags on, and off after a minus: is, i-s, -s. */
  #setFlags(letters: string): void {
    const flags = { ...this.#flags };
    const [on, off = ""] = letters.split("-");
    for (const letter of on) if (letter !== "u") flags[letter as keyof Flags] = true;
    for (const letter of off) flags[letter as keyof Flags] = false;
    this.#flags = flags;
  }
}
