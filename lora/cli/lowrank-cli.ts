#!/usr/bin/env node
/** @file `npx lowrank <command>`; from a checkout `npm run -s lowrank -- <command>`. */

import { runCommand } from "./program.ts";

// A reader that has seen enough, such as head, closes the pipe: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCommand(process.argv.slice(2));
