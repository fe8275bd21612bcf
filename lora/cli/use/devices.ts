/** @file `lowrank devices`: every device, whether it works here, what answers, and a self-check against the reference. */

import { deviceReport, deviceTable } from "../../../core/index.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  options: {},
  examples: ["devices", "devices --json"],
  notes: `The error is the largest of a few products against the reference, in units of K ε Σ|ab|: K the inner length, ε = 2^-23.
A sound device stays below 1. LOWRANK_DEVICE, or --device, names the device that a command computes on; it is checked
here, too: exit code 1 when it is unknown or does not work.

Fields of --json: used, devices [{ name, works, detail, software, checks [{ product, error }] }].`,
  run(_, terminal) {
    const report = deviceReport();
    terminal.result(report, () => {
      const [titles, ...rows] = deviceTable(report);
      terminal.table(titles, rows);
      terminal.print(`\nused: ${report.used}`);
    });
  },
});
