/** @file `lowrank merge` as it is typed; and that a kill, an interrupt or a full disk leave nothing behind. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { makeTemporaryFolder, random, removeFile } from "lowrank/core";
import { inject, loadAdapter, saveAdapter } from "lowrank/lora";
import { type GPT2, loadPretrained, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyFolder } from "../../support/tiny-folder.ts";
import { lowrank } from "./run.ts";

const test = suite("lowrank merge");
const root = makeTemporaryFolder("lowrank-cli-merge-");
const base = tinyFolder(`${root}/base`, { width: 32 });

function newAdapter(name: string, config: object, of = base): string {
  const adapted = inject(loadPretrained(of) as GPT2, { rank: 2, ...config } as never);
  let seed = 1;
  for (const part of adapted.adapter("default").values())
    for (const parameter of part.parameters())
      parameter.assign(Float32Array.from(random(seed++).normal(parameter.size, 0, 0.1)));
  saveAdapter(adapted as never, `${root}/${name}`);
  return `${root}/${name}`;
}
const adapter = newAdapter("adapter", { target: ["q_proj", "v_proj"] });
const second = newAdapter("second", { method: "dora", target: ["q_proj"] });
const foreign = newAdapter("foreign", { target: ["q_proj"] }, tinyFolder(`${root}/wide`, { width: 64 }));

test("the merged folder generates what the base with the adapters does; --json is one document", async () => {
  const out = `${root}/merged`;
  const ran = await lowrank([
    "merge",
    "--base",
    base,
    "--adapter",
    adapter,
    "--adapter",
    `${second}=0.5`,
    "--out",
    out,
    "--json",
  ]);
  assert.is(ran.code, 0, ran.stderr);
  const { changed, total, weights } = ran.json<{
    changed: unknown[];
    total: { lost: number };
    weights: string[];
  }>();
  assert.ok(changed.length === 4 && total.lost < 1e-4);
  assert.equal(weights, ["model.safetensors"]);
  const prompt = ["--prompt", "abc", "--max-tokens", "5"];
  const merged = await lowrank(["generate", "--base", out, ...prompt]);
  const apart = await lowrank([
    "generate",
    "--base",
    base,
    "--adapter",
    adapter,
    "--adapter",
    `${second}=0.5`,
    ...prompt,
  ]);
  assert.is(merged.stdout, apart.stdout);
});

test("a table tells what rounding erases; --overwrite replaces, without it the folder stays", async () => {
  const out = `${root}/rounded`;
  const argv = ["merge", "--base", base, "--adapter", adapter, "--out", out, "--dtype", "BF16"];
  const first = await lowrank(argv);
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stdout, /all together .* %/);
  const before = readFileSync(`${out}/model.safetensors`);
  const again = await lowrank(argv);
  assert.is(again.code, 1);
  assert.match(
    again.stderr,
    /^lowrank merge: .*rounded: expected a new or empty folder to write to; it holds/,
  );
  assert.equal(readFileSync(`${out}/model.safetensors`), before);
  const over = await lowrank([...argv, "--overwrite", "--max-shard-size", "20kB"]);
  assert.is(over.code, 0, over.stderr);
  assert.ok(!existsSync(`${out}/model.safetensors`) && existsSync(`${out}/model.safetensors.index.json`));
});

test("--quantize writes codes of the sum, and tells how they move it", async () => {
  const out = `${root}/codes`;
  const ran = await lowrank([
    "merge",
    "--base",
    base,
    "--adapter",
    adapter,
    "--out",
    out,
    "--quantize",
    "nf4",
    "--json",
  ]);
  assert.is(ran.code, 0, ran.stderr);
  const { lost, quantized } = ran.json<{ lost: number; quantized: { layers: unknown[] } }>();
  assert.ok(lost > 0 && Number.isFinite(lost) && quantized.layers.length === 14);
  assert.is((await lowrank(["generate", "--base", out, "--prompt", "a", "--max-tokens", "2"])).code, 0);
  assert.equal(
    readdirSync(root).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("mistakes are one line, exit code 1, and nothing written", async () => {
  const out = `${root}/never`;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--base", `${root}/nope`, "--adapter", adapter], /--base: there is no folder/],
    [["--base", base], /--adapter: expected the folder of an adapter/],
    [["--base", base, "--adapter", `${root}/nope`], /--adapter: there is no folder/],
    [["--base", base, "--adapter", `${adapter}=half`], /finite number/],
    [["--base", base, "--adapter", foreign], /not an adapter for this model: .*expected \[/],
    [["--base", base, "--adapter", base], /no adapter_config\.json/],
    [["--base", adapter, "--adapter", adapter], /adapter/],
    [["--base", base, "--adapter", adapter, "--dtype", "F8"], /expected one of F32, F16, BF16/],
    [["--base", base, "--adapter", adapter, "--max-shard-size", "big"], /a size such as 5GB/],
    [
      ["--base", base, "--adapter", adapter, "--quantize", "nf4", "--dtype", "F16"],
      /--dtype: expected none with --quantize/,
    ],
    [["--base", base, "--adapter", adapter, "--out", base], /is the folder of the base/],
    [["--base", base, "--adapter", adapter, "--out", `${base}/config.json`], /a file is there/],
    [["--base", base, "--adapter", adapter, "--out", `${base}/config.json/below`], /cannot write/],
  ];
  const before = readdirSync(root);
  for (const [argv, message] of cases) {
    const { code, stderr, stdout } = await lowrank(["merge", "--out", out, ...argv]);
    assert.is(code, 1, argv.join(" "));
    assert.is(stdout, "");
    assert.match(stderr, message);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
    assert.equal(readdirSync(root), before);
  }
});

/** A base that takes a while: merged in a process of its own. */
const large = tinyFolder(`${root}/large`, { width: 512, layers: 4 });
const ofLarge = newAdapter("of-large", { method: "dora", target: "all-linear" }, large);
const command = [
  "--import",
  "tsx",
  "lora/cli/lowrank-cli.ts",
  "merge",
  "--base",
  large,
  "--adapter",
  ofLarge,
  "--out",
];

test("killed or interrupted while it writes, nothing is in its place; the next merge removes what a kill has left", async () => {
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const out = `${root}/killed`;
    const left = () => readdirSync(root).filter((name) => name.startsWith(".killed."));
    const before = left(); // what the kill has left
    const child = spawn(process.execPath, [...command, out], { stdio: "ignore" });
    const ended = once(child, "exit");
    while (left().every((name) => before.includes(name)) && child.exitCode === null)
      await new Promise((go) => setTimeout(go, 5));
    child.kill(signal);
    const [code] = await ended;
    assert.not.ok(existsSync(out));
    if (signal === "SIGKILL") assert.is(left().length, 1);
    else assert.equal([code, left()], [1, []]);
  }
});

test("where files may not grow, it says so, and leaves nothing", () => {
  const out = `${root}/full`;
  const quoted = [process.execPath, ...command, out].map((word) => `'${word}'`).join(" ");
  const { status, stderr } = spawnSync("bash", ["-c", `trap '' XFSZ; ulimit -f 4000; exec ${quoted}`], {
    encoding: "utf8",
  });
  assert.is(status, 1, stderr);
  assert.match(stderr, /^lowrank merge: cannot write .*model\.safetensors: EFBIG/m);
  assert.not.ok(existsSync(out));
  assert.equal(
    readdirSync(root).filter((name) => name.startsWith(".full.")),
    [],
  );
});

test("the numbers are those of the model", async () => {
  const out = `${root}/numbers`;
  await lowrank(["merge", "--base", base, "--adapter", adapter, "--out", out]);
  savePretrained(loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain(), `${root}/expected`);
  const [a, b] = [out, `${root}/expected`].map((folder) => loadPretrained(folder).stateDict());
  for (const [name, { data }] of b) assert.equal(Array.from(a.get(name)!.data), Array.from(data), name);
});

test.after(() => removeFile(root));
test.run();
