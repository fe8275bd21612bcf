/** @file A short run of the lab's engine: the same in Node and in the page. */
import { firstControls, suggested } from "../../../notebooks/lab/engine/controls.ts";
import type { Controls, Engine, MethodName, Refused } from "../../../notebooks/lab/engine/types.ts";

/** What differs from the controls that the page opens with. */
export type Start = Partial<Controls> & { readonly method: MethodName };

/** What a run gave, in a form that can be compared. */
export interface Trained {
  readonly losses: readonly number[];
  /** Held-out loss before the first step and after the last. */
  readonly before: number;
  readonly after: number;
  /** Length and checksum of the adapter's bytes. */
  readonly adapter: string;
}

const STEPS = 20;

/** Trains a run for twenty steps, and closes it. @throws Error with what the engine refused */
export async function train(engine: Engine, start: Start): Promise<Trained> {
  const controls: Controls = { ...firstControls, ...suggested[start.method], ...start, steps: STEPS };
  const { id, before } = given(await engine.open(controls));
  const losses: number[] = [];
  let after = Number.NaN;
  while (losses.length < STEPS) {
    const { stepped, measured } = given(await engine.step(id));
    losses.push(stepped.loss);
    after = measured?.learned ?? after;
  }
  const { safetensors } = given(await engine.adapter(id));
  await engine.close(id);
  return { losses, before: before.learned, after, adapter: sumOf(safetensors) };
}

function given<T extends object>(answer: T | Refused): T {
  if ("refused" in answer) throw new Error(answer.refused);
  return answer;
}

/** The length and a checksum. Fletcher's, of words, since a page from a file may have no `crypto.subtle`. */
function sumOf(bytes: Uint8Array): string {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 0xfffffffb;
    b = (b + a) % 0xfffffffb;
  }
  return `${bytes.length} bytes, ${a.toString(16)} ${b.toString(16)}`;
}
