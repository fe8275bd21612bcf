/**
 * @file A parsed expression as a nondeterministic automaton, which is in all its states at once: Thompson, Regular
 * Expression Search Algorithm, 1968. It takes at most characters × states steps; lookahead and lookbehind are runs of their
 * own, each once per place.
 */

import { LowrankError } from "../../errors.ts";
import type { Assertion, Node, Test } from "./node.ts";

const MOST_STATES = 10_000;
const MOST_STEPS = 200_000_000;

/** A state: which character goes on to the next, or which states are reached without one. */
type State =
  | { readonly kind: "one"; readonly test: Test; readonly next: number }
  | { readonly kind: "fork"; next: readonly number[] }
  | { readonly kind: "assertion"; readonly holds: Assertion; readonly next: number }
  | {
      readonly kind: "look";
      readonly entry: number;
      readonly behind: number | null;
      readonly negative: boolean;
      readonly next: number;
    };

const DONE = -1;

/** The states of one expression, and their runs. */
export class Automaton {
  readonly #states: State[] = [];
  readonly #entry: number;
  #text: readonly string[] = [];
  #steps = 0;
  /** Whether a lookahead or lookbehind holds, by its state and the place in the text. */
  readonly #looked = new Map<string, boolean>();

  constructor(node: Node) {
    this.#entry = this.#build(node, DONE);
  }

  /** Whether the whole text matches, given as its characters. */
  matches(text: readonly string[]): boolean {
    this.#text = text;
    this.#looked.clear();
    return this.#run(this.#entry, 0, text.length);
  }

  #push(state: State): number {
    if (this.#states.length >= MOST_STATES)
      throw new LowrankError(
        `an expression that stands for at most ${MOST_STATES} characters when written out`,
      );
    return this.#states.push(state) - 1;
  }

  /** Makes the states that match `node` and then go on to state `next`. @returns the first of them */
  #build(node: Node, next: number): number {
    switch (node.kind) {
      case "one":
        return this.#push({ kind: "one", test: node.test, next });
      case "assertion":
        return this.#push({ kind: "assertion", holds: node.holds, next });
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

  /** Whether a run from state `entry` at place `from` is done at place `until`, or at any place when that is null. */
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

  /** These states, and all that are reached from them without a character. */
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
      else if (state.kind === "assertion" ? state.holds(this.#text, at) : this.#holds(number, state, at))
        open.push(state.next);
    }
    return reached;
  }

  /** Whether the lookahead or lookbehind of a state holds at a place. */
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
