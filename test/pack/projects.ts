/** @file Programs of people who use the package: every entry from JavaScript and TypeScript, the README's example, VeRA. */

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { check, expect } from "./checks.ts";
import { node, noWarnings } from "./command.ts";
import { tool } from "./tools.ts";

/** What uses every entry, in JavaScript. */
const program = `
import { core, grad, tensor } from "lowrank";
import { currentDevice, random, scope } from "lowrank/core";
import { linear } from "lowrank/autograd";
import { AdamW, Linear } from "lowrank/nn";
import { countParameters, inject } from "lowrank/lora";
import { quantize } from "lowrank/quant";

const model = new Linear(8, 4, { rng: random(1) });
const x = tensor(random(2).normal(24, 0, 1), [3, 8]);
const before = model.forward(x).toArray();
const adapted = inject(model, { method: "lora", rank: 2, target: "all-linear", seed: 3 });
const optimizer = new AdamW(adapted.parameters(), { lr: 0.1 });
for (let step = 0; step < 3; step++) {
  scope(() => {
    adapted.forward(x).square().sum().backward();
    optimizer.step();
    optimizer.zeroGrad();
  });
}
const trained = adapted.forward(x).toArray();
adapted.merge();
const merged = adapted.forward(x).toArray();
const far = Math.max(...trained.map((y, i) => Math.abs(y - before[i])));
const near = Math.max(...trained.map((y, i) => Math.abs(y - merged[i])));
if (!(far > 1e-3)) throw new Error("training changed nothing");
if (!(near < 1e-5)) throw new Error("merged is not adapted: " + near);
if (grad((t) => t.square().sum())(tensor([3])).item() !== 6) throw new Error("grad");
if (linear(x, model.weight).shape[1] !== 4) throw new Error("linear");
if (countParameters("lora", { config: "gpt2", rank: 8, target: "c_attn" }).trainable !== 294912) throw new Error("count");
if (quantize(x.toArray(), { format: "nf4" }).packed.length !== 12) throw new Error("quantize");
if (core.sizeOf([2, 3]) !== 6) throw new Error("core");
console.log("device " + currentDevice().name + ": merged and adapted differ by " + near);
`;

/** `inject` on a model that is itself the layer is no model: wrap it. */
const wrapped = program
  .replace(
    "const model = new Linear(8, 4, { rng: random(1) });",
    `class Net extends Module {
  constructor() {
    super();
    this.layer = new Linear(8, 4, { rng: random(1) });
  }
  forward(x) {
    return this.layer.forward(x);
  }
}
const model = new Net();`,
  )
  .replace("import { AdamW, Linear }", "import { AdamW, Linear, Module }")
  .replace("linear(x, model.weight).shape", "linear(x, new Linear(8, 4).weight).shape");

const typed = wrapped
  .replace("constructor() {", "layer: Linear;\n  constructor() {")
  .replace("forward(x) {", "forward(x: Tensor): Tensor {")
  .replace("import { core, grad, tensor }", "import { core, grad, type Tensor, tensor }");

/** A method from outside the library, test/lora/methods/vera.ts, as a stranger uses it. */
const stranger = `
import { checkLaws, countParameters, inject } from "lowrank/lora";
import { GPT2 } from "lowrank/nn";
import { vera } from "./vera.js";

const config = { model_type: "gpt2", vocab_size: 5, n_positions: 4, n_embd: 4, n_layer: 1, n_head: 1 } as const;
const adapted = inject(new GPT2(config), { method: vera, rank: 2, target: "c_attn", initialD: 0.5 });
const { trainable } = adapted.trainableParameters();
if (trainable !== countParameters(vera, { config, rank: 2, target: "c_attn" }).trainable) throw new Error("count");
const reports = checkLaws(vera, { trials: 3 });
const broken = reports.filter(({ holds }) => !holds);
if (reports.length === 0 || broken.length > 0) throw new Error(broken.map(({ law }) => law).join(", "));
// @ts-expect-error an option that VeRA does not have
const wrong = () => inject(new GPT2(config), { method: vera, rank: 2, target: "c_attn", initialB: 1 });
console.log(wrong.name === "wrong" ? reports.length + " laws hold for a method from outside" : "");
`;

/** How users' projects may set TypeScript up. */
const settings = ["nodenext", "bundler"].flatMap((resolution) =>
  [["es2021"], ["es2021", "dom"], ["es2023", "dom"]].map((lib) => ({ resolution, lib })),
);

const strict = {
  strict: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  skipLibCheck: false,
  target: "es2021",
  types: [],
};

/** Checks that the files compile in the project `folder`, with each of `ways`, by a TypeScript's program `tsc`. */
function compile(folder: string, tsc: string, ways: typeof settings): void {
  for (const { resolution, lib } of ways) {
    const compilerOptions = {
      ...strict,
      lib,
      module: resolution === "bundler" ? "esnext" : resolution,
      moduleResolution: resolution,
      outDir: "built",
    };
    // console is DOM's: without it only the types of the entries are looked at.
    const files = lib.includes("dom") ? ["use.ts", "vera.ts", "stranger.ts"] : ["types.ts"];
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    node(folder, tsc, ["-p", folder]);
  }
}

const everyEntry = ["", "/core", "/autograd", "/nn", "/lora", "/quant"]
  .map((entry, i) => `export * as entry${i} from "lowrank${entry}";`)
  .join("\n");

/** Checks the programs in a project that has the package. */
export async function checkProjects(folder: string): Promise<void> {
  writeFileSync(join(folder, "use.mjs"), wrapped);
  writeFileSync(join(folder, "use.ts"), typed);
  writeFileSync(join(folder, "types.ts"), everyEntry);
  writeFileSync(join(folder, "stranger.ts"), stranger);
  copyFileSync("test/lora/methods/vera.ts", join(folder, "vera.ts"));
  await check("every entry, from JavaScript", () => {
    const outcome = node(folder, "use.mjs");
    noWarnings("use.mjs", outcome);
    return outcome.stdout.trim();
  });
  await check("the README's example", () => {
    const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) as RegExpExecArray;
    writeFileSync(join(folder, "example.mjs"), example);
    const outcome = node(folder, "example.mjs");
    noWarnings("example.mjs", outcome);
    expect(Number(outcome.stdout) < 1e-6, outcome.text);
    return outcome.stdout.trim();
  });
  await check("TypeScript: the types of every entry, by every way to set it up", () => {
    compile(folder, resolve("node_modules/typescript/bin/tsc"), settings);
    return `${settings.length} settings, strict, libraries checked`;
  });
  await check("an older TypeScript", () => {
    const tsc = tool("typescript", "bin", "tsc");
    compile(folder, tsc, [settings[0], settings[4]]);
    return node(folder, tsc, ["--version"]).stdout.trim();
  });
  await check("VeRA, a method from outside", () => node(folder, join("built", "stranger.js")).stdout.trim());
}

/** Checks the package by publint and by arethetypeswrong. */
export async function checkLinters(archive: string, folder: string): Promise<void> {
  await check("publint, strict", () => {
    const { text } = node(folder, tool("publint", "src", "cli.js"), ["run", archive, "--strict"]);
    expect(/All good!/.test(text), text);
    return "all good";
  });
  await check("arethetypeswrong, for ES modules", () => {
    const args = [archive, "--profile", "esm-only", "--format", "table-flipped", "--no-emoji"];
    node(folder, tool("@arethetypeswrong", "cli", "dist", "index.js"), args);
    return "no problems";
  });
}

/** Runs the program of every consumer elsewhere than in Node. */
export const runtimes: readonly (readonly [name: string, command: () => readonly string[]])[] = [
  ["Deno", () => [tool(".bin", "deno"), "run", "-A", "--no-remote", "--node-modules-dir=manual"]],
  ["Bun", () => [tool(".bin", "bun")]],
];
