/**
 * @file Records the run that the page shows before anything has been computed, and without JavaScript:
 *
 *     npx tsx notebooks/lab/stored/make.ts      writes notebooks/lab/stored/run.json, with the page's first controls
 */
import { writeFileSync } from "node:fs";
import { createEngine } from "../engine/engine.ts";
import { baseFiles, labTexts } from "../texts/files.ts";
import { packRun } from "./codec.ts";
import { recordRun } from "./record.ts";

const engine = createEngine();
const started = await engine.start(baseFiles(), labTexts(), "cpu");
if ("refused" in started) throw new Error(started.refused);
const run = await recordRun(engine);
const text = packRun(run);
writeFileSync(new URL("run.json", import.meta.url), text);
console.log(`run.json: ${run.steps.length} steps, ${text.length} characters`);
