/**
 * @file Runs that stop on their way: after kill -9 and --resume the adapter has the bytes of the uninterrupted run; another
 * setting, base or data than the saved run's is refused and named.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { currentDevice, removeFile, setDevice } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quickFolder } from "../../../support/faults.ts";
import { tinyFolder } from "../../../support/tiny-folder.ts";
import { lowrank } from "../run.ts";

const resume = suite("lowrank train --resume");
const folder = quickFolder();
resume.after(() => removeFile(folder));
const base = tinyFolder(join(folder, "base"), { type: "gpt2", context: 32 }); // its dropout draws random numbers
const text = join(folder, "text.txt");
writeFileSync(text, "one fish, two fish, red fish, blue fish; ".repeat(30));

const words = (steps: number, ...more: string[]): string[] => [
  ...[
    "--base",
    base,
    "--text",
    text,
    "--length",
    "16",
    "--batch-size",
    "3",
    "--rank",
    "2",
    "--dropout",
    "0.2",
  ],
  ...["--steps", `${steps}`, "--save-every", "2", "--sample-tokens", "4", "--lr", "0.01", ...more],
];
const bytes = (out: string): string => readFileSync(join(out, "adapter_model.safetensors")).toString("hex");
const state = (out: string): string => join(out, "checkpoint", "state.safetensors");

async function ran(...argv: string[]): Promise<void> {
  const { code, stderr } = await lowrank(["train", ...argv, "--quiet"]);
  assert.is(stderr, "");
  assert.is(code, 0);
}

async function refused(argv: readonly string[], expected: RegExp): Promise<void> {
  const { code, stderr } = await lowrank(["train", ...argv, "--quiet"]);
  assert.is(code, 1);
  assert.match(stderr, expected);
  assert.is(stderr.trim().split("\n").length, 1);
}

/** Starts the command as a process of its own, and waits until it has saved its state. */
async function begun(
  out: string,
  argv: readonly string[],
): Promise<{ child: ChildProcess; said: () => string }> {
  const cli = ["--import", "tsx", "lora/cli/lowrank-cli.ts"];
  const child = spawn(process.execPath, [...cli, "train", ...argv, "--out", out]);
  let said = "";
  child.stderr.on("data", (part) => (said += part));
  while (!existsSync(state(out))) {
    assert.is(child.exitCode, null, said);
    await wait(5);
  }
  return { child, said: () => said };
}

for (const [name, options] of Object.entries({
  "dropout, warm-up, and validation with the best kept": [
    ...["--warmup", "3", "--schedule", "cosine", "--validation", "0.2", "--keep-best"],
  ],
  "AdaLoRA's allocator": ["--method", "adalora", "--accumulate", "2"],
})) {
  resume(`after kill -9 the run continues to the bytes of the uninterrupted one: ${name}`, async () => {
    const steps = 50; // more than it takes while it is being killed
    const out = join(folder, `killed-${name.length}`);
    const { child } = await begun(out, words(steps, ...options));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.not(existsSync(join(out, "adapter_model.safetensors")), "it was done before it was killed");
    assert.equal(readdirSync(out), ["checkpoint"]);
    await ran("--resume", "--out", out);
    const whole = join(folder, `whole-${name.length}`);
    await ran(...words(steps, ...options), "--out", whole);
    assert.is(bytes(out), bytes(whole));
    for (const file of ["losses.jsonl", "losses.svg"])
      assert.is(readFileSync(join(out, file), "utf8"), readFileSync(join(whole, file), "utf8"));
  });
}

resume("Ctrl-C ends the run after its step, with exit code 130, and says how it is continued", async () => {
  const out = join(folder, "interrupted");
  const { child, said } = await begun(out, words(100_000));
  child.kill("SIGINT");
  const [code] = await once(child, "exit");
  assert.is(code, 130);
  assert.match(said(), /stopped after step \d+ of 100000; lowrank train --resume --out \S+ continues/);
  assert.not.match(said(), /\n {4}at /);
  assert.equal(readdirSync(out), ["checkpoint"]);
});

/** A run that has saved its state, and has not come to its end: a finished one without its results. */
async function halfway(name: string): Promise<string> {
  const out = join(folder, name);
  await ran(...words(4), "--out", out);
  for (const file of readdirSync(out)) if (file !== "checkpoint") removeFile(join(out, file));
  return out;
}

resume(
  "another setting than the saved run's is refused and named; what is left out is the run's",
  async () => {
    const out = await halfway("settings");
    const cases: [string[], RegExp][] = [
      [["--lr", "0.02"], /--lr: the run in .* has 0\.01; got 0\.02/],
      [["--rank", "4"], /--rank: the run in .* has 2; got 4/],
      [["--method", "dora"], /--method: .* has "lora"; got "dora"/],
      [["--steps", "8"], /--steps: .* has 4; got 8/],
      [["--validation", "0.1"], /--validation: .* has none; got 0\.1/],
      [["--target", "c_attn"], /--target: .* has \[\]; got \["c_attn"\]/],
      [["--device", "reference"], /--device: the run in .* was started on \S+; got reference/],
      [["--overwrite"], /--resume, --overwrite: expected one of them/],
    ];
    const device = currentDevice().name;
    for (const [options, expected] of cases) await refused(["--resume", "--out", out, ...options], expected);
    setDevice(device);
    await ran("--resume", "--out", out, "--lr", "0.01");
    assert.ok(existsSync(join(out, "adapter_model.safetensors")));
  },
);

resume(
  "a run that was interrupted is not taken for an empty folder, and --overwrite starts again",
  async () => {
    const out = await halfway("again");
    await refused(
      [...words(4), "--out", out],
      /holds a run that was interrupted; --resume continues it, --overwrite starts/,
    );
    await ran(...words(4, "--seed", "3"), "--out", out, "--overwrite");
    const other = join(folder, "other");
    await ran(...words(4, "--seed", "3"), "--out", other);
    assert.is(bytes(out), bytes(other));
  },
);

resume("another base, other data, and a damaged state are refused, and the state stays", async () => {
  const out = await halfway("changed");
  const before = readFileSync(state(out)).toString("hex");
  const aside = join(folder, "aside");
  cpSync(text, aside);
  appendFileSync(text, "and more fish, many more fish than fit into one line");
  await refused(["--resume", "--out", out], /the data are not those any more/);
  cpSync(aside, text);
  const weights = join(base, "model.safetensors");
  cpSync(weights, aside);
  const changed = readFileSync(weights);
  changed[changed.length - 1] ^= 1;
  writeFileSync(weights, changed);
  await refused(["--resume", "--out", out], /is not the model any more/);
  cpSync(aside, weights);
  assert.is(readFileSync(state(out)).toString("hex"), before);
  writeFileSync(state(out), "nonsense");
  await refused(["--resume", "--out", out], /state\.safetensors/);
  writeFileSync(join(out, "checkpoint", "run.json"), '{"settings": {"rnak": 3}}');
  await refused(["--resume", "--out", out], /rnak/);
});

resume.run();
