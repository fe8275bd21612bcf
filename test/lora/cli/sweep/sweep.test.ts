/**
 * @file `lowrank sweep` and `lowrank collect`: cells and their numbers, results that are whole or not there, what is skipped,
 * retried, shared and refused, and the table and plots of what came out.
 */

import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import * as fc from "fast-check";
import { parseHTML } from "linkedom";
import { loadAdapter } from "lowrank/lora";
import { type Llama, loadPretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tryLock } from "../../../../lora/cli/lock.ts";
import { runSettings } from "../../../../lora/cli/train/run/settings.ts";
import { prepareRun, runTraining } from "../../../../lora/cli/train/run/training.ts";
import { readSweep } from "../../../../lora/cli/train/sweep/file.ts";
import type { CellRecord } from "../../../../lora/cli/train/sweep/results.ts";
import { tinyFolder } from "../../../support/tiny-folder.ts";
import { lowrank, type Ran } from "../run.ts";

interface Context {
  folder: string;
}
const test = suite<Context>("sweep");
const shared = mkdtempSync(join(tmpdir(), "lowrank-sweep-base-"));
tinyFolder(join(shared, "base"));
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "lowrank-sweep-"));
  writeFileSync(
    join(context.folder, "notes.txt"),
    "A low rank is enough for what is known already. ".repeat(20),
  );
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));
test.after(() => rmSync(shared, { recursive: true, force: true }));

const run = {
  base: join(shared, "base"),
  text: "notes.txt",
  steps: 2,
  length: 16,
  batchSize: 2,
  validation: 0.2,
};
const grid = { methods: ["lora", "dora"], ranks: [1, 2], seeds: [0, 1] };
const CELLS = 8;

/** Writes the file of a sweep, and returns its path. */
function sweepFile({ folder }: Context, fields: object = { run, grid }, name = "grid.json"): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(fields));
  return path;
}
const sweep = (file: string, argv: string[] = [], env: Record<string, string> = {}): Promise<Ran> =>
  lowrank(["sweep", file, ...argv], { env });
/** A printed line with the results' folder as an absolute path. */
const resolved = (line: string): string => line.replace(/\S+(?=\n$)/, (path) => resolve(path));
const record = ({ folder }: Context, index: number): CellRecord =>
  JSON.parse(readFileSync(join(folder, "grid-results", "cells", `${index}.json`), "utf8"));
const cellsIn = ({ folder }: Context): string[] => readdirSync(join(folder, "grid-results", "cells")).sort();
const all = Array.from({ length: CELLS }, (_, i) => `${i}.json`);

test("the option that the grid names last changes first, and each combination is one cell", (context) => {
  const axes = {
    rank: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
    seed: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 3 }),
    lr: fc.uniqueArray(fc.constantFrom(0.1, 0.01, 0.001), { minLength: 1 }),
  };
  fc.assert(
    fc.property(
      fc.record(axes),
      fc.shuffledSubarray(Object.keys(axes), { minLength: 1 }),
      (values, order) => {
        const grid = Object.fromEntries(order.map((name) => [name, values[name as keyof typeof values]]));
        const { cells } = readSweep(sweepFile(context, { run, grid }));
        const sizes = order.map((name) => grid[name].length);
        assert.is(
          cells.length,
          sizes.reduce((a, b) => a * b, 1),
        );
        cells.forEach((cell, index) => {
          assert.is(cell.index, index);
          let rest = index;
          for (const [i, name] of [...order.entries()].reverse()) {
            assert.is(cell.values[name], grid[name][rest % sizes[i]]);
            rest = Math.floor(rest / sizes[i]);
          }
        });
      },
    ),
  );
  const { cells } = readSweep(
    sweepFile(context, { run, grid: [{ method: ["lora+"], loraPlusRatio: [2, 4] }, { method: ["dora"] }] }),
  );
  assert.equal(
    cells.map(({ values }) => values),
    [{ method: "lora+", loraPlusRatio: 2 }, { method: "lora+", loraPlusRatio: 4 }, { method: "dora" }],
  );
});

test("a cell's run is the run of train with its settings, bit for bit", async (context) => {
  const file = sweepFile(context, { run, grid, saveAdapters: true });
  const ran = await sweep(file, ["--index", "5"]);
  assert.is(ran.code, 0, ran.stderr);
  const { result, cell } = record(context, 5);
  assert.equal(cell, { method: "dora", rank: 1, seed: 1 });
  const settings = runSettings({
    ...run,
    text: join(context.folder, "notes.txt"),
    method: "dora",
    rank: 1,
    seed: 1,
    sampleTokens: 0,
  });
  const direct = await prepareRun(settings, process.stdin);
  const expected = await runTraining(direct);
  assert.equal(result?.losses, expected.losses);
  assert.is(result?.after, expected.beforeAndAfter.after);
  assert.is(result?.before, expected.beforeAndAfter.before);
  const adapted = loadAdapter(
    loadPretrained(run.base) as Llama,
    join(context.folder, "grid-results", "adapters", "5"),
  );
  const weights = (model: typeof adapted): number[][] =>
    [...model.adapter("default").values()].flatMap((one) => one.parameters().map((p) => [...p.toArray()]));
  assert.equal(weights(adapted), weights(direct.adapted as never));
});

test("the cell comes from --index, SLURM's variable or Kubernetes', in this order", async (context) => {
  const file = sweepFile(context);
  assert.is((await sweep(file, ["--count"])).stdout, `${CELLS}\n`);
  assert.equal((await sweep(file, ["--count", "--json"])).json(), { count: CELLS });
  assert.not(existsSync(join(context.folder, "grid-results")));
  const both = { SLURM_ARRAY_TASK_ID: "3", JOB_COMPLETION_INDEX: "4", PARALLEL_SEQ: "6" };
  assert.is((await sweep(file, ["--index", "2"], both)).code, 0);
  assert.is((await sweep(file, [], both)).code, 0);
  assert.is((await sweep(file, [], { JOB_COMPLETION_INDEX: "4" })).code, 0);
  assert.equal(cellsIn(context), ["2.json", "3.json", "4.json"]);
  for (const [name, value] of [
    ["SLURM_ARRAY_TASK_ID", "8"],
    ["JOB_COMPLETION_INDEX", "-1"],
    ["SLURM_ARRAY_TASK_ID", "x"],
  ]) {
    const ran = await sweep(file, [], { [name]: value });
    assert.is(ran.code, 1);
    assert.match(ran.stderr, new RegExp(`^lowrank sweep: ${name}: expected a cell from 0 to 7; got`));
  }
  assert.match((await sweep(file, ["--index", "8"])).stderr, /--index: expected a cell from 0 to 7; got 8/);
});

test("without an index all that remain run; what is done is not run again", async (context) => {
  const file = sweepFile(context);
  assert.is((await sweep(file, ["--index", "1"])).code, 0);
  const first = readFileSync(join(context.folder, "grid-results", "cells", "1.json"), "utf8");
  const ran = await sweep(file, ["--json"]);
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(ran.json(), {
    results: join(context.folder, "grid-results"),
    count: 8,
    done: [0, 2, 3, 4, 5, 6, 7],
    skipped: [1],
    failed: [],
    elsewhere: [],
  });
  assert.equal(cellsIn(context), all);
  assert.is(readFileSync(join(context.folder, "grid-results", "cells", "1.json"), "utf8"), first);
  const times = cellsIn(context).map(
    (name) => statSync(join(context.folder, "grid-results", "cells", name)).mtimeMs,
  );
  const again = await sweep(relative(".", file)); // from wherever it is named
  assert.is(
    resolved(again.stdout),
    `0 of 8 cells run, 8 were done: lowrank collect ${join(context.folder, "grid-results")}\n`,
  );
  assert.equal(
    cellsIn(context).map((name) => statSync(join(context.folder, "grid-results", "cells", name)).mtimeMs),
    times,
  );
});

test("a cell that fails leaves why, stops no other, and is tried again", async (context) => {
  const file = sweepFile(context, { run, grid: { target: [["q_proj"], ["no_such_layer"]], seeds: [0, 1] } });
  const ran = await sweep(file);
  assert.is(ran.code, 1);
  assert.match(ran.stdout, /4 cells run, 2 failed \(2, 3\)|2 of 4 cells run, 2 failed \(2, 3\)/);
  assert.match(ran.stderr, /^cell 2 failed: .*no_such_layer/m);
  assert.equal(
    [0, 1, 2, 3].map((i) => record(context, i).status),
    ["done", "done", "failed", "failed"],
  );
  assert.match(String(record(context, 2).error), /no_such_layer/);
  const before = record(context, 2).finished;
  assert.is((await sweep(file, ["--index", "2"])).code, 1);
  assert.not.equal(record(context, 2).finished, before);
  const list = await sweep(file, ["--list", "--json"]);
  assert.equal(
    list.json<{ status: string }[]>().map(({ status }) => status),
    ["done", "done", "failed", "failed"],
  );
  const collected = await lowrank(["collect", file]);
  assert.is(collected.code, 0);
  assert.match(
    collected.stdout,
    /2 of 4 cells are done\.\n2 failed:\n {2}cell 2: target no_such_layer, seed 0: .*no_such_layer/,
  );
});

test("results of another grid, run or data are not mixed: what has changed is told, and nothing is touched", async (context) => {
  const file = sweepFile(context);
  await sweep(file, ["--index", "0"]);
  const before = readFileSync(join(context.folder, "grid-results", "sweep.json"), "utf8");
  const refused = async (message: RegExp): Promise<void> => {
    const ran = await sweep(file, ["--index", "1"]);
    assert.is(ran.code, 1);
    assert.match(ran.stderr, message);
    assert.match(ran.stderr, /restore it, or name another folder with --out/);
    assert.is(readFileSync(join(context.folder, "grid-results", "sweep.json"), "utf8"), before);
    assert.equal(cellsIn(context), ["0.json"]);
  };
  sweepFile(context, { run, grid: { ...grid, ranks: [1, 2, 4] } });
  await refused(/has changed since the results in .*: grid\.rank was \[1,2\], is \[1,2,4\]:/);
  sweepFile(context, { run: { ...run, steps: 3 }, grid });
  await refused(/run\.steps was 2, is 3/);
  sweepFile(context, { run, grid: { ranks: [1, 2], methods: ["lora", "dora"], seeds: [0, 1] } });
  await refused(/the order of the grid's options/);
  sweepFile(context, { run, grid: [grid, { rank: [9] }] });
  await refused(/there were 1 grids, there are 2/);
  sweepFile(context);
  writeFileSync(join(context.folder, "notes.txt"), "Another text. ".repeat(40));
  await refused(/content of notes\.txt was "[0-9a-f]+", is "[0-9a-f]+"/);
  assert.is((await sweep(file, ["--index", "1", "--out", join(context.folder, "other")])).code, 0);
  assert.match(
    (await sweep(file, ["--out", context.folder])).stderr,
    /expected a new or empty folder, or results of this sweep; it holds other files/,
  );
});

test("any number of runs at once share the cells: each is run once, and all files are whole", async (context) => {
  const file = sweepFile(context);
  const ran = await Promise.all(Array.from({ length: 4 }, () => sweep(file, ["--json"])));
  const done = ran.flatMap((one) => one.json<{ done: number[] }>().done);
  assert.equal(done.sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(
    ran.map(({ code }) => code),
    [0, 0, 0, 0],
  );
  assert.equal(cellsIn(context), all);
  for (let i = 0; i < CELLS; i++) assert.is(record(context, i).status, "done");
});

test("a cell that another process has is refused by its number; a lock whose process is gone is taken over", async (context) => {
  const file = sweepFile(context);
  await sweep(file, ["--index", "0"]);
  const path = join(context.folder, "grid-results", "cells", "1.lock");
  const lock = tryLock(path);
  assert.ok(lock);
  assert.is(tryLock(path), null);
  const held = await sweep(file, ["--index", "1"]);
  assert.is(held.code, 1);
  assert.match(held.stderr, /cell 1: another process is at it/);
  lock?.release();
  assert.not(existsSync(path));
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(path, JSON.stringify({ pid: gone, host: hostname() }));
  assert.is((await sweep(file, ["--index", "1"])).code, 0);
  // Of another computer, whether the process lives cannot be asked: its lock counts until it is old.
  const other = join(context.folder, "grid-results", "cells", "2.lock");
  writeFileSync(other, JSON.stringify({ pid: gone, host: "elsewhere" }));
  assert.is((await sweep(file, ["--index", "2"])).code, 1);
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(other, old, old);
  assert.is((await sweep(file, ["--index", "2"])).code, 0);
  // A process that is there may have the number of one that is gone.
  writeFileSync(other, JSON.stringify({ pid: process.ppid, host: hostname() }));
  assert.is(tryLock(other), null);
  utimesSync(other, old, old);
  tryLock(other)?.release();
  assert.not(existsSync(other));
  for (const content of ["", "{", "null", "[]"]) {
    writeFileSync(other, content);
    assert.is(tryLock(other), null);
    utimesSync(other, old, old);
    tryLock(other)?.release();
    assert.not(existsSync(other));
  }
});

test("a process that is killed leaves no half result, and the next one runs its cell", async (context) => {
  const file = sweepFile(context, { run: { ...run, steps: 20000 }, grid: { seeds: [0, 1] } });
  const cells = join(context.folder, "grid-results", "cells");
  const until = async (what: () => boolean): Promise<void> => {
    for (let waited = 0; !what(); waited++) {
      assert.ok(waited < 2400, "it takes longer than two minutes");
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  for (const [signal, left] of [
    ["SIGKILL", ["0.lock"]],
    ["SIGTERM", []],
  ] as const) {
    const child = spawn(process.execPath, ["--import", "tsx", "lora/cli/lowrank-cli.ts", "sweep", file], {
      stdio: "ignore",
    });
    const ended = new Promise((done) => child.on("exit", done));
    const isAtIt = (): boolean =>
      existsSync(join(cells, "0.lock")) &&
      readFileSync(join(cells, "0.lock"), "utf8").includes(`:${child.pid},`);
    await until(isAtIt);
    child.kill(signal);
    await ended;
    assert.equal(readdirSync(cells), [...left]);
  }
});

test("a result that is cut off, or another cell's, is not believed: the cell is run again", async (context) => {
  const file = sweepFile(context);
  await sweep(file);
  const good = all.map((name) => readFileSync(join(context.folder, "grid-results", "cells", name), "utf8"));
  const path = join(context.folder, "grid-results", "cells", "3.json");
  for (const text of [
    "",
    good[3].slice(0, 40),
    "{}",
    "null",
    good[2],
    good[3].replace('"rank": 2', '"rank": 1'),
    '{"format": "lowrank-sweep-cell-1", "index": 3, "status": "done"}',
  ]) {
    writeFileSync(path, text);
    const ran = await sweep(file, ["--json"]);
    assert.is(ran.code, 0, ran.stderr);
    assert.equal(ran.json<{ done: number[] }>().done, [3]);
    assert.equal(JSON.parse(readFileSync(path, "utf8")).result.losses, JSON.parse(good[3]).result.losses);
  }
});

test("collect: means and spreads over seeds, what is missing, CSV of all cells, and plots", async (context) => {
  const file = sweepFile(context, {
    run,
    grid: { methods: ["lora", "dora"], ranks: [1, 2], rates: [0.001, 0.01], seeds: [0, 1, 2] },
  });
  await sweep(file, ["--index", "0"]);
  // Results as a sweep writes them, with losses that are known.
  const { cells } = readSweep(file);
  const first = JSON.parse(
    readFileSync(join(context.folder, "grid-results", "cells", "00.json"), "utf8"),
  ) as CellRecord;
  const lossOf = (i: number): number => 3 - 0.05 * (i % 12) + 0.01 * ((i * i) % 7);
  for (const { index, values } of cells.slice(0, 22)) {
    const after = index === 7 ? null : lossOf(index);
    const changed = { ...first, index, cell: values, result: { ...first.result, before: 5, after } };
    writeFileSync(
      join(context.folder, "grid-results", "cells", `${String(index).padStart(2, "0")}.json`),
      JSON.stringify(changed),
    );
  }
  const ran = await lowrank(["collect", join(context.folder, "grid-results"), "--json"]);
  assert.is(ran.code, 0, ran.stderr);
  interface Group {
    values: { method: string; rank: number; lr: number };
    mean: number;
    spread: number;
    losses: number[];
    done: number;
    diverged: number;
  }
  const summary = ran.json<{ groups: Group[]; missing: { index: number }[]; axes: string[]; done: number }>();
  assert.is(summary.done, 22);
  assert.equal(summary.axes, ["method", "rank", "lr"]);
  assert.equal(
    summary.missing.map(({ index }) => index),
    [22, 23],
  );
  assert.is(summary.groups.length, 8);
  for (const group of summary.groups) {
    const own = cells.filter(
      ({ index, values }) =>
        index < 22 &&
        index !== 7 &&
        values.method === group.values.method &&
        values.rank === group.values.rank &&
        values.lr === group.values.lr,
    );
    const losses = own.map(({ index }) => lossOf(index));
    const mean = losses.reduce((a, b) => a + b) / losses.length;
    assert.equal(group.losses, losses);
    assert.ok(Math.abs(group.mean - mean) < 1e-12);
    const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (losses.length - 1);
    if (losses.length > 1) assert.ok(Math.abs(group.spread - Math.sqrt(variance)) < 1e-12);
    else assert.is(group.spread, null);
  }
  assert.is(
    summary.groups.reduce((sum, { diverged }) => sum + diverged, 0),
    1,
  );
  const means = summary.groups.map(({ mean }) => mean);
  assert.equal(
    means,
    [...means].sort((a, b) => a - b),
  );

  const table = await lowrank(["collect", file]);
  assert.match(table.stdout, /^method\s+rank\s+lr\s+seeds\s+loss before\s+validation loss\s+±/);
  assert.match(
    table.stdout,
    /22 of 24 cells are done\.\n2 have not run:\n {2}cell 22: method dora, rank 2, lr 0\.01, seed 1\n/,
  );
  assert.match(table.stdout, /2 of 3, 1 diverged/);
  const lines = (await lowrank(["collect", file, "--format", "csv"])).stdout.trimEnd().split("\n");
  assert.is(lines.length, 25);
  assert.is(
    lines[0],
    "cell,method,rank,lr,seed,status,of,loss_before,loss_after,loss_best,trainable,seconds,error",
  );
  assert.match(lines[8], /^7,lora,2,0\.001,1,done,validation,5,nan,/);
  assert.match(lines[24], /^23,dora,2,0\.01,2,missing,/);
  const page = readFileSync(join(context.folder, "grid-results", "summary.md"), "utf8");
  assert.is((await lowrank(["collect", file, "--format", "markdown"])).stdout, page);
  assert.is(page.split("\n").filter((line) => /^\| (lora|dora) \|/.test(line)).length, 8);

  for (const [option, other] of [
    ["rank", "lr"],
    ["lr", "rank"],
  ]) {
    const svg = readFileSync(join(context.folder, "grid-results", `loss-by-${option}.svg`), "utf8");
    const { document } = parseHTML(`<!doctype html><body>${svg}</body>`);
    assert.is(document.querySelector(".title")?.textContent?.endsWith(`each at its best ${other}`), true);
    assert.is(document.querySelectorAll("circle").length, 4); // two methods, two values
    assert.is(document.querySelectorAll("path.line").length, 2);
    assert.not.match(svg, /NaN|Infinity|undefined/);
    const best = (method: string, value: number): number =>
      Math.min(
        ...summary.groups
          .filter(({ values }) => values.method === method && values[option as "lr"] === value)
          .map(({ mean }) => mean),
      );
    const texts = [...document.querySelectorAll("circle title")].map((title) => title.textContent ?? "");
    for (const method of ["lora", "dora"])
      for (const value of option === "rank" ? [1, 2] : [0.001, 0.01])
        assert.ok(
          texts.some((text) => text.startsWith(`${method} ${value}: ${best(method, value).toFixed(4)}`)),
          `${method} ${value}: ${texts}`,
        );
  }
});

test("a sweep of one cell, or with nothing done, collects without plots and without failing", async (context) => {
  const file = sweepFile(context, { run, grid: { rank: [2] } });
  assert.is((await sweep(file, ["--list"])).code, 0);
  const none = await lowrank(["collect", file, "--json"]);
  assert.is(none.code, 0, none.stderr);
  assert.is(none.json<{ done: number }>().done, 0);
  await sweep(file);
  const one = await lowrank(["collect", file]);
  assert.is(one.code, 0, one.stderr);
  assert.match(one.stdout, /1 of 1 cells are done; in all of them rank 2\./);
  assert.equal(readdirSync(join(context.folder, "grid-results")).sort(), [
    "cells",
    "cells.csv",
    "summary.md",
    "sweep.json",
  ]);
});

test("a wrong file is one sentence that names what is wrong, and nothing is written", async (context) => {
  const cases: [unknown, RegExp][] = [
    [[], /expected an object of fields/],
    [{}, /run: expected an object of options of train/],
    [{ run, grid, grids: 1 }, /grids: no field of a sweep; expected run, grid, results, saveAdapters/],
    [{ run }, /grid: expected lists of values by option/],
    [{ run, grid: [] }, /grid: expected lists of values by option.*got none/],
    [{ run, grid: { rank: 2 } }, /grid: rank: expected a list of values; got 2/],
    [{ run, grid: { rank: [] } }, /grid: rank: expected a list of values; got \[\]/],
    [{ run, grid: { rnak: [2] } }, /grid: rnak: no option of a run; nearest: rank/],
    [{ run, grid: { rank: [2, 2] } }, /grid: rank: 2 is there twice/],
    [{ run, grid: { rank: [2], ranks: [4] } }, /grid: rank is there twice, under two names/],
    [
      { run: { ...run, rank: 4 }, grid: { ranks: [2] } },
      /rank: expected in the run or in the grid; it is in both/,
    ],
    [{ run, grid: { rank: [4, 0] } }, /cell 1 \(rank 0\): rank: expected a whole number from 1; got "0"/],
    [
      { run, grid: { method: ["lora", "loar"] } },
      /cell 1 \(method loar\): method: expected one of .*nearest: lora/,
    ],
    [{ run: { ...run, stpes: 3 }, grid }, /cell 0 .*: stpes: no option of a run; nearest: steps/],
    [{ run: { text: "notes.txt" }, grid }, /--base: expected the folder of the base model/],
    [{ run: { ...run, text: "-" }, grid }, /standard input \(-\)/],
    [{ run, grid: { seed: [0, "0"] } }, /cells 0 and 1 are the same/],
    [
      {
        run,
        grid: {
          seed: Array.from({ length: 400 }, (_, i) => i),
          rank: Array.from({ length: 400 }, (_, i) => i + 1),
        },
      },
      /expected at most 10000 cells; got 160000/,
    ],
    [
      {
        run,
        grid: Object.fromEntries(
          ["rank", "seed", "alpha"].map((name) => [name, Array.from({ length: 1000 }, (_, i) => i + 1)]),
        ),
      },
      /expected at most 10000 cells; got 1000000000/,
    ],
    [{ run, grid, results: 3 }, /results: expected a folder; got 3/],
    [{ run, grid, saveAdapters: "yes" }, /saveAdapters: expected true or false/],
  ];
  for (const [fields, message] of cases) {
    const ran = await sweep(sweepFile(context, fields as object));
    assert.is(ran.code, 1, `${message} ${ran.stderr}`);
    assert.match(ran.stderr, message);
    assert.is(ran.stderr.split("\n").length, 2, ran.stderr);
  }
  writeFileSync(join(context.folder, "grid.json"), '{"run": ');
  assert.match((await sweep(join(context.folder, "grid.json"))).stderr, /grid\.json: not JSON/);
  assert.match((await sweep(join(context.folder, "none.json"))).stderr, /there is no such file/);
  assert.match((await sweep(context.folder)).stderr, /expected the file of a sweep; this is a folder/);
  writeFileSync(join(context.folder, "grid.yaml"), "run: {}");
  assert.match((await sweep(join(context.folder, "grid.yaml"))).stderr, /expected JSON; YAML is not read/);
  assert.match(
    (await sweep(sweepFile(context, { run: { ...run, text: "none.txt" }, grid }))).stderr,
    /there is no file none\.txt/,
  );
  assert.match(
    (await sweep(sweepFile(context, { run: { ...run, base: "none" }, grid }))).stderr,
    /base: there is no folder none/,
  );
  assert.equal(readdirSync(context.folder).sort(), ["grid.json", "grid.yaml", "notes.txt"]);
  assert.match(
    (await lowrank(["collect", context.folder])).stderr,
    /expected results of a sweep; there is no sweep\.json/,
  );
  assert.match(
    (await lowrank(["collect", join(context.folder, "none")])).stderr,
    /there is no such folder or file/,
  );
});

const parallel = spawnSync("parallel", ["--version"], { encoding: "utf8" });
if (!/GNU parallel/.test(parallel.stdout ?? "")) {
  console.log("skipped: sweep by GNU parallel: it is not installed (Debian: apt-get install parallel)");
  test.skip("GNU parallel runs the cells");
} else
  test("GNU parallel runs the cells", (context) => {
    const file = sweepFile(context, { run, grid: { seeds: [0, 1, 2] } });
    mkdirSync(join(context.folder, "home"));
    const program = `${process.execPath} --import tsx lora/cli/lowrank-cli.ts sweep ${file}`;
    const command = `parallel --will-cite --jobs 2 ${program} --index {} ::: $(seq 0 $(( $(${program} --count) - 1 )))`;
    const ran = spawnSync("sh", ["-c", command], {
      encoding: "utf8",
      env: { ...process.env, HOME: join(context.folder, "home") },
    });
    assert.is(ran.status, 0, ran.stderr);
    assert.equal(cellsIn(context), ["0.json", "1.json", "2.json"]);
    for (let i = 0; i < 3; i++) assert.is(record(context, i).status, "done");
  });

test.run();
