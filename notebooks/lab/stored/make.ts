/**
 * @file Records the run that the page shows before anything has been computed, and without JavaScript:
 *
 *     npx tsx notebooks/lab/stored/make.ts      writes notebooks/lab/stored/run.json, with the page's first controls
 */
import { writeFileSync } from "node:fs";
import { firstControls } from "../engine/controls.ts";
import { createEngine } from "../engine/engine.ts";
import type { Looked, Measured, Refused, Stepped } from "../engine/types.ts";
import { baseFiles, labTexts } from "../texts/files.ts";
import { packRun } from "./codec.ts";

/** The steps after which the matrices are looked at. */
const LOOKS = [0, 1, 2, 10, 30, firstControls.steps];

/** @throws Error on a refusal: the first controls are good ones */
function given<T extends object>(answer: T | Refused): T {
  if ("refused" in answer) throw new Error(answer.refused);
  return answer;
}

const engine = createEngine();
given(await engine.start(baseFiles(), labTexts(), "cpu"));
const opened = given(await engine.open(firstControls));
const { id, matrices } = opened;
const matrix = matrices[matrices.length - 7].name; // W_q of the last block
const steps: Stepped[] = [];
const measured: Measured[] = [];
const looked: Looked[] = [given(await engine.look(id, matrix))];
while (steps.length < firstControls.steps) {
  const answer = given(await engine.step(id));
  steps.push(answer.stepped);
  if (answer.measured) measured.push(answer.measured);
  if (LOOKS.includes(steps.length)) looked.push(given(await engine.look(id, matrix)));
}
const text = packRun({ opened: { ...opened, device: "cpu" }, steps, measured, looked });
writeFileSync(new URL("run.json", import.meta.url), text);
console.log(`run.json: ${steps.length} steps, ${text.length} characters`);
