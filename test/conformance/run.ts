/** @file `npm run conformance`: runs every case of a folder; see `usage`. */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { currentDevice, kernelCounts } from "lowrank/core";
import { readCases } from "./cases.ts";
import { oracles, readFolder } from "./folder.ts";
import { type CaseResult, runCases } from "./run-cases.ts";

const usage = `npm run conformance -- [DIR] [--only TEXT]

Compares the library with the numbers of public implementations: every case in DIR and the folders
below it (default: test/oracles, whose README.md describes the files), every output of it, with the
tolerance that the case states.

  --only TEXT   only cases whose path or method holds TEXT
  --help        this text

LOWRANK_DEVICE chooses the device: reference, cpu, gpu:webgpu, ... (npm run devices lists them).
Exits with 1 when a case fails.`;

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (positionals.length > 1) throw new Error(`expected one folder; got ${positionals.join(", ")}`);
  const folder = positionals[0]
    ? resolve(process.env.INIT_CWD ?? ".", positionals[0]) // npm runs scripts in the package's root
    : oracles;
  const { only = "" } = values;
  const cases = readCases(readFolder(folder)).filter(
    (item) => item.path.includes(only) || ("method" in item && item.method.includes(only)),
  );
  if (cases.length === 0) {
    throw new Error(`expected cases in ${folder}${only && ` that hold ${JSON.stringify(only)}`}; found none`);
  }

  const { name, adapter, software } = currentDevice();
  console.log(`device ${name}: ${adapter}${software ? " (software)" : ""}`);
  const width = Math.max(...cases.map(({ path }) => path.length));
  const results = runCases(cases, (result) => console.log(line(result, width)));

  console.log("\nkernels that ran:");
  for (const [kernel, count] of Object.entries(kernelCounts())) console.log(`  ${kernel}  ${count}`);
  const total = (status: CaseResult["status"]): number =>
    results.filter((result) => result.status === status).length;
  console.log(`\n${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`);
  return total("failed") > 0 ? 1 : 0;
}

const marks = { passed: "✓", failed: "✗", skipped: "-" } as const;

const line = ({ path, status, detail }: CaseResult, width: number): string =>
  `${marks[status]} ${path.padEnd(width)}  ${status === "passed" ? "" : `${status}: `}${detail}`;

try {
  process.exitCode = main();
} catch (error) {
  console.error(`conformance: ${(error as Error).message}`);
  process.exitCode = 1;
}
