/** @file `lowrank devices`: every device, and whether it works here. */

import { currentDevice, listDevices } from "../../../core/index.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  options: {},
  examples: ["devices", "devices --json"],
  notes: "LOWRANK_DEVICE, or --device, names the device that a command computes on.",
  run(_, terminal) {
    const used = currentDevice().name;
    const devices = listDevices();
    terminal.result({ used, devices }, () => {
      terminal.table(
        ["device", "works", "kind", "adapter, or why not"],
        devices.map(({ name, works, software, detail }) => [
          name,
          works ? "yes" : "no",
          !works ? "" : !name.startsWith("gpu") ? "cpu" : software ? "software" : "real",
          detail.replace(`${name}: `, ""),
        ]),
      );
      terminal.print(`\nused: ${used}`);
    });
  },
});
