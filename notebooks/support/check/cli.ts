/** @file `npm run notebooks:check`: compares the notebooks' numbers with the committed ones. */
import { fileURLToPath } from "node:url";
import { endWithParent } from "../runner/interrupt.ts";
import { checkNotebooks } from "./command.ts";

if (process.env.npm_lifecycle_event) endWithParent();
const folder = fileURLToPath(new URL("../..", import.meta.url));
const runs = fileURLToPath(new URL("../../../out", import.meta.url));
process.exitCode = await checkNotebooks(process.argv.slice(2), { folder, runs });
