/** @file Checkpoints of a training run, one safetensors file: parameters, optimizer state, generators, losses. */

import { exists } from "#disk";
import {
  array,
  CheckpointError,
  loadSafetensors,
  type NDArray,
  Random,
  type RandomState,
  type SafeTensor,
  saveSafetensors,
  tensorBytes,
} from "../core/index.ts";
import type { Module } from "./module.ts";
import type { Optimizer } from "./optim/index.ts";

/** What a run needs besides arrays. Kept as JSON in the file's metadata. */
interface Progress {
  readonly optimizerSteps: readonly number[];
  readonly generators: readonly RandomState[];
  readonly losses: readonly number[];
}

const MODEL = "model.";
const OPTIMIZER = "optimizer.";

/** Writes the run's state, whole or not at all. @param losses one per step taken */
export function saveCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: readonly number[],
): void {
  const { steps, arrays } = optimizer.stateDict();
  const progress: Progress = {
    optimizerSteps: steps,
    generators: generatorsOf(model).map((generator) => generator.state()),
    losses,
  };
  saveSafetensors(
    path,
    [
      ...Array.from(model.stateDict(), ([name, value]) => entry(MODEL + name, value)),
      ...Array.from(arrays, ([name, value]) => entry(OPTIMIZER + name, value)),
    ],
    { metadata: new Map([["progress", JSON.stringify(progress)]]) },
  );
}

/**
 * Brings model, optimizer and generators to the state in the file, and appends its losses to `losses`.
 * @returns the number of steps taken; 0 when there is no file
 * @throws CheckpointError when the file is of another run; nothing is changed then
 */
export function loadCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: number[],
): number {
  if (!exists(path)) return 0;
  const { tensors, metadata } = loadSafetensors(path);
  const progress = parseProgress(path, metadata.get("progress"));
  const generators = generatorsOf(model);
  if (progress.generators.length !== generators.length) {
    throw new CheckpointError(
      `${path}: expected the states of ${generators.length} random generators; got ${progress.generators.length}`,
    );
  }
  const arrays = [...tensors].filter(([name]) => name.startsWith(OPTIMIZER));
  const values = [...tensors].filter(([name]) => name.startsWith(MODEL));
  optimizer.checkState(progress.optimizerSteps.length, new Map(arrays.map(unprefixed(OPTIMIZER))));
  model.loadStateDict(new Map(values.map(unprefixed(MODEL))));
  optimizer.loadStateDict({
    steps: progress.optimizerSteps,
    arrays: new Map(arrays.map(unprefixed(OPTIMIZER))),
  });
  generators.forEach((generator, i) => {
    generator.restore(progress.generators[i]);
  });
  losses.push(...progress.losses);
  return progress.losses.length;
}

/** Every generator in a field of the model, once. */
function generatorsOf(model: Module): Random[] {
  const found = new Set<Random>();
  for (const [, module] of model.namedModules()) {
    for (const field of Object.values(module)) if (field instanceof Random) found.add(field);
  }
  return [...found];
}

const entry = (name: string, { shape, data }: NDArray) => [name, tensorBytes("F32", shape, data)] as const;

const unprefixed =
  (prefix: string) =>
  ([name, tensor]: [string, SafeTensor]): [string, NDArray] => [
    name.slice(prefix.length),
    array(tensor.values() as Float32Array, tensor.shape),
  ];

function parseProgress(path: string, text: string | undefined): Progress {
  try {
    const progress = JSON.parse(text ?? "") as Progress;
    if ([progress.optimizerSteps, progress.generators, progress.losses].every(Array.isArray)) return progress;
  } catch {}
  throw new CheckpointError(`${path}: expected a checkpoint written by fit; got a file without its progress`);
}
