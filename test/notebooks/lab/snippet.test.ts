/** @file The program that a run is exported as takes the same steps in Node, and ends with the same bytes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseSafetensors } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { snippetOf } from "../../../notebooks/lab/engine/snippet.ts";
import { type Controls, type Engine, methodNames } from "../../../notebooks/lab/engine/types.ts";
import { labTexts } from "../../../notebooks/lab/texts/files.ts";
import { controlsOf, given, smallBase, smallTexts, startedEngine, steps } from "./support.ts";

interface Context {
  readonly engine: Engine;
  /** Inside the checkout, so that the programs' imports are found. */
  readonly folder: string;
}
const snippets = suite<Context>("the lab's programs");

const root = fileURLToPath(new URL("../../../", import.meta.url));
const STEPS = 2;

snippets.before(async (context) => {
  mkdirSync(join(root, "out"), { recursive: true });
  const folder = mkdtempSync(join(root, "out/lab-"));
  Object.assign(context, { folder, engine: await startedEngine({ "moby-dick": labTexts()["moby-dick"] }) });
  writeFileSync(join(folder, "config.json"), smallBase.config);
  writeFileSync(join(folder, "model.safetensors"), smallBase.weights);
  writeFileSync(join(folder, "tokenizer.json"), smallBase.tokenizer);
  writeFileSync(join(folder, "tokenizer_config.json"), smallBase.tokenizerConfig);
  writeFileSync(join(folder, "my-text.txt"), smallTexts.code);
});
snippets.after(({ folder }) => rmSync(folder, { recursive: true }));

/** Runs a program of the checkout on the small base, and returns the losses that it printed and the file that it saved. */
async function ran(program: string, folder: string, name: string) {
  const out = folder.slice(root.length);
  const moved = program
    .replaceAll('"./', '"../../')
    .replace('"out/', `"${out}/${name}-`)
    .replace('"notebooks/bases/english"', `"${out}"`)
    .replace('"my-text.txt"', `"${out}/my-text.txt"`)
    .replace("console.log(losses);", "export { losses };");
  const path = join(folder, `${name}.ts`);
  writeFileSync(path, moved);
  const there = process.cwd();
  process.chdir(root); // where a visitor would run it
  try {
    const { losses } = (await import(pathToFileURL(path).href)) as { losses: readonly number[] };
    const file = /saveAdapter/.test(program) ? "adapter/adapter_model.safetensors" : "model.safetensors";
    return { losses: Array.from(losses), saved: readFileSync(join(folder, `${name}-${file}`)) };
  } finally {
    process.chdir(there);
  }
}

const own = { target: "own", text: smallTexts.code, place: "qv" } as const;
const cases: Controls[] = [
  ...methodNames.map((method) => controlsOf(method, own)),
  controlsOf("lora", { place: "mlp", format: "int8", blockSize: 128, doubleQuant: true, alpha: 3, seed: 9 }),
];

for (const [at, controls] of cases.entries())
  snippets(
    `${controls.method} on ${controls.format}: the same losses and bytes`,
    async ({ engine, folder }) => {
      const { id } = given(await engine.open(controls));
      const losses = (await steps(engine, id, STEPS)).map(({ loss }) => loss);
      const { safetensors } = given(await engine.adapter(id));
      await engine.close(id);
      const program = await ran(snippetOf(controls, STEPS), folder, `run${at}`);
      assert.equal(program.losses, losses);
      const tensors = (bytes: Uint8Array) =>
        Array.from(parseSafetensors(bytes).tensors, ([name, tensor]) => [
          name,
          tensor.shape,
          tensor.floats(),
        ]);
      assert.equal(tensors(program.saved), tensors(safetensors));
      assert.ok(tensors(safetensors).length >= 2);
    },
  );

snippets("every method's program imports what it uses and nothing else", () => {
  for (const method of methodNames) {
    const text = snippetOf(controlsOf(method), 3);
    const [head, body] = [text.slice(0, text.indexOf("setDevice(")), text.slice(text.indexOf("setDevice("))];
    const names = [...head.matchAll(/import \{ (.*) \}/g)].flatMap(([, list]) =>
      list.split(", ").map((name) => name.replace("type ", "")),
    );
    assert.ok(names.length > 5);
    for (const name of names) assert.ok(new RegExp(`\\b${name}\\b`).test(body), `${method}: ${name}`);
  }
});

snippets.run();
