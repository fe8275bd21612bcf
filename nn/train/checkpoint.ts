/**
 * @file Checkpoints of a training run, one safetensors file: parameters, optimizer state, generators, losses.
 *
 * A checkpoint here is a file from which an interrupted run continues. (autograd's `checkpoint` is gradient
 * checkpointing: activations are computed again in the backward pass in place of being kept.)
 */

import { exists } from "#disk";
import {
  ArgumentError,
  array,
  CheckpointError,
  currentPrecision,
  loadSafetensors,
  type NDArray,
  parseJsonObject,
  Random,
  type RandomState,
  randomFromState,
  type SafeTensor,
  saveSafetensors,
  tensorBytes,
} from "../../core/index.ts";
import { places } from "../module/fields.ts";
import { describeMismatch, findMismatch } from "../module/mismatch.ts";
import type { Module, StateDict } from "../module/module.ts";
import type { Optimizer } from "../optim/index.ts";
import { copied, type Evaluations, type SavedEvaluations, savedEvaluations } from "./evaluations.ts";

/** What a run needs in addition to arrays. It is JSON in the file's metadata. */
interface Progress {
  /** The optimizer's kind. */
  readonly optimizer: string;
  readonly optimizerSteps: readonly number[];
  readonly generators: readonly RandomState[];
  readonly losses: readonly number[];
  /** Absent when the run does not evaluate. */
  readonly evaluations?: SavedEvaluations;
}

/** State that a run continues from in addition to model and optimizer, such as AdaLoRA's budget allocator. */
export interface Stateful {
  stateDict(): StateDict;
  /** @throws CheckpointError when the values are not those of such a state; nothing is changed then */
  loadStateDict(values: StateDict): void;
}

/** What a checkpoint holds of the model. */
export interface CheckpointOptions {
  /**
   * True: only the parameters that require a gradient. The frozen ones must be as they were when it was saved.
   * @default false
   */
  readonly trainedOnly?: boolean;
}

/** What the names of the file's arrays begin with, by what they belong to. */
const MODEL = "model.";
const OPTIMIZER = "optimizer.";
const STATE = "state.";
const BEST = "best.";
const BEST_STATE = "bestState.";

/**
 * Writes the checkpoint file of a run, whole or not at all. `fit` calls it where its option `checkpoint` says so.
 * @param losses one for each step taken
 * @param state state to save in addition
 * @param evaluations those of `fit`
 * @param options which parameters the file holds
 * @throws ArgumentError when a loss is not finite; CheckpointError when the file cannot be written: an older file is then
 *   unchanged
 */
export function saveCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: readonly number[],
  state?: Stateful,
  evaluations?: Evaluations,
  options: CheckpointOptions = {},
): void {
  const wrong = losses.findIndex((loss) => !Number.isFinite(loss));
  if (wrong >= 0)
    throw new ArgumentError("saveCheckpoint", "finite losses", { step: wrong, loss: losses[wrong] });
  const { kind, steps, arrays } = optimizer.stateDict();
  const evaluated = evaluations?.save();
  const progress: Progress = {
    optimizer: kind ?? optimizer.kind,
    optimizerSteps: steps,
    generators: generatorsOf(model).map((generator) => generator.state()),
    losses: Array.from(losses),
    evaluations: evaluated?.numbers,
  };
  saveSafetensors(
    path,
    [
      ...Array.from(savedState(model, options), ([name, value]) => entry(MODEL + name, value)),
      ...Array.from(arrays, ([name, value]) => entry(OPTIMIZER + name, value)),
      ...Array.from(state?.stateDict() ?? [], ([name, value]) => entry(STATE + name, value)),
      ...Array.from(evaluated?.snapshot?.weights ?? [], ([name, value]) => entry(BEST + name, value)),
      ...Array.from(evaluated?.snapshot?.state ?? [], ([name, value]) => entry(BEST_STATE + name, value)),
    ],
    { metadata: new Map([["progress", JSON.stringify(progress)]]) },
  );
}

/** The values of the model that a checkpoint holds: all, or those of the parameters that require a gradient. */
function savedState(model: Module, { trainedOnly = false }: CheckpointOptions): StateDict {
  if (!trainedOnly) return model.stateDict();
  const trained = [...model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
  return new Map(trained.map(([name, { value }]) => [name, value]));
}

/**
 * Restores model, optimizer, generators and `state` from a checkpoint file, and appends its losses to `losses`.
 * @param options those that it was saved with
 * @returns the number of steps taken; 0 when there is no file
 * @throws CheckpointError when the file is of another run or damaged, PagingError when a `PagedAdamW` finds no room.
 *   Nothing is changed then: all that is in the file is checked before anything is assigned
 */
export function loadCheckpoint(
  path: string,
  model: Module,
  optimizer: Optimizer<{ lr: number }>,
  losses: number[],
  state?: Stateful,
  evaluations?: Evaluations,
  options: CheckpointOptions = {},
): number {
  if (!exists(path)) return 0;
  const { tensors, metadata } = loadSafetensors(path);
  const generators = generatorsOf(model);
  const progress = parseProgress(path, metadata.get("progress"), generators.length);
  const parts = partsOf(path, tensors);
  const optimizerState = {
    kind: progress.optimizer,
    steps: progress.optimizerSteps,
    arrays: parts[OPTIMIZER],
  };
  const saved = parts[MODEL];
  if (options.trainedOnly) checkTrained(path, savedState(model, options), saved);
  else model.checkStateDict(saved);
  optimizer.checkState(optimizerState);
  const evaluated = progress.evaluations ?? { evaluations: [], stopped: false };
  const best = { weights: parts[BEST], state: parts[BEST_STATE] };
  evaluations?.check(path, evaluated, best);
  const before = state && copied(state.stateDict(), "optimizer");
  if (parts[STATE].size > 0 && !state) {
    const [first] = parts[STATE].keys();
    throw new CheckpointError(
      `${path}: it holds a state in addition to model and optimizer (${first}, …); expected the option state, as when it was saved`,
    );
  }
  if (parts[STATE].size === 0 && before && before.size > 0)
    throw new CheckpointError(`${path}: expected the values of state; got a file that was saved without it`);

  try {
    if (best.state.size > 0) state?.loadStateDict(best.state); // refuses what it could not take at the end of the run
    state?.loadStateDict(parts[STATE]);
    optimizer.loadStateDict(optimizerState);
  } catch (error) {
    if (before) state?.loadStateDict(before);
    throw error;
  }
  if (options.trainedOnly) {
    for (const [name, parameter] of model.namedParameters()) {
      const value = saved.get(name);
      if (value) parameter.assign(value);
    }
  } else model.loadStateDict(saved);
  generators.forEach((generator, i) => {
    generator.restore(progress.generators[i]);
  });
  for (const loss of progress.losses) losses.push(loss);
  evaluations?.load(evaluated, best);
  return progress.losses.length;
}

/** @throws CheckpointError unless the file holds the trained parameters, in their shapes, and no others */
function checkTrained(path: string, expected: StateDict, saved: StateDict): void {
  const problems = describeMismatch(findMismatch(expected, saved), 8);
  if (problems.length > 0)
    throw new CheckpointError(
      `${path}: expected the parameters that train, and no others; ${problems.join("; ")}`,
    );
}

/** Every generator in a field of the model, once. */
function generatorsOf(model: Module): Random[] {
  const found = new Set<Random>();
  for (const [, module] of model.namedModules()) {
    for (const { value } of places(module)) if (value instanceof Random) found.add(value);
  }
  return [...found];
}

const entry = (name: string, { shape, data }: NDArray) =>
  [name, tensorBytes(data instanceof Float64Array ? "F64" : "F32", shape, data)] as const;

/** The file's arrays by what they belong to. @throws CheckpointError on a name with none of the prefixes, or a type that would be rounded */
function partsOf(path: string, tensors: ReadonlyMap<string, SafeTensor>) {
  const prefixes = [MODEL, OPTIMIZER, STATE, BEST, BEST_STATE] as const;
  const parts = Object.fromEntries(prefixes.map((prefix) => [prefix, new Map()])) as Record<
    (typeof prefixes)[number],
    StateDict
  >;
  const exact = currentPrecision() === "float64" ? ["F64", "F32"] : ["F32"];
  for (const [name, tensor] of tensors) {
    const fail = (problem: string): never => {
      throw new CheckpointError(`${path}: ${name}: ${problem}`);
    };
    const prefix = prefixes.find((one) => name.startsWith(one));
    if (!prefix) return fail(`expected a name that begins with ${prefixes.join(" or ")}`);
    if (!exact.includes(tensor.dtype))
      fail(`expected ${exact.join(" or ")} in a run in ${currentPrecision()}; got ${tensor.dtype}`);
    parts[prefix].set(name.slice(prefix.length), array(tensor.floats(), tensor.shape));
  }
  return parts;
}

/** The progress in the file's metadata. @throws CheckpointError unless all of it is as `saveCheckpoint` writes it */
function parseProgress(path: string, text: string | undefined, generators: number): Progress {
  if (text === undefined)
    throw new CheckpointError(
      `${path}: expected a checkpoint written by fit; got a file without its progress`,
    );
  const fields = parseJsonObject(`${path}: progress`, text);
  const unknown = Object.keys(fields).find((name) => !progressFields.includes(name));
  if (unknown !== undefined)
    throw new CheckpointError(`${path}: progress: expected ${progressFields.join(", ")}; got ${unknown}`);
  const list = <T>(name: keyof Progress, expected: string, fits: (item: unknown) => item is T): T[] => {
    const items: unknown = fields[name];
    if (!Array.isArray(items)) throw new CheckpointError(`${path}: progress: expected ${name}, a list`);
    if (items.every(fits)) return items;
    const wrong = items.findIndex((item) => !fits(item));
    const got = JSON.stringify(items[wrong]).slice(0, 80);
    throw new CheckpointError(`${path}: progress: ${name}[${wrong}]: expected ${expected}; got ${got}`);
  };
  if (typeof fields.optimizer !== "string")
    throw new CheckpointError(`${path}: progress: expected optimizer, the name of one`);
  const progress = {
    optimizer: fields.optimizer,
    optimizerSteps: list("optimizerSteps", "a non-negative integer", isCount),
    generators: list("generators", "the state of a random generator", isRandomState),
    losses: list("losses", "a finite number", isFiniteNumber),
    evaluations: fields.evaluations === undefined ? undefined : savedEvaluations(path, fields.evaluations),
  };
  if (progress.generators.length === generators) return progress;
  throw new CheckpointError(
    `${path}: expected the states of ${generators} random generators; got ${progress.generators.length}`,
  );
}

const progressFields = ["optimizer", "optimizerSteps", "generators", "losses", "evaluations"];

const isCount = (item: unknown): item is number => Number.isSafeInteger(item) && (item as number) >= 0;

const isFiniteNumber = (item: unknown): item is number => Number.isFinite(item);

function isRandomState(value: unknown): value is RandomState {
  try {
    randomFromState(value as RandomState);
    return Object.keys(value as RandomState).length === 2;
  } catch {
    return false;
  }
}
