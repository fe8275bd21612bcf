/** @file Python's regular expressions in time that is bounded: what matches is what Python's `re.fullmatch` says. */

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { LowrankError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fullMatcher } from "../../../core/python/pattern/index.ts";

const test = suite("Python's expressions");

const texts = [
  "q_proj",
  "model.layers.0.self_attn.q_proj",
  "model.layers.11.mlp.down_proj",
  "visual.blocks.3.attn.q_proj",
  "h.0.attn.c_attn",
  "H.0.ATTN.C_ATTN",
  "x{2}",
  "a\nb",
  "",
];

/** Expressions, and which of the texts Python 3.11's re.fullmatch takes. */
const table: readonly (readonly [string, readonly number[]])[] = [
  [".*q_proj", [0, 1, 3]],
  ["(?i).*c_attn", [4, 5]],
  ["(?P<x>.*)c_attn", [4]],
  ["(?:.*\\.)*c_attn", [4]],
  ["(?:.*?(?:language|text).*?)?.*q_proj", [0, 1, 3]],
  ["^(?!visual).*q_proj", [0, 1]],
  [".*(?<!self_attn)\\.q_proj", [3]],
  ["model\\.layers\\.\\d+\\.(self_attn|mlp)\\.(q|down)_proj\\Z", [1, 2]],
  ["\\Amodel.*", [1, 2]],
  [".*\\.(0|11)\\..*", [1, 2, 4, 5]],
  ["x\\{2\\}", [6]],
  ["x{2}", []],
  ["x{2", []],
  ["x{,}\\{2}", [6]],
  ["a.b", []],
  ["(?s)a.b", [7]],
  ["a\\nb", [7]],
  ["(?m)a$\\nb", [7]],
  ["[^.]*", [0, 6, 7, 8]],
  ["[]q_\\-a-z]*", [0, 8]],
  ["\\w+\\.\\d+\\..*", [4, 5]],
  [".{7,40}", [1, 2, 3, 4, 5]],
  ["(?i:H)\\.0\\..*", [4, 5]],
  ["(?x) h \\. 0 .* # blocks", [4]],
  [".*\\battn\\b.*", [3, 4]],
  ["(a|)*", [8]],
  ["((a*)*)*", [8]],
  ["\\x71_proj", [0]],
  [".*(?=proj)proj", [0, 1, 2, 3]],
  ["(?:)", [8]],
  ["|q_proj", [0, 8]],
  ["[\\w.]+_(proj|attn)$", [0, 1, 2, 3, 4]],
  ["[\\161]_proj", [0]],
  ["\\161_proj", [0]],
  ["[\\60-\\71hq]_proj", [0]],
  ["q(?#one or more)+_proj", [0]],
  ["(?:^)*q_proj", [0]],
  ["(?i-s:Q)_proj", [0]],
];

test("what Python matches, and nothing else", () => {
  for (const [source, matched] of table) {
    const matches = fullMatcher(source);
    const ours = texts.flatMap((text, i) => (matches(text) ? [i] : []));
    assert.equal(ours, matched, source);
  }
});

/**
 * Random rows of parts of expressions, what Python's re.fullmatch says of each of the texts ("1" for a match), and null
 * where re.compile refuses.
 */
const recorded: { texts: string[]; matches: Record<string, string | null> } = JSON.parse(
  readFileSync(new URL("pattern-cases.json", import.meta.url), "utf8"),
);

test("400 expressions are read, or refused, as Python reads or refuses them", () => {
  let unsupported = 0;
  for (const [source, expected] of Object.entries(recorded.matches)) {
    let ours: string | null;
    try {
      const matches = fullMatcher(source);
      ours = recorded.texts.map((text) => Number(matches(text))).join("");
    } catch (error) {
      assert.instance(error, LowrankError);
      if (expected !== null && /not supported/.test((error as Error).message)) unsupported++;
      else assert.is(expected, null, `${source}: ${(error as Error).message}`);
      continue;
    }
    assert.is(ours, expected, source);
  }
  assert.ok(unsupported < 20);
});

test("where JavaScript and Python read an expression alike, they agree", () => {
  const atom = fc.constantFrom(
    "a",
    "b",
    ".",
    "\\.",
    "[ab]",
    "[^a]",
    "\\d",
    "(?=a)",
    "(?!b)",
    "(?<=a)",
    "^",
    "$",
  );
  const quantifier = fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}", "*?");
  const { source } = fc.letrec<{ source: string }>((tie) => ({
    source: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie("source"), tie("source")).map(([a, b]) => a + b),
      fc.tuple(tie("source"), tie("source")).map(([a, b]) => `(${a}|${b})`),
      fc.tuple(tie("source"), quantifier).map(([a, q]) => `(?:${a})${q}`),
    ),
  }));
  const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "0"), maxLength: 8 });
  fc.assert(
    fc.property(source, text, (source, text) => {
      assert.is(fullMatcher(source)(text), new RegExp(`^(?:${source})$(?![^])`, "u").test(text));
    }),
    { numRuns: 500 },
  );
});

test("expressions that take a backtracking engine for ever end", () => {
  const text = "a".repeat(200);
  for (const source of [
    "(.?){40}X",
    `${".?".repeat(60)}X`,
    "(a+)+$X",
    "(a|a)*b",
    "((a*)*)*b",
    "(?:a{0,50}){50}b",
    "(?=(a+)+b).*",
  ])
    assert.is(fullMatcher(source)(text), false, source);
});

for (const [source, message] of [
  ["(", /a closing \)/],
  [")", /no \) without its \(/],
  ["[a", /a closing \]/],
  ["*a", /something to repeat/],
  ["^*a", /something to repeat \(position 1\)/],
  ["a$+", /something to repeat/],
  ["\\b?a", /something to repeat/],
  ["{2}a", /something to repeat/],
  ["(?#a)*a", /something to repeat/],
  ["(?i)*a", /something to repeat/],
  ["a*(?#a)*", /one repetition/],
  ["a**", /one repetition/],
  ["a*+", /no possessive/],
  ["a{2,1}", /at least, then at most/],
  ["(?P<x>a)(?P=x)", /no back reference \(\?P=x\)/],
  ["(a)\\1", /no back reference \\1/],
  ["(?>a)", /no atomic group/],
  ["(a)(?(1)b|c)", /no conditional group/],
  ["(?P<1>a)", /a name for the group/],
  ["(?P<x>a)(?P<x>b)", /one group with the name x/],
  ["(?<x>a)", /a group that Python knows/],
  ["a(?i)b", /flags for the whole expression at its start/],
  ["(?<=a*)b", /lookbehind of fixed width/],
  ["\\q", /an escape that Python knows/],
  ["[\\8]", /an escape that Python knows/],
  ["\\8", /no back reference \\8/],
  ["[\\777]", /an octal number up to 377/],
  ["(?)", /a group that Python knows/],
  ["(?i-:a)", /a group that Python knows/],
  ["\\x4", /2 hexadecimal digits/],
  ["[b-a]", /a range from one character up to another/],
  ["[\\w-a]", /a range from one character up to another/],
  ["((a{100}){100}){100}", /at most 10000 characters/],
  ["a".repeat(5000), /at most 4096 characters/],
  [`${"(".repeat(500)}a${")".repeat(500)}`, /nested at most 100 deep/],
] as const) {
  test(`refused: ${source.slice(0, 30)}`, () => {
    assert.throws(
      () => fullMatcher(source),
      (error: unknown) => error instanceof LowrankError && message.test(error.message),
    );
  });
}

test("any text is an expression or is refused", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."ab()[]{}|*+?^$\\.-,:=!<>P#12isx") }),
      fc.string(),
      (source, text) => {
        let matches: (text: string) => boolean;
        try {
          matches = fullMatcher(source);
        } catch (error) {
          assert.instance(error, LowrankError);
          return;
        }
        assert.type(matches(text), "boolean");
      },
    ),
    { numRuns: 2000 },
  );
});

test.run();
