/**
 * @file `npm run devices`: every device, whether it works here, what answers, and a self-check against `reference`.
 *
 *     npm run devices                 a table
 *     npm run -s devices -- --json    the same as JSON
 */

import { parseArgs } from "node:util";
import { deviceReport, deviceTable } from "./report.ts";

const help = `npm run devices [-- --json]

Lists every device: whether it works here and what answers (or why not), whether that is real hardware or
emulation, and the largest error of a few products against the reference, in units of K ε Σ|ab|: K the inner
length, ε = 2^-23. A sound device stays below 1.

  --json   print JSON instead of a table
  --help   print this

LOWRANK_DEVICE names the device that programs use; it is checked here too. Exit code 0, or 1 when it, or an
option, is unknown or does not work.`;

function main(): void {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const report = deviceReport();
  if (values.json) {
    console.log(JSON.stringify(report, null, 2));
    return;
  }
  const rows = deviceTable(report);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    console.log(row.map((cell, column) => (column === 4 ? cell : cell.padEnd(widths[column]))).join("  "));
  console.log(`\nused: ${report.used}${process.env.LOWRANK_DEVICE ? " (LOWRANK_DEVICE)" : ""}`);
}

try {
  main();
} catch (error) {
  console.error(`devices: ${(error as Error).message}`);
  process.exitCode = 1;
}
