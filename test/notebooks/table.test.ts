import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tablesIn } from "../../notebooks/support/check/tables.ts";
import { parsePercent } from "../../notebooks/support/notebook/percent.ts";
import { Session, withSession } from "../../notebooks/support/notebook/session.ts";
import { card } from "../../notebooks/support/show/card.ts";
import { display } from "../../notebooks/support/show/display.ts";
import { formatNumber, meanStd } from "../../notebooks/support/show/format.ts";
import { replication } from "../../notebooks/support/show/replication.ts";
import { marked, samples } from "../../notebooks/support/show/samples.ts";
import { table } from "../../notebooks/support/show/table.ts";
import { silentTerminal } from "../../notebooks/support/terminal/terminal.ts";
import { width } from "../../notebooks/support/terminal/text.ts";

const tables = suite("tables");

tables("mean ± spread: one significant digit of the deviation, at most four of the mean", () => {
  const spread = (center: number, d: number) => String(meanStd([center - d, center + d])); // deviation d √2
  assert.is(spread(2.31, 0.02 / Math.SQRT2), "2.31 ± 0.02");
  assert.is(spread(2.31, 0.014 / Math.SQRT2), "2.31 ± 0.01");
  assert.is(spread(4.2429851321, 2e-10 / Math.SQRT2), "4.243 ± 2e-10");
  assert.is(spread(0.029, 0.0099 / Math.SQRT2), "0.03 ± 0.01");
  assert.is(spread(1234.5, 30 / Math.SQRT2), "1,235 ± 30");
  assert.is(String(meanStd([2.5])), "2.50");
  assert.is(String(meanStd([3, 3, 3])), "3 ± 0");
  assert.is(String(meanStd([1, Number.POSITIVE_INFINITY])), "∞"); // one that diverged
  assert.is(meanStd([2.301, 2.329]).format(3), "2.315 ± 0.020");
  assert.throws(() => meanStd([]), RangeError);
});

tables("the mean lies among the values; shifting them shifts it and keeps the deviation", () => {
  const value = fc.double({ min: -100, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), value, (values, shift) => {
      const { mean, std, n } = meanStd(values);
      const moved = meanStd(values.map((v) => v + shift));
      // |terms| ≤ 200 and at most 8 of them: rounding stays below 8 · 200 · 2⁻⁵³ ≈ 2e-13, its root below 1e-6.
      assert.is(n, values.length);
      assert.ok(mean >= Math.min(...values) - 1e-12 && mean <= Math.max(...values) + 1e-12);
      assert.ok(Math.abs(moved.mean - mean - shift) < 1e-12);
      assert.ok(Math.abs(moved.std - std) < 1e-6);
    }),
  );
});

tables("numbers are formatted with grouped thousands and the given decimals", () => {
  assert.is(formatNumber(175_255_207_936), "175,255,207,936");
  assert.is(formatNumber(2n ** 60n, 0), "1,152,921,504,606,846,976");
  assert.is(formatNumber(0.1278), "0.128");
  assert.is(formatNumber(0.00002, 3), "2.00e-5");
  assert.is(formatNumber(-0), "0");
  assert.is(formatNumber(Number.NaN), "NaN");
  assert.is(formatNumber(Number.NEGATIVE_INFINITY), "-∞");
});

const sample = table(
  [
    { method: "full", parameters: 834_432, loss: 2.324, spread: meanStd([2.3, 2.34]), ok: true },
    { method: "a|b<c>", parameters: 8, loss: 2, spread: null, ok: false },
  ],
  {
    title: "Losses",
    note: "In nats.",
    columns: ["method", "parameters", { key: "loss", label: "L" }, "spread", "ok"],
  },
);

tables("numbers have three significant digits; means and deviations of a column have equal decimals", () => {
  const column = (values: readonly (number | ReturnType<typeof meanStd>)[]): readonly string[] =>
    table(values.map((v) => ({ v }))).grid.rows.map(([text]) => text);
  assert.equal(column([0.1234567, 0.98]), ["0.123", "0.980"]);
  assert.equal(column([0.00123456, 1.23456, 145.678, 20_000.5, 0.5]), [
    "0.00123",
    "1.23",
    "146",
    "20,001",
    "0.500",
  ]);
  assert.equal(column([834_432, 8]), ["834,432", "8"]);
  assert.equal(column([98.76, 102.34]), ["98.8", "102.3"]);
  const spreads = [0.0288, 0.0461].map((mean, i) =>
    meanStd([mean - [2e-4, 2e-3][i], mean + [2e-4, 2e-3][i]]),
  );
  assert.equal(column(spreads), ["0.0288 ± 0.0003", "0.0461 ± 0.0028"]);
});

tables("subscripts in HTML are subscripts, as text they are plain", () => {
  const { "text/html": html, "text/plain": text } = table([{ W_q: "W_v" }], { title: "r_q" }).toMime();
  assert.match(html, /<b>r<sub>q<\/sub><\/b>.*<th[^>]*>W<sub>q<\/sub>.*<td[^>]*>W<sub>v<\/sub>/s);
  assert.match(text, /W_q.*W_v/s);
});

tables("samples mark the words that are new after adaptation, in order", () => {
  assert.equal(marked("by the river: fair food.", "by the old river: fair food."), [
    { text: "by the", isNew: false },
    { text: "old", isNew: true },
    { text: "river: fair food.", isNew: false },
  ]);
  const words = fc.array(fc.constantFrom<string>("a", "b", "c", "<d>"), { maxLength: 8 });
  fc.assert(
    fc.property(words, words, (before, after) => {
      const runs = marked(before.join(" "), after.join(" "));
      assert.is(runs.map(({ text }) => text).join(" "), after.join(" "));
      const kept = runs.flatMap(({ text, isNew }) => (isNew ? [] : text.split(" ")));
      let at = 0;
      for (const word of kept) assert.ok((at = before.indexOf(word, at) + 1) > 0, `${kept} in ${before}`);
      if (before.join(" ") === after.join(" ")) assert.ok(runs.every(({ isNew }) => !isNew));
    }),
  );
  const shown = samples([{ input: "Aromi", base: "a river", adapted: "by a <river>" }], { title: "T" });
  const { "text/html": html, "text/plain": text } = shown.toMime();
  assert.match(html, /<b>by<\/b> a <b>&lt;river&gt;<\/b>/);
  assert.match(text, /adapted {2}«by» a «<river>»/);
  assert.ok(
    tablesIn({ cells: [{ outputs: [{ "text/html": html }] }] } as never)[0]
      .rows[0].slice(1)
      .every((cell) => cell === null),
  );
});

tables("a card holds what people say, the number, and the verdict, once", () => {
  const one = card({
    said: "r = 8 is enough",
    number: "4",
    of: "the elbow",
    depends: "the task",
    verdict: true,
    more: "lora",
  });
  assert.equal(one.verdicts, ["supported"]);
  const { "text/html": html, "text/plain": text } = one.toMime();
  assert.match(html, /data-page="lora"/);
  const [found] = tablesIn({ cells: [{ outputs: [{ "text/html": html }] }] } as never);
  assert.equal(found.rows, [["r = 8 is enough", "4", "the elbow", "supported", "the task"]]);
  assert.match(text, /“r = 8 is enough”\n {2}4: the elbow\n {2}the task\n {2}→ supported/);
});

tables("as text, columns are aligned, numbers to the right with equal decimals", () => {
  assert.is(
    String(sample),
    [
      "Losses",
      "─".repeat(42),
      "method  parameters     L       spread  ok",
      "─".repeat(42),
      "full       834,432  2.32  2.32 ± 0.03  yes",
      "a|b<c>           8  2.00               no",
      "─".repeat(42),
      "In nats.",
    ].join("\n"),
  );
});

const word = fc.oneof(
  fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
    .map((text) => text.replace(/[\s─]/g, "") || "x"),
  fc.constantFrom("W̄", "漢字", "モデル", "👩‍🔬", "x".repeat(150)),
);
const cell = fc.oneof(
  { weight: 3, arbitrary: fc.array(word, { maxLength: 12 }).map((list) => list.join(" ")) },
  fc.constant(null),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc
    .tuple(fc.integer({ min: -999, max: 999 }), fc.integer({ min: 1, max: 99 }))
    .map(([a, d]) => meanStd([a - d, a + d])),
);
const tableOf = fc.array(fc.tuple(word, fc.boolean()), { minLength: 1, maxLength: 9 }).chain((columns) =>
  fc
    .array(fc.tuple(...columns.map(([, numeric]) => (numeric ? number : cell))), {
      minLength: 1,
      maxLength: 5,
    })
    .map((rows) =>
      table(
        rows.map((row) => Object.fromEntries(row.map((value, j) => [`c${j}`, value]))),
        { columns: columns.map(([label], j) => ({ key: `c${j}`, label })), title: "A title of a few words" },
      ),
    ),
);

/** How often each character occurs. */
function letters(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const letter of text.replace(/\s/g, "")) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return counts;
}

tables(
  "in a terminal: no line is wider, no number is cut, no word is lost; what fits stays as it was",
  () => {
    fc.assert(
      fc.property(tableOf, fc.integer({ min: 60, max: 120 }), (shown, columns) => {
        const text = shown.toText(columns);
        const lines = text.split("\n");
        for (const line of lines) assert.ok(width(line) <= columns, `${width(line)} of ${columns}: ${line}`);

        const { grid } = shown;
        if (
          String(shown)
            .split("\n")
            .every((line) => width(line) <= columns)
        )
          assert.is(text, String(shown));
        grid.align.forEach((align, j) => {
          for (const row of grid.rows) {
            if (align === "right")
              assert.ok(
                lines.some((line) => line.includes(row[j])),
                `${row[j]} is cut`,
              );
          }
        });
        const printed = letters(lines.join(""));
        for (const [letter, count] of letters([...grid.header, ...grid.rows.flat()].join(""))) {
          assert.ok((printed.get(letter) ?? 0) >= count, `a ${letter} is lost`);
        }
      }),
      { numRuns: 200 },
    );
  },
);

tables("in a terminal text wraps, further parts repeat the first column, and the note wraps", () => {
  const wide = table(
    [
      {
        method: "LoRA",
        claim: "half as many numbers as before, at the same loss",
        a: 123_456_789,
        b: 1,
        long_heading: 2,
      },
      { method: "DoRA", claim: "more", a: 2, b: 34_567_890, long_heading: 3 },
    ],
    {
      title: "One",
      note: "Counted from the shapes, not measured.",
      columns: ["method", "claim", "a", "b", { key: "long_heading", label: "a long heading" }],
    },
  );
  const expected = `
One
────────────────────────────────────────
method  claim                          a
────────────────────────────────────────
LoRA    half as many         123,456,789
        numbers as before,
        at the same loss

DoRA    more                           2
────────────────────────────────────────

──────────────────────────────────
method           b  a long heading
──────────────────────────────────
LoRA             1               2
DoRA    34,567,890               3
──────────────────────────────────
Counted from the shapes, not measured.`;
  assert.is(`\n${wide.toText(40)}`, expected);
});

tables("display fits a table to a terminal; a pipe and the notebook get its full width", async () => {
  const wide = table([{ a: "so many words that they take more than forty columns", b: 1 }]);
  for (const columns of [40, undefined]) {
    const printed: string[] = [];
    const terminal = { ...silentTerminal, columns, print: (text: string) => void printed.push(text) };
    const options = { name: "nb", cells: parsePercent("// %%\n", "nb"), full: false, overrides: new Map() };
    const session = new Session({ ...options, seeds: undefined, terminal });
    await withSession(session, async () => display(wide));
    assert.equal(printed, [columns ? wide.toText(columns) : String(wide)]);
    assert.is(session.outputs[0][0]["text/plain"], String(wide));
  }
});

tables("Markdown and HTML are aligned, and text in a cell is escaped", () => {
  const { "text/markdown": markdown, "text/html": html, "text/plain": text } = sample.toMime();
  assert.is(text, String(sample));
  assert.ok(markdown.includes("| --- | ---: | ---: | ---: | --- |"));
  assert.ok(markdown.includes("| a\\|b<c> |"));
  assert.ok(html.includes('<td align="left">a|b&lt;c&gt;</td><td align="right">8</td>'));
  assert.ok(html.includes("<caption><b>Losses</b></caption>"));
});

tables("every row of the Markdown has the same number of cells, whatever the text", () => {
  const text = fc.string({ unit: fc.constantFrom("|", "\\", "\n", "a", "é", "<") });
  fc.assert(
    fc.property(fc.array(fc.record({ a: text, b: text }), { minLength: 1, maxLength: 4 }), (rows) => {
      const lines = table(rows).toMime()["text/markdown"].split("\n");
      assert.is(lines.length, rows.length + 2);
      for (const line of lines) assert.is(line.replace(/\\[\\|]/g, "").match(/\|/g)?.length, 3);
    }),
  );
});

tables("an empty table is marked as such", () => {
  assert.ok(String(table([] as { a: number }[], { columns: ["a"] })).includes("(no rows)"));
});

tables("a replication shows paper, measurement, seeds and verdict, and hides empty columns", () => {
  const claims = replication([
    { claim: "c1", paper: 73.4, measured: [2.31, 2.33, 2.29], verdict: false },
    {
      claim: "c2",
      paper: "free",
      measured: "0 ms",
      verdict: { verdict: "cannot tell", why: "-1 to 1" },
      seeds: 1,
    },
    { claim: "c3", paper: "x", measured: 1, verdict: true },
  ]);
  assert.equal(claims.grid.header, ["claim", "paper reports", "this run", "seeds", "verdict"]);
  assert.equal(claims.grid.rows[0], ["c1", "73.4", "2.31 ± 0.02", "3", "contradicted"]);
  assert.equal(claims.verdicts, ["contradicted", "cannot tell", "supported"]);
});

tables("a volatile claim gets no verdict, whatever was measured", () => {
  for (const verdict of [true, false, { verdict: "on a par", why: "0 to 1" } as const]) {
    const timed = { claim: "c1", paper: "as long", measured: "1.22 times", verdict, volatile: true };
    const counted = { claim: "c2", paper: "as many", measured: "1.00 times", verdict };
    const { grid, verdicts } = replication([timed, counted]);
    assert.is(grid.rows[0][3], "timed on this machine: no verdict");
    assert.is(verdicts.length, 1, "and does not count");
  }
});

tables.run();
