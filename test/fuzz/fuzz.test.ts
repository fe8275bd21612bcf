/** @file A short run of `npm run fuzz`, the same each time; and the faults that it is to see. */

import { rmSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quickFolder } from "../support/faults.ts";
import { runCase } from "./cases.ts";
import { targets } from "./targets.ts";

const test = suite("fuzz");

const { warn } = console;
test.before(() => void (console.warn = () => {})); // unknown fields are warned of
test.after(() => void (console.warn = warn));

for (const name of Object.keys(targets)) {
  const runs = name === "safetensors" ? 1000 : 80; // the former is quick
  test(`${name}: ${runs} changed files are refused with nothing changed, or loaded as they say`, () => {
    const folder = quickFolder();
    const counts = { refused: 0, loaded: 0, wrong: 0 };
    try {
      for (let i = 0; i < runs; i++) {
        const { outcome, what } = runCase(1, i, folder, [name]);
        counts[outcome]++;
        assert.is.not(outcome, "wrong", `case ${i}: ${what}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    assert.ok(counts.refused > 30 && counts.loaded > 5, JSON.stringify(counts));
  });
}

test.run();
