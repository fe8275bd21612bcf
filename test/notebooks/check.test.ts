/** @file notebooks:check: what it lets pass, what it finds, what it says. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkNotebooks } from "../../notebooks/support/check/command.ts";
import { agree, differences } from "../../notebooks/support/check/compare.ts";
import { type ShownTable, tablesIn } from "../../notebooks/support/check/tables.ts";
import { readNotebook } from "../../notebooks/support/gallery/notebook.ts";
import { fold, meanStd, replication, table } from "../../notebooks/support/index.ts";
import { toIpynb } from "../../notebooks/support/notebook/ipynb.ts";
import { parsePercent } from "../../notebooks/support/notebook/percent.ts";
import type { RunRecord } from "../../notebooks/support/notebook/record.ts";
import type { MimeBundle } from "../../notebooks/support/notebook/session.ts";
import { silentTerminal } from "../../notebooks/support/terminal/terminal.ts";

const check = suite("notebooks:check");

check("a mean may differ by its spread and no more; a number without a spread must be equal", () => {
  const decimal = fc.integer({ min: -9999, max: 9999 });
  fc.assert(
    fc.property(
      decimal,
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: -1000, max: 1000 }),
      (a, s, by) => {
        const text = (value: number): string => (value / 100).toFixed(2);
        const cell = (value: number): string => `loss ${text(value)} ± ${text(s)} at r = 4`;
        assert.is(agree(cell(a), cell(a + by)), Math.abs(by) <= s);
        assert.is(agree(text(a), text(a + by)), by === 0);
        assert.not.ok(agree(cell(a), cell(a).replace("r = 4", "r = 5"))); // integers are exact
        assert.not.ok(agree(cell(a), cell(a).replace("loss", "gain"))); // words too
      },
    ),
  );
});

check("an interval may move by half of its length, and no more", () => {
  const cell = (a: number, b: number, c: number): string =>
    `difference ${a} (${b} to ${c}), δ = 0.01`.replaceAll("-", "−");
  const before = cell(-0.012, -0.016, -0.008);
  assert.ok(agree(before, cell(-0.014, -0.018, -0.01)));
  assert.ok(agree(before, before));
  assert.not.ok(agree(before, cell(-0.019, -0.023, -0.015)));
  assert.not.ok(agree(before, cell(0.012, 0.008, 0.016)));
  assert.not.ok(agree(before, cell(-0.012, -0.03, 0.006)));
  assert.not.ok(agree(before, before.replace("0.01", "0.02")), "δ is exact");
  assert.not.ok(agree(before, before.replace("difference", "difference of")));
  assert.not.ok(agree(before, "difference −0.012, δ = 0.01"));
});

check("folded tables are read like others", () => {
  const folded = fold("Two of the 2 counts come out.", table([{ r: 1, loss: 2 }], { title: "Inside" }));
  const output = { ...folded.toMime() };
  const cells = [{ type: "code" as const, outputs: [output] }];
  const [inside] = tablesIn({ cells } as unknown as Parameters<typeof tablesIn>[0]);
  assert.is(inside.title, "Inside");
  assert.equal(inside.rows, [["1", "2"]]);
});

check("a tolerance is relative and applies to decimals only", () => {
  assert.ok(agree("1.000", "1.009", 0.01));
  assert.not.ok(agree("1.000", "1.011", 0.01));
  assert.ok(agree("1.00e-5", "1.01e-5", 0.02));
  assert.not.ok(agree("1,000", "1,001", 0.01));
});

const shown = (part: Partial<ShownTable> = {}): ShownTable => ({
  title: "Loss",
  header: ["r", "loss"],
  rows: [
    ["1", "0.50"],
    ["2", "0.25"],
  ],
  tolerance: 0,
  ...part,
});

check("a difference is reported with table, row, column and both values", () => {
  const before = [shown()];
  assert.equal(differences(before, [shown()]), []);
  const one = shown({
    rows: [
      ["1", "0.50"],
      ["2", "0.26"],
    ],
  });
  assert.equal(differences(before, [one]), ['table "Loss", row "2", column "loss": 0.26; before 0.25']);
  const kinds: [ShownTable[], RegExp][] = [
    [[], /other tables than before \(gone: Loss\)/],
    [[shown(), shown({ title: "Time" })], /new: Time/],
    [[shown({ header: ["r", "gain"] })], /columns r, gain; before r, loss/],
    [[shown({ rows: [["1", "0.50"]] })], /1 rows; before 2/],
  ];
  for (const [now, message] of kinds) assert.match(differences(before, now).join("\n"), message);
  const changing = [
    shown({
      rows: [
        ["1", null],
        ["2", "0.25"],
      ],
    }),
  ];
  assert.equal(differences(changing, [shown()]), []);
});

const SOURCE =
  '// %% [markdown]\n// # Small\n//\n// Some prose.\n\n// %% Numbers\n\nimport { a } from "./a.ts";\nexport const rank = 2;\n';
const RECORD: RunRecord = {
  setting: "full",
  device: "cpu",
  machine: "none",
  node: "v20.0.0",
  date: "2026-01-01",
  seconds: 1,
  settings: { seeds: 5 },
  verdicts: { supported: 1, "on a par": 0, "cannot tell": 0, contradicted: 0 },
};

/** The notebook small.ts in a folder of its own, its full run beside it and a quick one in `run`. */
function small({
  source = SOURCE,
  full = {},
  loss = [0.5, 0.52],
  seconds = 1,
}: {
  source?: string;
  full?: Partial<RunRecord>;
  loss?: number[];
  seconds?: number;
} = {}): { folder: string; run: string; said: string[]; check(...args: string[]): Promise<number> } {
  const folder = mkdtempSync(join(tmpdir(), "check-"));
  const run = join(folder, "run");
  mkdirSync(run);
  writeFileSync(join(folder, "small.ts"), source);
  const outputs: MimeBundle[] = [
    table([{ r: 1, loss: meanStd(loss), seconds }], { title: "Loss", volatile: ["seconds"] }).toMime(),
    replication({ claim: "it learns", paper: 1, measured: 2, verdict: true }).toMime(),
  ];
  const cells = parsePercent(SOURCE);
  const text = (record: RunRecord): string => toIpynb({ cells, outputs: [[], outputs], record });
  writeFileSync(join(folder, "small.ipynb"), text({ ...RECORD, ...full }));
  writeFileSync(join(run, "small.ipynb"), text({ ...RECORD, setting: "quick" }));
  const said: string[] = [];
  const terminal = { ...silentTerminal, status: (line: string) => said.push(line) };
  return {
    folder,
    run,
    said,
    async check(...args) {
      said.length = 0;
      return checkNotebooks([...args, "--from", run], { folder, runs: run, terminal });
    },
  };
}

check(
  "a run is kept by --update, and another with other times and a mean within the spread passes",
  async () => {
    const first = small();
    assert.is(await first.check(), 1);
    assert.match(first.said.join("\n"), /✓ small: committed\n✗ small: numbers\n.*--update writes it/);
    assert.is(await first.check("--update"), 0);
    assert.is(await first.check("small"), 0);
    assert.is(first.said.at(-1), "\n2 passed, 0 failed, 0 skipped");

    const kept = readFileSync(join(first.folder, "quick", "small.json"), "utf8");
    const other = (options: Parameters<typeof small>[0]) => {
      const one = small(options);
      mkdirSync(join(one.folder, "quick"));
      writeFileSync(join(one.folder, "quick", "small.json"), kept);
      return one;
    };
    const close = other({ loss: [0.51, 0.52], seconds: 7 });
    assert.is(await close.check(), 0, close.said.join("\n"));
    const far = other({ loss: [0.6, 0.62] });
    assert.is(await far.check(), 1);
    assert.match(
      far.said.join("\n"),
      /table "Loss", row "1", column "loss": 0\.61.*; before 0\.51.*\n.*--update/,
    );
    for (const { folder } of [first, close, far]) rmSync(folder, { recursive: true });
  },
);

check("volatile cells are not stored", async () => {
  const { folder } = small();
  const [loss, claims] = tablesIn(await readNotebook(join(folder, "small.ipynb")));
  assert.is(loss.rows[0][2], null);
  assert.ok(claims.rows[0].includes("supported"));
  rmSync(folder, { recursive: true });
});

check(
  "a committed notebook is a full, unchanged run of its source with five seeds and its verdicts",
  async () => {
    const cases: [Parameters<typeof small>[0], RegExp][] = [
      [{ source: SOURCE.replace("rank = 2", "rank = 3") }, /older than small\.ts: npm start -- small --full/],
      [{ source: SOURCE.replace("{ a }", "{ b as a }") }, /older than small\.ts: npm start -- small --full/],
      [{ full: { setting: "quick" } }, /of the quick setting/],
      [{ full: { changed: "rank=2" } }, /of a run with rank=2/],
      [{ full: { settings: { seeds: 4 } } }, /of 4 seeds; expected at least 5/],
      [{ full: { verdicts: undefined } }, /without its verdicts/],
    ];
    for (const [options, message] of cases) {
      const { folder, said, check } = small(options);
      await check("--update");
      assert.match(said.join("\n"), message);
      rmSync(folder, { recursive: true });
    }
  },
);

check("--update writes changed prose and keeps the outputs", async () => {
  const { folder, run, said, check } = small({ source: SOURCE.replace("Some prose", "Better prose") });
  await check();
  assert.match(said.join("\n"), /older than small\.ts/);
  const before = await readNotebook(join(folder, "small.ipynb"));
  await check("--update");
  const after = await readNotebook(join(folder, "small.ipynb"));
  assert.match(after.cells[0].source, /Better prose/);
  assert.equal(after.cells[1], before.cells[1]);
  assert.equal(after.metadata, before.metadata);
  assert.ok(run);
  rmSync(folder, { recursive: true });
});

check("--update writes changed import paths", async () => {
  const { folder, said, check } = small({ source: SOURCE.replace("./a.ts", "./support/b.ts") });
  await check("--update");
  await check();
  assert.match(said.join("\n"), /✓ small: committed/);
  const { cells } = await readNotebook(join(folder, "small.ipynb"));
  assert.match(cells[1].source, /{ a } from ".\/support\/b.ts"/);
  rmSync(folder, { recursive: true });
});

check("wrong arguments are an error in one line", async () => {
  const { folder, said, check } = small();
  for (const [args, message] of [
    [["smal"], /unknown notebook "smal"; did you mean small\?/],
    [["--form", "x"], /did you mean --from\?/],
  ] as const) {
    assert.is(await check(...args), 1);
    assert.match(said.join("\n"), message);
  }
  writeFileSync(join(folder, "run", "small.ipynb"), "{");
  assert.is(await check(), 1);
  assert.match(said.join("\n"), /not a notebook/);
  rmSync(folder, { recursive: true });
});

check.run();
