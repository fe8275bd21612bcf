/** @file `npm test`. */

import { runTests } from "./command.ts";

process.exitCode = await runTests(process.argv.slice(2));
