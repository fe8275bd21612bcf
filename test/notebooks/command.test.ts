import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CommandOptions, runNotebooks } from "../../notebooks/support/runner/command.ts";
import type { Terminal } from "../../notebooks/support/terminal/terminal.ts";
import { violations } from "./nbformat.ts";

const command = suite<{ out: string }>("npm start");

command.before.each(async (context) => {
  context.out = await mkdtemp(join(tmpdir(), "notebooks-"));
});
command.after.each(async ({ out }) => {
  await rm(out, { recursive: true });
});

const folder = fileURLToPath(new URL("./fixture/", import.meta.url));

/** Runs the command with a stand-in for the gallery, which takes seconds to write. */
async function run(...args: string[]) {
  const printed: string[] = [];
  const status: string[] = [];
  const terminal: Terminal = {
    progress: "none",
    print: (text) => void printed.push(text),
    heading: (text) => void printed.push(text),
    status: (text) => void status.push(text),
  };
  const sites: string[] = [];
  const labs: (string | undefined)[] = [];
  const gallery: CommandOptions["gallery"] = async ({ notebooks, out, lab }) => {
    sites.push(`${notebooks.map((path) => relative(dirname(out), path))} → ${out}`);
    labs.push(lab);
    return join(out, "index.html");
  };
  const lab = async (out: string) => join(out, "index.html");
  const code = await runNotebooks(args, { folder, runs: join(folder, "none"), terminal, gallery, lab });
  return { code, printed: printed.join("\n"), status: status.join("\n"), sites, labs };
}

command("--list names the notebooks and their titles", async () => {
  const { code, printed } = await run("--list");
  assert.is(code, 0);
  assert.match(printed, /^broken {7}A notebook that fails$/m);
  assert.match(printed, /^smoke {8}A smoke notebook$/m);
});

command("--list of a notebook shows its quick and full settings without running it", async ({ out }) => {
  const { code, printed, status } = await run("smoke", "broken", "--list", "--out", out);
  assert.is(code, 0, status);
  assert.match(printed, /^smoke: A smoke notebook$/m);
  assert.match(printed, /^setting +quick +full +meaning$/m);
  assert.match(printed, /^rank +4 +8 +r, the rank of the update$/m);
  assert.match(printed, /^ranks +1, 2, 4 +1, 2, 4, 8, 16 +ranks to compare$/m);
  assert.match(printed, /^broken: A notebook that fails$/m);
  assert.is(status, "");
  assert.equal(await readdir(out), []);
  assert.match((await run("smok", "--list")).status, /unknown notebook "smok"; did you mean smoke\?/);
});

command("--help lists the options", async () => {
  const { code, printed } = await run("--help");
  assert.is(code, 0);
  for (const option of ["--list", "--full", "--seeds", "--set", "--device", "--jobs", "--out", "--open"])
    assert.ok(printed.includes(option));
});

command("a notebook is run and written, with one status line for each table", async ({ out }) => {
  const { code, printed, status } = await run("smoke", "--out", out, "--set", "rank=2", "--set", "rate=0.25");
  assert.is(code, 0, status);
  assert.match(printed, /rank +2 /);
  assert.match(status, /^✓ smoke: Settings \(\d/m);
  assert.match(status, /^smoke: 3 tables, claims: 1 supported, 1 contradicted, /m);
  assert.equal(await readdir(out), ["smoke.ipynb"]);
  assert.equal(violations(await readFile(join(out, "smoke.ipynb"), "utf8")), []);
});

command("the run is recorded in the metadata and shown at the end", async ({ out }) => {
  await run("smoke", "--out", out, "--full", "--seeds", "4", "--set", "rank=2");
  const { cells, metadata } = JSON.parse(await readFile(join(out, "smoke.ipynb"), "utf8"));
  const { setting, changed, device, machine, node, date, seconds, settings, verdicts } = metadata.lowrank;
  assert.equal([setting, changed], ["full", "rank=2, seeds=4"]);
  assert.equal(settings, {
    rank: 2,
    rate: 0.5,
    ranks: [1, 2, 4, 8, 16],
    seeds: 4,
    text: "far",
    verbose: false,
  });
  assert.equal(verdicts, { supported: 1, "on a par": 0, "cannot tell": 0, contradicted: 1 });
  assert.is(node, process.version);
  assert.match(date, /^\d{4}-\d\d-\d\d$/);
  assert.match(machine, /, \d+ cores?$/);
  assert.ok(seconds > 0 && device.length > 0);
  const shown = cells.at(-1).outputs.at(-1).data["text/plain"].join("");
  assert.match(shown, /^This run: full setting, changed: rank=2, seeds=4; device /);
});

command(
  "several notebooks run in processes of their own; a failure does not stop the others",
  async ({ out }) => {
    const { code, printed, status, sites, labs } = await run("broken", "smoke", "--out", out);
    assert.is(code, 1);
    assert.is(printed, "");
    assert.match(status, /^✓ smoke: Settings \(\d/m);
    assert.match(status, /^smoke: 3 tables, claims: 1 supported, 1 contradicted, /m);
    assert.match(status, /^broken: Error: on purpose\n +at fail \(.*broken\.ts:14:9\)/m);
    assert.match(status, /\nerror: 1 of 2 notebooks failed: broken$/);
    assert.equal(await readdir(out), ["smoke.ipynb"]);
    assert.equal(sites, [`smoke.ipynb → ${join(out, "gallery")}`]);
    assert.equal(labs, [join(out, "lab", "index.html")]);
  },
);

command("a rerun gives the same outputs, except for the record of the run", async ({ out }) => {
  const outputs = async () => {
    await run("training", "--out", out);
    const { cells } = JSON.parse(await readFile(join(out, "training.ipynb"), "utf8"));
    return cells.flatMap((cell: { outputs?: object[] }) => cell.outputs ?? []).slice(0, -1);
  };
  const first = await outputs();
  assert.match(JSON.stringify(first), /loss after/);
  assert.equal(await outputs(), first);
});

command("--open without a browser reports the path of the page", async ({ out }) => {
  if (process.platform !== "linux") return; // where BROWSER is what opens pages
  const { BROWSER } = process.env;
  process.env.BROWSER = "/bin/false";
  try {
    const { code, status } = await run("smoke", "--out", out, "--open");
    assert.is(code, 1);
    const page = join(out, "gallery", "index.html");
    assert.ok(status.endsWith(`error: --open: no browser could be started; the page is ${page}`), status);
  } finally {
    if (BROWSER === undefined) delete process.env.BROWSER;
    else process.env.BROWSER = BROWSER;
  }
});

const mistakes: [args: string[], message: RegExp][] = [
  [
    ["smoek"],
    /^error: unknown notebook "smoek"; did you mean smoke\? available: broken, endless, endless-too, nested, smoke, training$/,
  ],
  [
    ["--sed", "3"],
    /^error: Unknown option '--sed'; did you mean --set or --seeds\? npm start -- --help lists the options$/,
  ],
  [["--qqqqqqqq"], /^error: Unknown option '--qqqqqqqq'; npm start -- --help lists the options$/],
  [["smoke", "--seeds", "0"], /^error: --seeds: expected a positive integer; got "0"$/],
  [["smoke", "--jobs", "many"], /^error: --jobs: expected a positive integer; got "many"$/],
  [["smoke", "--device", "cup"], /^error: device: expected one of auto, reference, cpu, .*; got "cup"$/],
  [["smoke", "broken", "--device", "cup"], /^error: device: expected one of auto, [^\n]*; got "cup"$/],
  [["smoke", "--set", "rank"], /^error: --set: expected NAME=VALUE; got "rank"$/],
  [["smoke", "--set", "rnk=3"], /^error: unknown setting "rnk"; did you mean rank/],
  [["smoke", "--set", "rank=many"], /^error: setting rank: expected an integer of at least 1; got "many"$/],
  [["--set", "rank=3"], /^error: --set needs one notebook/],
];
for (const [args, message] of mistakes) {
  command(`"${args.join(" ")}" is one clear error, and writes nothing`, async ({ out }) => {
    const { code, status } = await run(...args, "--out", out);
    assert.is(code, 1);
    assert.match(status, message);
    assert.equal(await readdir(out), []);
  });
}

command("a failing notebook leaves the old file and reports the place of the error", async ({ out }) => {
  await writeFile(join(out, "broken.ipynb"), "old");
  const { code, status } = await run("broken", "--out", out);
  assert.is(code, 1);
  assert.match(status, /^Error: on purpose\n +at fail \(.*broken\.ts:14:9\)/);
  assert.equal(await readdir(out), ["broken.ipynb"]);
  assert.is(await readFile(join(out, "broken.ipynb"), "utf8"), "old");
});

command("--device selects the device of the engine", async () => {
  const before = process.env.LOWRANK_DEVICE;
  await run("broken", "--device", "reference");
  assert.is(process.env.LOWRANK_DEVICE, "reference");
  if (before === undefined) delete process.env.LOWRANK_DEVICE;
  else process.env.LOWRANK_DEVICE = before;
});

command.run();
