/** @file The program that a run is exported as takes the same steps in Node, and ends with the same bytes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createEngine } from "../../../notebooks/lab/engine/engine.ts";
import { snippetOf } from "../../../notebooks/lab/engine/snippet.ts";
import { type Controls, methodNames } from "../../../notebooks/lab/engine/types.ts";
import { baseFiles, labTexts } from "../../../notebooks/lab/texts/files.ts";
import { controlsOf, given, smallTexts, steps } from "./support.ts";

const snippets = suite("the lab's programs");

const root = fileURLToPath(new URL("../../../", import.meta.url));
const STEPS = 2;

/** Runs a program of the checkout, and returns what it saved. */
function saved(program: string, folder: string, file: string): Uint8Array {
  const path = join(folder, "run.ts");
  const moved = program
    .replaceAll('"./', '"../../')
    .replace('"out/', `"${folder.slice(root.length)}/`)
    .replace('"my-text.txt"', `"${folder.slice(root.length)}/my-text.txt"`);
  writeFileSync(path, moved);
  execFileSync(process.execPath, ["--import", "tsx", path], { cwd: root, encoding: "utf8" });
  return readFileSync(join(folder, file));
}

const cases: Controls[] = [
  controlsOf("lora", { place: "qv", format: "nf4", doubleQuant: true, target: "own", text: smallTexts.code }),
  controlsOf("adalora", { place: "qv", steps: 20 }),
];

for (const controls of cases)
  snippets(`${controls.method} on ${controls.format}: the same bytes`, async () => {
    mkdirSync(join(root, "out"), { recursive: true });
    const folder = mkdtempSync(join(root, "out/lab-"));
    try {
      writeFileSync(join(folder, "my-text.txt"), controls.text);
      const engine = createEngine();
      given(await engine.start(baseFiles(), labTexts(), "cpu"));
      const { id } = given(await engine.open(controls));
      await steps(engine, id, STEPS);
      const { safetensors } = given(await engine.adapter(id));
      const bytes = saved(snippetOf(controls, STEPS), folder, "adapter/adapter_model.safetensors");
      assert.ok(Buffer.from(safetensors).equals(bytes));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

snippets("every method has a program, which imports what it uses and nothing else", () => {
  for (const method of methodNames) {
    const text = snippetOf(controlsOf(method), 3);
    const [head, body] = [text.slice(0, text.indexOf("setDevice(")), text.slice(text.indexOf("setDevice("))];
    const names = [...head.matchAll(/import \{ (.*) \}/g)].flatMap(([, list]) =>
      list.split(", ").map((name) => name.replace("type ", "")),
    );
    for (const name of names) assert.ok(new RegExp(`\\b${name}\\b`).test(body), `${method}: ${name}`);
    const called = [...body.matchAll(/(?<![.\w])(?:new )?([a-zA-Z]+)\(/g)].map(([, name]) => name);
    for (const name of new Set(called))
      assert.ok([...names, "for", "if", "penalty"].includes(name), `${method}: ${name} is not imported`);
  }
});

snippets.run();
