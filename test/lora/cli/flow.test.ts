/**
 * @file From a model's folder to a tuned, merged model, as a user types it: each command a process of its own, from the
 * checkout. The model is the published stories260K where it lies beside the checkout, else one of random weights.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAdapter } from "lowrank/lora";
import { type Llama, loadPretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyFolder } from "../../support/tiny-folder.ts";

const flow = suite("from a checkpoint to an adapter and back");
const home = mkdtempSync(join(tmpdir(), "lowrank-flow-"));
flow.after(() => rmSync(home, { recursive: true, force: true }));

const stories = "../shared/models/stories260K";
const text =
  "Call me Ishmael. Some years ago - never mind how long precisely - having little or no money in my purse, and nothing " +
  "particular to interest me on shore, I thought I would sail about a little and see the watery part of the world. ";

/** Runs `npm run -s lowrank -- …` and returns its standard output. */
function lowrank(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("npm", ["run", "-s", "lowrank", "--", ...words], {
    encoding: "utf8",
  });
  assert.is(status, 0, `lowrank ${words.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

const hashes = (folder: string): string[] =>
  readdirSync(folder).map((name) =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex"),
  );

function checkFlow(base: string, steps: number): void {
  const [file, adapter, merged] = ["text.txt", "my-adapter", "merged"].map((name) =>
    join(home, steps + name),
  );
  writeFileSync(file, text.repeat(12));
  const before = hashes(base);
  const run = ["--method", "dora", "--rank", "8", "--steps", String(steps), "--length", "48", "--quiet"];
  lowrank("train", "--base", base, "--text", file, ...run, "--out", adapter);
  assert.ok(
    ["adapter_config.json", "adapter_model.safetensors"].every((name) => existsSync(join(adapter, name))),
  );

  const evaluated = JSON.parse(
    lowrank("eval", "--base", base, "--adapter", adapter, "--text", file, "--json"),
  );
  assert.ok(evaluated.adapter.loss < evaluated.base.loss, "trained on a text, the model knows it better");

  const inspected = JSON.parse(lowrank("inspect", adapter, "--json"));
  assert.ok(inspected.layers.length > 0);
  assert.ok(
    inspected.layers.every((layer: { singularValues: number[] }) => layer.singularValues.length === 8),
  );

  lowrank("merge", "--base", base, "--adapter", adapter, "--out", merged, "--quiet");
  const words = ["--prompt", "Call me", "--max-tokens", "12", "--json"];
  const adapted = JSON.parse(lowrank("generate", "--base", base, "--adapter", adapter, ...words));
  const plain = JSON.parse(lowrank("generate", "--base", merged, ...words));
  assert.equal(plain.ids, adapted.ids);

  const ids = [[1, 5, 9, 3, 7, 2]];
  const expected = loadAdapter(loadPretrained(base), adapter).forward(ids).toArray();
  const got = (loadPretrained(merged) as Llama).forward(ids).toArray();
  const largest = Math.max(...expected.map(Math.abs));
  assert.ok(expected.every((value, i) => Math.abs(value - got[i]) <= 1e-5 * largest));
  assert.equal(hashes(base), before, "the base's files are what they were");
}

flow("a model is trained, measured, inspected, merged, and writes", () => {
  checkFlow(existsSync(stories) ? stories : tinyFolder(join(home, "tiny")), 20);
});

flow.run();
