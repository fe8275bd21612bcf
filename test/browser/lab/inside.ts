/** @file What the test puts into the page of the lab: runs of its engine, in a worker of its own. */
import { wrap } from "comlink";
import { contents } from "../../../notebooks/lab/build/contents.ts";
import type { DeviceChoice, Engine } from "../../../notebooks/lab/engine/types.ts";
import { type Start, train } from "./train.ts";

let engine: Promise<Engine> | null = null;

async function started(): Promise<Engine> {
  const { base, texts, worker } = contents();
  const files = await base();
  const remote = wrap<Engine>(worker()) as unknown as Engine;
  const answer = await remote.start(files, texts, "cpu");
  if ("refused" in answer) throw new Error(answer.refused);
  return remote;
}

/** What answers for a device, and the base's held-out loss on its own text there. */
async function lossOn(device: DeviceChoice): Promise<{ readonly answers: string; readonly loss: number }> {
  const { base, texts, worker } = contents();
  const files = await base();
  const one = worker();
  const answer = await (wrap<Engine>(one) as unknown as Engine).start(files, { base: texts.base }, device);
  one.terminate();
  if ("refused" in answer) throw new Error(answer.refused);
  return { answers: answer.device, loss: answer.losses.base };
}

/** A run in the page. */
const trainHere = async (start: Start) => train(await (engine ??= started()), start);

Object.assign(globalThis, { trainHere, lossOn });
