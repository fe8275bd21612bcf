/** @file Records a run with the page's first controls, and looks at one matrix now and then. */
import { firstControls } from "../engine/controls.ts";
import type { Engine, Looked, Measured, Refused, Stepped, StoredRun } from "../engine/types.ts";

/** The steps after which the matrix is looked at. */
const LOOKS = [0, 1, 2, 10, 30, firstControls.steps];

/**
 * The first `count` steps.
 * @param engine one that has started
 * @throws Error on a refusal: the first controls are good ones
 */
export async function recordRun(engine: Engine, count = firstControls.steps): Promise<StoredRun> {
  const opened = given(await engine.open(firstControls));
  const { id, matrices } = opened;
  const matrix = matrices[matrices.length - 7].name; // W_q of the last block
  const steps: Stepped[] = [];
  const measured: Measured[] = [];
  const looked: Looked[] = [given(await engine.look(id, matrix))];
  while (steps.length < count) {
    const answer = given(await engine.step(id));
    steps.push(answer.stepped);
    if (answer.measured) measured.push(answer.measured);
    if (LOOKS.includes(steps.length)) looked.push(given(await engine.look(id, matrix)));
  }
  return { opened: { ...opened, device: "cpu" }, steps, measured, looked };
}

function given<T extends object>(answer: T | Refused): T {
  if ("refused" in answer) throw new Error(answer.refused);
  return answer;
}
