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
import type { Module, StateDict } from "./module.ts";
import type { Optimizer } from "./optim/index.ts";

/** What a run needs besides arrays. Kept as JSON in the file's metadata. */
interface Progress {
  readonly optimizerSteps: readonly number[];
  readonly generators: readonly RandomState[];
  readonly losses: readonly number[];
}

/** Anything besides model and optimizer that a run goes on from, such as AdaLoRA's budget allocator. */
export interface Stateful {
  stateDict(): StateDict;
  /** @throws CheckpointError when the state is another's; nothing is changed then */
  loadStateDict(values: StateDict): void;
}

const MODEL = "model.";
const OPTIMIZER = "optimizer.";
const STATE = "state.";

/** Writes the run's state, whole or not at all. @param losses one per step taken */
export function saveCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: readonly number[],
  state?: Stateful,
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
      ...Array.from(state?.stateDict() ?? [], ([name, value]) => entry(STATE + name, value)),
    ],
    { metadata: new Map([["progress", JSON.stringify(progress)]]) },
  );
}

/**
 * Brings model, optimizer, generators and `state` to the state in the file, and appends its losses to `losses`.
 * @returns the number of steps taken; 0 when there is no file
 * @throws CheckpointError when the file is of another run; nothing is changed then
 */
export function loadCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: number[],
  state?: Stateful,
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
  const under = (prefix: string): StateDict =>
    new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(unprefixed(prefix)));
  const arrays = under(OPTIMIZER);
  optimizer.checkState(progress.optimizerSteps.length, arrays);
  const before = state?.stateDict();
  state?.loadStateDict(under(STATE));
  try {
    model.loadStateDict(under(MODEL));
  } catch (error) {
    if (before) state?.loadStateDict(before);
    throw error;
  }
  optimizer.loadStateDict({
    steps: progress.optimizerSteps,
    arrays,
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
