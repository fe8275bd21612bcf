/** @file Every suite of every test file runs, and whole. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const suites = suite("test files");

/** What is wrong with a test file of this text. */
function faults(source: string): string[] {
  const names = [...source.matchAll(/^const (\w+) = suite\b/gm)].map(([, name]) => name);
  const runs = names.filter((name) => !source.includes(`\n${name}.run();`));
  return [
    ...(names.length === 0 ? ["no suite"] : []),
    ...runs.map((name) => `${name} is never run`),
    ...names.filter((name) => source.includes(`${name}.only(`)).map((name) => `${name} runs one test only`),
  ];
}

suites("each runs all of its suites", () => {
  const files = readdirSync("test", { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".test.ts"),
  );
  assert.equal(
    files.flatMap((file) =>
      faults(readFileSync(join("test", file), "utf8")).map((fault) => `${file}: ${fault}`),
    ),
    [],
  );
});

suites("a file that does not is told", () => {
  const sound = 'const a = suite("a");\na("x", () => assert.ok(1));\na.run();\n';
  assert.equal(faults(sound), []);
  assert.equal(faults(sound.replace("a.run", "b.run")), ["a is never run"]);
  assert.equal(faults(sound.replace('a("x"', 'a.only("x"')), ["a runs one test only"]);
  assert.equal(faults("assert.ok(1);"), ["no suite"]);
});

suites.run();
