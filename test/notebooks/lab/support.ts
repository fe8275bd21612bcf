/** @file A small base for the lab's tests: the first block of the committed one, whose steps take a fifth of the time. */
import { parseSafetensors, serializeSafetensors, tensorBytes } from "lowrank/core";
import { firstControls, suggested } from "../../../notebooks/lab/engine/controls.ts";
import { createEngine } from "../../../notebooks/lab/engine/engine.ts";
import type { Controls, Engine, MethodName, Refused, Stepped } from "../../../notebooks/lab/engine/types.ts";
import { baseFiles, labTexts } from "../../../notebooks/lab/texts/files.ts";

const whole = baseFiles();

/** The base's first block, with its embeddings and its last norm. */
export const smallBase = {
  ...whole,
  config: JSON.stringify({ ...JSON.parse(whole.config), num_hidden_layers: 1 }),
  weights: serializeSafetensors(
    Array.from(parseSafetensors(whole.weights).tensors)
      .filter(([name]) => !/layers\.[1-9]/.test(name))
      .map(([name, tensor]) => [name, tensorBytes("F32", tensor.shape, tensor.floats())] as const),
  ),
};

const texts = labTexts();
/** A few windows of each text. */
export const smallTexts = {
  base: texts.base.slice(0, 4000),
  speeches: texts.speeches.slice(0, 4000),
  "moby-dick": texts["moby-dick"].slice(0, 8000),
  code: texts.code.slice(0, 4000),
};

/** An engine that has started on the cpu. `more`: texts in the place of the small ones. */
export async function startedEngine(more: Readonly<Record<string, string>> = {}): Promise<Engine> {
  const engine = createEngine();
  given(await engine.start(smallBase, { ...smallTexts, ...more }, "cpu"));
  return engine;
}

/** The first controls, with the method's suggested rate and what else is given. LoftQ needs codes to correct. */
export const controlsOf = (method: MethodName, more: Partial<Controls> = {}): Controls => ({
  ...firstControls,
  format: method === "loftq" ? "nf4" : "float32",
  method,
  ...suggested[method],
  ...more,
});

/** The answer itself. @throws Error on a refusal */
export function given<T extends object>(answer: T | Refused): T {
  if ("refused" in answer) throw new Error(answer.refused);
  return answer;
}

/** The sentence of a refusal. @throws Error on any other answer */
export function refusal(answer: object | undefined): string {
  if (answer && "refused" in answer) return String(answer.refused);
  throw new Error(`expected a refusal; got ${JSON.stringify(answer)?.slice(0, 200)}`);
}

/** So many steps of a run. */
export async function steps(engine: Engine, id: number, count: number): Promise<Stepped[]> {
  const taken: Stepped[] = [];
  for (let i = 0; i < count; i++) taken.push(given(await engine.step(id)).stepped);
  return taken;
}
