/**
 * @file The numbers of public implementations, on the device `cpu`: each case is a test. `npm run conformance` runs
 * the same on any device, and says how much of its tolerance each uses.
 */

import { withDevice } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readCases } from "./cases.ts";
import { oracles, readFolder } from "./folder.ts";
import { runCases } from "./run-cases.ts";

const test = suite("oracles");

const cases = readCases(readFolder(oracles));
const results = withDevice("cpu", () => runCases(cases));

test("there are 149 cases", () => assert.is(results.length, 149));

for (const { path, status, detail } of results) {
  if (status === "skipped") {
    console.log(`skipped: ${path}: ${detail}`);
    test.skip(path);
  } else test(path, () => assert.is(status, "passed", detail));
}

test.run();
