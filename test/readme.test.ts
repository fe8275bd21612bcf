/** @file The README's example runs as printed and prints what its comment says; its commands and files exist. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const readme = suite("README");
const text = readFileSync("README.md", "utf8");

readme("the first example prints a number a few float32 roundings wide", () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(text) as RegExpExecArray;
  const file = `test/readme-example-${process.pid}.ts`;
  writeFileSync(file, example);
  try {
    const output = execFileSync(process.execPath, ["--import", "tsx", file], { encoding: "utf8" });
    // Outputs below 8 after 32 products each: 2 · 40 roundings of half an ulp of 8.
    assert.match(output, /^[\d.e-]+\n$/);
    assert.ok(Number(output) <= 2 * 40 * 8 * 2 ** -24, output);
  } finally {
    rmSync(file);
  }
});

readme("every npm script and every file it names is there", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [, name] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts[name], `npm run ${name}`);
  for (const [, path] of text.matchAll(/\]\(((?!http)[^)]+)\)/g)) assert.ok(existsSync(path), path);
});

readme.run();
