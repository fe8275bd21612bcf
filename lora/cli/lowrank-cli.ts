#!/usr/bin/env node
/** @file `npx lowrank <command>`; from a checkout `npm run -s lowrank -- <command>`. */

import { runCommand } from "./program.ts";

process.exitCode = await runCommand(process.argv.slice(2));
