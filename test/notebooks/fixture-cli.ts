/** @file `npm start`, on the notebooks for tests. */
import { fileURLToPath } from "node:url";
import { runNotebooks } from "../../notebooks/support/runner/command.ts";
import { endWithParent } from "../../notebooks/support/runner/interrupt.ts";

endWithParent();
const folder = fileURLToPath(new URL("./fixture/", import.meta.url));
process.exitCode = await runNotebooks(process.argv.slice(2), { folder, runs: "" });
