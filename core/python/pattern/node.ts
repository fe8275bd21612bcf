/** @file The parts of a parsed expression, and what `^`, `$` and `\b` assert of a place in a text. */

/** Whether a character is one that is meant. */
export type Test = (character: string) => boolean;

/** Whether something holds between the characters before `at` and those from `at` on. */
export type Assertion = (text: readonly string[], at: number) => boolean;

export type Node =
  | { readonly kind: "one"; readonly test: Test }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "choice"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly least: number; readonly most: number }
  | { readonly kind: "assertion"; readonly holds: Assertion }
  | {
      readonly kind: "look";
      readonly node: Node;
      /** How many characters back a lookbehind begins; null for a lookahead. */
      readonly behind: number | null;
      readonly negative: boolean;
    };

/** Flags of the place that is being parsed, by Python's letters. */
export interface Flags {
  /** Case is ignored. */
  readonly i: boolean;
  /** `.` is a line end too. */
  readonly s: boolean;
  /** `^` and `$` hold at every line. */
  readonly m: boolean;
  /** Spaces and comments in the expression mean nothing. */
  readonly x: boolean;
  /** `\d`, `\w` and `\s` are ASCII's only. */
  readonly a: boolean;
}

export const atStart: Assertion = (_, at) => at === 0;
export const atEnd: Assertion = (text, at) => at === text.length;
export const atLineStart: Assertion = (text, at) => at === 0 || text[at - 1] === "\n";
export const atLineEnd: Assertion = (text, at) => at === text.length || text[at] === "\n";
/** `$`: at the end, or before a line end that is the last character. */
export const atLastLineEnd: Assertion = (text, at) =>
  at === text.length || (at === text.length - 1 && text[at] === "\n");

/** `\b`: between a character of a word and one that is none. */
export function atWordEdge(isWord: Test): Assertion {
  const isWordAt = (text: readonly string[], at: number): boolean =>
    at >= 0 && at < text.length && isWord(text[at]);
  return (text, at) => isWordAt(text, at - 1) !== isWordAt(text, at);
}

/** How many characters a node matches; null when that is not always the same. */
export function widthOf(node: Node): number | null {
  switch (node.kind) {
    case "one":
      return 1;
    case "assertion":
    case "look":
      return 0;
    case "sequence":
      return node.nodes.map(widthOf).reduce((sum, w) => (sum === null || w === null ? null : sum + w), 0);
    case "choice": {
      const [first, ...others] = node.nodes.map(widthOf);
      return others.every((w) => w === first) ? first : null;
    }
    case "repeat": {
      const one = widthOf(node.node);
      return one === null || node.least !== node.most ? null : one * node.least;
    }
  }
}
