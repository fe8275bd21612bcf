/** @file A run: a copy of the base with a method on it, its optimizer, and one step. */
import type { Parameter } from "lowrank/autograd";
import { type Bytes, liveBytes, measureMemory, type NDArray } from "lowrank/core";
import type { AdaLoRA } from "lowrank/lora";
import type { Llama, Module } from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { type Base, copyOf } from "./base.ts";
import { divergenceOf, sentenceOfDivergence } from "./divergence.ts";
import { batchAt, type Domain } from "./domain.ts";
import { addBiases, type Prepared, prepare } from "./methods.ts";
import { places, titleOf } from "./places.ts";
import { Refusal, sentenceOf } from "./refusal.ts";
import type { Controls, Matrix, Stepped } from "./types.ts";
import { type Factors, startsOf } from "./update.ts";

export interface Run extends Prepared {
  readonly id: number;
  readonly controls: Controls;
  readonly model: Llama;
  readonly domain: Domain;
  readonly matrices: readonly Matrix[];
  /** The factors that a run of PiSSA or OLoRA started with: ΔW counts from them. */
  readonly starts: ReadonlyMap<string, Factors>;
  /** Steps taken. */
  step: number;
  /** The losses of the batches so far. */
  readonly losses: number[];
  /** Why no further step is taken; null while the run goes on. */
  stopped: string | null;
  /** What the meter counted in the latest step: peaks without what was there before. */
  stepBytes: Partial<Bytes>;
}

/** A new run. The base is not changed. */
export function openRun(id: number, controls: Controls, base: Base, domain: Domain): Run {
  const model = copyOf(base);
  const { format, blockSize, doubleQuant, method, place } = controls;
  if (method === "bitfit") addBiases(model, place);
  if (format !== "float32") quantizeModel(model, { format, blockSize, doubleQuant });
  const matrices = matricesOf(base.model, controls);
  const prepared = prepare(model, base.model, controls);
  return {
    ...prepared,
    id,
    controls,
    model,
    domain,
    matrices,
    starts: startsOf(prepared.adapted, controls),
    step: 0,
    losses: [],
    stopped: null,
    stepBytes: {},
  };
}

function matricesOf(model: Llama, { place }: Controls): Matrix[] {
  const isChosen = (name: string): boolean =>
    (places[place] as readonly string[]).includes(name.split(".").at(-1) as string);
  return [...model.namedModules()].flatMap(([name, module]) => {
    if (!isChosen(name)) return [];
    const { inFeatures, outFeatures } = module as unknown as { inFeatures: number; outFeatures: number };
    return [{ name, title: titleOf(name), out: outFeatures, in: inFeatures }];
  });
}

/**
 * One step. When it fails before the update, for want of memory, the run is as it was before, and can try again.
 * @throws Refusal when the run has ended, or its loss shows that it diverges, which ends it
 */
export function stepRun(run: Run): Stepped {
  if (run.stopped !== null) throw new Refusal(run.stopped);
  const { module, optimizer, controls } = run;
  if (run.step >= controls.steps) throw new Refusal(`The run has taken all of its ${controls.steps} steps.`);
  const began = performance.now();
  optimizer.zeroGrad(); // the last step's gradients were kept to be looked at
  const before = liveBytes();
  module.train();
  try {
    const { result: loss, peak } = measureMemory(() => {
      const value = backward(run);
      run.losses.push(value);
      stopIfDiverged(run);
      update(run);
      return value;
    });
    run.step++;
    run.stepBytes = bytesOfStep(run, before, peak);
    const milliseconds = performance.now() - began;
    return { id: run.id, step: run.step, loss, milliseconds, norms: normsOf(run), budget: budgetOf(run) };
  } finally {
    module.eval();
  }
}

/** The loss of the step's batch, and its gradients. */
function backward({ model, penalty, domain, controls, step }: Run): number {
  const loss = model.loss(batchAt(domain, controls.seed, step));
  (penalty ? loss.add(penalty()) : loss).backward();
  return loss.item();
}

/** An update that fails half way cannot be taken back: it ends the run. */
function update(run: Run): void {
  try {
    run.allocator?.observe();
    run.optimizer.step();
    run.allocator?.allocate(run.step + 1);
  } catch (error) {
    run.stopped = `The run stopped in the middle of step ${run.step + 1}. ${sentenceOf(error)}`;
    throw new Refusal(run.stopped);
  }
}

/** @throws Refusal that stays the run's answer, when it diverges */
export function stopIfDiverged(run: Run, seen = divergenceOf(run.losses, run.model)): void {
  const isDead = run.optimizer.parameters().every(({ gradValue }) => isZero(gradValue));
  const what =
    seen ?? (isDead ? "all of its gradients are zero, so that nothing can be learned any more" : null);
  if (what === null) return;
  run.stopped = sentenceOfDivergence(run.step + 1, what, run.controls);
  throw new Refusal(run.stopped);
}

const isZero = (array: NDArray | null): boolean => array?.data.every((value: number) => value === 0) ?? true;

/** Peaks by category without what other runs, and this one before the step, hold. The memory of
 * gradients and of the optimizer stays from step to step. */
function bytesOfStep(run: Run, before: Bytes, peak: Readonly<Bytes>): Partial<Bytes> {
  const grown = (category: keyof Bytes): number => Math.max(0, peak[category] - before[category]);
  return {
    gradients: (run.stepBytes.gradients ?? 0) + grown("gradients"),
    optimizer: (run.stepBytes.optimizer ?? 0) + grown("optimizer"),
    saved: peak.saved,
    workspace: peak.workspace,
  };
}

/** A and B of each adapted matrix, by the method's own names. */
export function factorsOf(run: Run): { readonly A: Parameter; readonly B: Parameter }[] {
  const parts = run.adapted?.adapter("default").values() ?? [];
  return Array.from(parts, (part) => {
    const own = Object.fromEntries(part.namedParameters());
    if (part.method === "adalora") return { A: own.Q, B: own.P };
    return part.method === "vera" ? { A: own.d, B: own.b } : { A: own.A, B: own.B };
  });
}

function normsOf(run: Run): Stepped["norms"] {
  const factors = factorsOf(run);
  const norm = (arrays: readonly (NDArray | null)[]): number =>
    Math.sqrt(arrays.reduce((sum, one) => sum + squares(one), 0));
  return {
    A: norm(factors.map(({ A }) => A.value)),
    B: norm(factors.map(({ B }) => B.value)),
    gradA: norm(factors.map(({ A }) => A.gradValue)),
    gradB: norm(factors.map(({ B }) => B.gradValue)),
  };
}

function squares(array: NDArray | null): number {
  let sum = 0;
  for (const value of array?.data ?? []) sum += value * value;
  return sum;
}

function budgetOf({ allocator, step }: Run): Stepped["budget"] {
  if (!allocator) return null;
  return { total: allocator.budget(step), ranks: allocator.adapters.map((one: AdaLoRA) => one.activeRank()) };
}

/** Gives the run's memory back at once. */
export function releaseRun({ module, optimizer }: Run): void {
  const states = optimizer.parameters().flatMap((one) => Object.values(optimizer.state(one).arrays));
  for (const { storage } of states) storage.release();
  for (const parameter of optimizer.parameters()) {
    parameter.gradValue?.storage.release();
    parameter.requiresGrad = false;
  }
  releaseModule(module);
}

/** Gives the memory of a module's parameters back. */
export function releaseModule(module: Module): void {
  for (const storage of module.storages()) storage.release();
}
