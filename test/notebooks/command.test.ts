import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runNotebooks } from "../../notebooks/support/command.ts";
import type { Terminal } from "../../notebooks/support/terminal.ts";
import { violations } from "./nbformat.ts";

const command = suite<{ out: string }>("npm start");

command.before.each(async (context) => {
  context.out = await mkdtemp(join(tmpdir(), "notebooks-"));
});
command.after.each(async ({ out }) => {
  await rm(out, { recursive: true });
});

const folder = fileURLToPath(new URL("./fixture/", import.meta.url));

async function run(...args: string[]) {
  const printed: string[] = [];
  const status: string[] = [];
  const terminal: Terminal = {
    progress: "none",
    print: (text) => void printed.push(text),
    heading: (text) => void printed.push(text),
    status: (text) => void status.push(text),
  };
  const code = await runNotebooks(args, { folder, terminal });
  return { code, printed: printed.join("\n"), status: status.join("\n") };
}

command("--list names the notebooks and their titles", async () => {
  const { code, printed } = await run("--list");
  assert.is(code, 0);
  assert.match(printed, /^broken {3}A notebook that fails$/m);
  assert.match(printed, /^smoke {4}A smoke notebook$/m);
});

command("--help lists the options", async () => {
  const { code, printed } = await run("--help");
  assert.is(code, 0);
  for (const option of ["--list", "--full", "--seeds", "--set", "--device", "--out"])
    assert.ok(printed.includes(option));
});

command("a notebook is run and written, one status line for each table", async ({ out }) => {
  const { code, printed, status } = await run("smoke", "--out", out, "--set", "rank=2", "--set", "rate=0.25");
  assert.is(code, 0, status);
  assert.match(printed, /rank +2 /);
  assert.match(status, /^✓ smoke: Settings \(\d/m);
  assert.match(status, /^smoke: 3 tables, claims: 1 hold, 0 partly, 1 do not, /m);
  assert.equal(await readdir(out), ["smoke.ipynb"]);
  assert.equal(violations(await readFile(join(out, "smoke.ipynb"), "utf8")), []);
});

const mistakes: [args: string[], message: RegExp][] = [
  [
    ["smoek"],
    /^error: unknown notebook "smoek"; did you mean smoke\? available: broken, endless, nested, smoke$/,
  ],
  [["--sed", "3"], /^error: Unknown option '--sed'; npm start -- --help lists the options$/],
  [["smoke", "--seeds", "0"], /^error: --seeds: expected a positive integer; got "0"$/],
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

command("a failing notebook leaves the old file, and shows where it failed", async ({ out }) => {
  await writeFile(join(out, "broken.ipynb"), "old");
  const { code, status } = await run("broken", "--out", out);
  assert.is(code, 1);
  assert.match(status, /^Error: on purpose\n +at fail \(.*broken\.ts:14:9\)/);
  assert.equal(await readdir(out), ["broken.ipynb"]);
  assert.is(await readFile(join(out, "broken.ipynb"), "utf8"), "old");
});

command("--device is handed on to the engine", async () => {
  const before = process.env.LOWRANK_DEVICE;
  await run("broken", "--device", "reference");
  assert.is(process.env.LOWRANK_DEVICE, "reference");
  if (before === undefined) delete process.env.LOWRANK_DEVICE;
  else process.env.LOWRANK_DEVICE = before;
});

command(
  "an interrupt in the middle of a computation ends it at once and leaves the old file",
  async ({ out }) => {
    await writeFile(join(out, "endless.ipynb"), "old");
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
    const main = fileURLToPath(new URL("../../notebooks/support/command.ts", import.meta.url));
    const program = `import(${JSON.stringify(main)}).then((c) => c.runNotebooks(["endless", "--out", ${JSON.stringify(out)}], { folder: ${JSON.stringify(folder)} }))`;
    const child = spawn(process.execPath, ["--import", tsx, "--eval", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    child.stdout.on("data", (text) => {
      if (String(text).includes("computing")) child.kill("SIGINT");
    });
    const signal = await new Promise((resolve) => child.on("exit", (_, by) => resolve(by)));
    assert.is(signal, "SIGINT");
    assert.equal(await readdir(out), ["endless.ipynb"]);
    assert.is(await readFile(join(out, "endless.ipynb"), "utf8"), "old");
  },
);

command.run();
