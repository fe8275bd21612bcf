/**
 * @file `npm run devices`: every device, whether it works here, what answers, and a self-check against `reference`.
 *
 *     npm run devices                 a table
 *     npm run -s devices -- --json    the same as JSON
 */

import { parseArgs } from "node:util";
import { currentDevice, type DeviceName, listDevices, openDevice } from "./device.ts";
import { type Check, selfCheck } from "./self-check.ts";

const help = `npm run devices [-- --json]

Lists every device: whether it works here and what answers (or why not), whether that is real hardware or
emulation, and the largest error of a few products against the reference, in units of K ε Σ|ab|: K the inner
length, ε = 2^-23. A sound device stays below 1.

  --json   print JSON instead of a table
  --help   print this

LOWRANK_DEVICE names the device that programs use; it is checked here too. Exit code 0, or 1 when it, or an
option, is unknown or does not work.`;

interface Row {
  readonly name: DeviceName;
  readonly works: boolean;
  readonly detail: string;
  readonly software: boolean;
  readonly checks: readonly Check[];
}

function main(): void {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const used = currentDevice().name;
  const rows: Row[] = listDevices().map((status) => ({
    ...status,
    checks: status.works ? selfCheck(openDevice(status.name)) : [],
  }));
  if (values.json) console.log(JSON.stringify({ used, devices: rows }, null, 2));
  else {
    printTable(rows);
    console.log(`\nused: ${used}${process.env.LOWRANK_DEVICE ? " (LOWRANK_DEVICE)" : ""}`);
  }
}

function printTable(rows: readonly Row[]): void {
  const cells = [
    ["device", "works", "kind", "error / Kε", "adapter, or why not"],
    ...rows.map(({ name, works, detail, software, checks }) => [
      name,
      works ? "yes" : "no",
      works ? kind(name, software) : "",
      works ? Math.max(...checks.map(({ error }) => error)).toFixed(3) : "",
      detail.replace(`${name}: `, ""),
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells) {
    console.log(row.map((cell, column) => (column === 4 ? cell : cell.padEnd(widths[column]))).join("  "));
  }
}

function kind(name: DeviceName, software: boolean): string {
  if (!name.startsWith("gpu")) return "cpu";
  return software ? "software" : "real";
}

try {
  main();
} catch (error) {
  console.error(`devices: ${(error as Error).message}`);
  process.exitCode = 1;
}
