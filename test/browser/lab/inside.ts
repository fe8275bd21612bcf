/** @file What the test puts into the page of the lab: runs of its engine, in a worker of its own. */
import { wrap } from "comlink";
import { contents } from "../../../notebooks/lab/build/contents.ts";
import type { Engine } from "../../../notebooks/lab/engine/types.ts";
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

/** A run in the page. */
const trainHere = async (start: Start) => train(await (engine ??= started()), start);

Object.assign(globalThis, { trainHere });
