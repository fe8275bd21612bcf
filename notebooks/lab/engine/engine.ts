/** @file The engine: holds the base and the runs, and answers the page. The same in a worker of the page and in Node. */
import {
  currentDevice,
  type LoadGpuOptions,
  loadGpu,
  serializeSafetensors,
  setDevice,
  tensorBytes,
} from "lowrank/core";
import { writeAdapter } from "lowrank/lora";
import type { Llama } from "lowrank/nn";
import { type Base, loadBase } from "./base.ts";
import { measuredBytes, predictedBytes } from "./bytes.ts";
import { checkControls } from "./controls.ts";
import { countOn } from "./counts.ts";
import { type Domain, domainOf, heldOutLoss, prompts } from "./domain.ts";
import { lookAt } from "./look.ts";
import { type MergeState, mergeRun, unmergeRun } from "./merge.ts";
import { answered, Refusal, sentenceOf } from "./refusal.ts";
import { openRun, type Run, releaseRun, stepRun, stopIfDiverged } from "./run.ts";
import { type Controls, type Engine, MEASURE_EVERY, type Measured, MOST_RUNS, type Opened } from "./types.ts";
import { spectraOf } from "./update.ts";
import { continuation } from "./write.ts";

/** What the engine holds once it has started. */
interface Started {
  readonly base: Base;
  readonly domains: ReadonlyMap<string, Domain>;
}

/**
 * An engine without a base: `start` gives it one.
 *
 * @param gpu how a page loads gpu.js
 */
export function createEngine(gpu: LoadGpuOptions = {}): Engine {
  let started: Started | null = null;
  let last = 0;
  const runs = new Map<number, Run>(); // in the order in which they were opened
  const merges = new Map<number, MergeState>();

  const ready = (): Started => {
    if (!started) throw new Refusal("The engine has no model yet: expected start() before this.");
    return started;
  };
  const runOf = (id: number): Run => {
    const run = runs.get(id);
    if (run) return run;
    throw new Refusal(
      id >= 1 && id <= last
        ? `Run ${id} has given its model back, since ${MOST_RUNS} runs keep theirs; its numbers stay. Open it again to go on.`
        : `There is no run ${id}.`,
    );
  };
  const drop = (id: number): void => {
    const run = runs.get(id);
    if (!run) return;
    if (merges.has(id)) run.adapted?.unmerge();
    runs.delete(id);
    merges.delete(id);
    releaseRun(run);
  };
  const measure = (run: Run): Measured => {
    const { base, domains } = ready();
    const learned = heldOutLoss(run.model, run.domain);
    if (!Number.isFinite(learned)) stopIfDiverged(run, "its held-out loss is no number any more");
    return {
      id: run.id,
      step: run.step,
      learned,
      own: heldOutLoss(run.model, domains.get("base") as Domain),
      spectra: spectraOf(run, base.model),
      writes: continuation(run.model, base.tokenizer, prompts[run.controls.target]),
      bytes: { measured: measuredBytes(run), predicted: predictedBytes(run, base.model) },
    };
  };

  /** What the page is told of a new run. A run that cannot be measured gives its memory back. */
  const openedOf = (run: Run): Opened => {
    const { base } = ready();
    const { controls, matrices } = run;
    const { symbols, filled } = countOn(base.model.config, controls);
    try {
      return {
        id: run.id,
        controls,
        device: currentDevice().adapter,
        trainable: run.optimizer.parameters().reduce((sum, { size }) => sum + size, 0),
        total: base.model.parameters().reduce((sum, { size }) => sum + size, 0),
        formula: `${symbols}: ${filled}`,
        prompt: prompts[controls.target],
        matrices,
        before: measure(run),
      };
    } catch (error) {
      releaseRun(run);
      throw error;
    }
  };
  /** The measurement after a step; null where it gets no memory: the step has been taken all the same. */
  const measureStep = (run: Run): Measured | null => {
    try {
      return measure(run);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      return null;
    }
  };

  return {
    async start(files, texts, device) {
      try {
        if (device.startsWith("gpu")) await loadGpu(gpu);
        setDevice(device);
        const base = loadBase(files);
        const domains = new Map(
          Object.entries(texts).map(([name, text]) => [name, domainOf(base.tokenizer, text)]),
        );
        if (!domains.has("base"))
          throw new Refusal('Texts: expected one named "base", of the base\'s own kind.');
        for (const id of [...runs.keys()]) drop(id);
        started = { base, domains };
        continuation(base.model, base.tokenizer, prompts.speeches); // compiles now what the first run would wait for
        const { adapter, kernels: _ } = currentDevice();
        return {
          device: adapter,
          threads: Number(/(\d+) threads?/.exec(adapter)?.[1] ?? 1),
          parameters: base.model.parameters().reduce((sum, { size }) => sum + size, 0),
          losses: Object.fromEntries(
            Array.from(domains, ([name, domain]) => [name, heldOutLoss(base.model, domain)]),
          ),
        };
      } catch (error) {
        return { refused: sentenceOf(error) };
      }
    },

    async open(controls: Controls, replaced: readonly number[] = []) {
      return answered(() => {
        const { base, domains } = ready();
        checkControls(controls);
        const { target, text } = controls;
        const domain = target === "own" ? domainOf(base.tokenizer, text) : domains.get(target);
        if (!domain) throw new Refusal(`Text: expected one that the engine was started with; got ${target}.`);
        const run = openRun(last + 1, controls, base, domain);
        const opened = openedOf(run);
        last++;
        for (const id of replaced) drop(id);
        for (const id of [...runs.keys()].slice(0, Math.max(0, runs.size + 1 - MOST_RUNS))) drop(id);
        runs.set(run.id, run);
        return { ...opened, alive: [...runs.keys()] };
      });
    },

    async step(id) {
      const answer = answered(() => {
        const run = runOf(id);
        if (merges.has(id))
          throw new Refusal("Step: the run is merged, and its adapters train only apart; unmerge first.");
        const stepped = stepRun(run);
        const isDue = run.step % MEASURE_EVERY === 0 || run.step === 1 || run.step === run.controls.steps;
        return { stepped, measured: isDue ? measureStep(run) : null };
      });
      return "refused" in answer ? { ...answer, canRetry: runs.get(id)?.stopped === null } : answer;
    },

    async look(id, matrix) {
      return answered(() => {
        if (merges.has(id)) throw new Refusal("Matrices: unmerge first, to see them apart.");
        return lookAt(runOf(id), ready().base.model, matrix);
      });
    },

    async merge(id) {
      return answered(() => {
        const run = runOf(id);
        const state = merges.get(id) ?? mergeRun(run);
        merges.set(id, state);
        return state.result;
      });
    },

    async unmerge(id) {
      return answered(() => {
        const state = merges.get(id);
        const run = runOf(id);
        if (!state) throw new Refusal("Unmerge: the run is not merged.");
        const result = unmergeRun(run, state);
        merges.delete(id);
        return result;
      });
    },

    async write(id, prompt) {
      return answered(() => {
        const { base } = ready();
        const write = (model: Llama): string => continuation(model, base.tokenizer, prompt);
        return { base: write(base.model), adapted: write(runOf(id).model) };
      });
    },

    async adapter(id) {
      return answered(() => {
        const run = runOf(id);
        if (merges.has(id)) throw new Refusal("Adapter: the run is merged; unmerge first.");
        if (!run.adapted || run.controls.method === "loftq")
          return { safetensors: trainedTensors(run), config: `${JSON.stringify(run.controls, null, 2)}\n` };
        const { weights, config } = writeAdapter(run.adapted);
        return { safetensors: weights, config };
      });
    },

    async close(id) {
      drop(id);
    },
  };
}

/** The trained parameters by their names in the model: of methods without adapters, and of LoftQ, whose base PEFT cannot make again. */
function trainedTensors({ module }: Run): Uint8Array {
  const trained = [...module.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
  return serializeSafetensors(
    trained.map(([name, { shape, value }]) => [name, tensorBytes("F32", shape, value.data)] as const),
  );
}
