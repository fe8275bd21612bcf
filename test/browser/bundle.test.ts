/** @file What a page that imports the library fetches at once, and what on demand. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bundlePage } from "./bundle.ts";

const test = suite("a page's scripts");

const FOLDER = ".cache/bundled";
test.before(() => void mkdirSync(FOLDER, { recursive: true }));
test.after(() => rmSync(FOLDER, { recursive: true }));

const packagesOf = (files: readonly string[]): string[] => [
  ...new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])),
];

test("gpu.js is in a script of its own, fetched on demand, and no other package of Node's is in any", async () => {
  const entry = `${FOLDER}/entry.ts`;
  writeFileSync(entry, 'export * from "lowrank";\n');
  const { atOnce, onDemand, scripts } = await bundlePage(entry);
  assert.ok(atOnce.includes("lora/lora.ts"));
  const atOncePackages = packagesOf(atOnce).filter((name) => !name.startsWith("@huggingface/"));
  assert.equal(atOncePackages, []);
  assert.equal(packagesOf(onDemand), ["gpu.js"]);
  const names = [...scripts].map(([name, { length }]) => `${name}: ${length} bytes`);
  assert.ok(scripts.has("/page.js") && scripts.size >= 2, names.join(", "));
});

test("errors keep their names where those of classes are shortened", async () => {
  const entry = `${FOLDER}/entry.ts`;
  writeFileSync(
    entry,
    `import * as lowrank from "lowrank";
const errors = [lowrank.core, lowrank].flatMap((entry) => Object.entries(entry))
  .filter(([, value]) => typeof value === "function" && value.prototype instanceof Error);
export const names = errors.map(([name, make]) => [name, new (make as any)("who", "expected", {}).name]);
class Own extends lowrank.core.LowrankError { override name = "Own"; }
names.push(["Own", new Own("x").name]);
`,
  );
  const { scripts } = await bundlePage(entry);
  for (const [path, script] of scripts) writeFileSync(join(FOLDER, path), script);
  const { names } = await import(pathToFileURL(join(FOLDER, "page.js")).href);
  assert.ok(names.length > 8, names.join(" "));
  for (const [name, given] of names) assert.is(given, name);
});

test.run();
