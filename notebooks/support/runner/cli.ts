/** @file `npm start`: runs notebooks, prints their results, and writes each with its outputs as `.ipynb`, and the live lab. */
import { fileURLToPath } from "node:url";
import { runNotebooks } from "./command.ts";
import { endWithParent } from "./interrupt.ts";

if (process.env.npm_lifecycle_event) endWithParent();
const folder = fileURLToPath(new URL("../..", import.meta.url));
const runs = fileURLToPath(new URL("../../../out", import.meta.url));
/** Loaded lazily, because its dependencies take a second to load. */
const lab = async (out: string): Promise<string> => (await import("../../lab/build/index.ts")).writeLab(out);
process.exitCode = await runNotebooks(process.argv.slice(2), { folder, runs, lab });
