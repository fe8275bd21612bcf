/**
 * @file Packs the library, installs it into an empty project, and uses it there from JavaScript and TypeScript:
 * every entry, the cpu device, training, merging. `npx tsx test/pack/run.ts`; needs the npm registry or its cache.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "lowrank-pack-"));
const run = (command: string, args: readonly string[], cwd = folder): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

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

/** \`inject\` on a model that is itself the layer is no model: wrap it. */
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

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], root);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  );
  run("npm", ["install", "--no-audit", "--no-fund", "--silent", join(folder, archive)]);
  writeFileSync(join(folder, "use.mjs"), wrapped);
  writeFileSync(join(folder, "use.ts"), typed);
  writeFileSync(join(folder, "stranger.ts"), stranger);
  copyFileSync(join(root, "test/lora/methods/vera.ts"), join(folder, "vera.ts"));
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        outDir: "built",
        module: "nodenext",
        target: "es2021",
        lib: ["es2021", "dom"],
        skipLibCheck: false,
        types: [],
      },
      files: ["use.ts", "vera.ts", "stranger.ts"],
    }),
  );
  console.log(`JavaScript: ${run("node", ["use.mjs"]).trim()}`);
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) as RegExpExecArray;
  writeFileSync(join(folder, "example.mjs"), example);
  console.log(`the README's example: ${run("node", ["example.mjs"]).trim()}`);
  run("node", [resolve(root, "node_modules/typescript/bin/tsc"), "-p", folder]);
  console.log("TypeScript: types of every entry check under strict");
  console.log(`VeRA: ${run("node", [join("built", "stranger.js")]).trim()}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
