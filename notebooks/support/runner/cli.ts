/** @file `npm start`: runs notebooks, prints their results, and writes each with its outputs as `.ipynb`. */
import { fileURLToPath } from "node:url";
import { runNotebooks } from "./command.ts";
import { endWithParent } from "./interrupt.ts";

if (process.env.npm_lifecycle_event) endWithParent();
const folder = fileURLToPath(new URL("../..", import.meta.url));
const runs = fileURLToPath(new URL("../../../out", import.meta.url));
process.exitCode = await runNotebooks(process.argv.slice(2), { folder, runs });
