/** @file runTraining: a run from its description to the trained adapter. It writes no files but its checkpoints. */

import { LowrankError, type MemoryReport, random, watch } from "../../../../core/index.ts";
import {
  checkpointBlocks,
  type Evaluation,
  type FitOptions,
  fitSteps,
  type GPT2,
  type Llama,
  loadTokenizer,
  type PretrainedTokenizer,
} from "../../../../nn/index.ts";
import { quantizeModel } from "../../../../quant/index.ts";
import { type AdaLoRA, type AdaptedModel, BudgetAllocator, inject } from "../../../index.ts";
import { loadModel } from "../../base.ts";
import { collectGarbage } from "../../garbage.ts";
import { resolveFolder } from "../../hub/index.ts";
import type { IO } from "../../terminal/terminal.ts";
import { type Batch, batchOf, order } from "./batches.ts";
import { loadData, type RunData } from "./data.ts";
import { injectLoftq } from "./loftq.ts";
import { lossOf, meanLoss, withOrthogonality } from "./loss.ts";
import { adapterConfig, allocation } from "./methods.ts";
import { closeOptimizer, optimizerOf, scheduleOf } from "./optimizer.ts";
import { type Sample, sampleOf } from "./sample.ts";
import type { RunSettings } from "./settings.ts";
import { countOf } from "./source.ts";

/** A model that a run can train. */
export type Decoder = GPT2 | Llama;

/** A run that is ready to train. */
export interface PreparedRun {
  readonly settings: RunSettings;
  /** The base's folder, also where the Hub's name was given. */
  readonly folder: string;
  readonly tokenizer: PretrainedTokenizer;
  readonly adapted: AdaptedModel<Decoder>;
  readonly data: RunData;
  /** Number of steps of the optimizer. */
  readonly steps: number;
}

/** What a run tells while it trains. */
export interface RunProgress {
  /** Steps done. */
  readonly done: number;
  readonly loss: number;
  /** The validation after this step, if there was one. */
  readonly evaluation: Evaluation | null;
}

/** How a run is carried out. */
export interface RunningOptions {
  /** Where and how often its state is saved, so that it can be continued. @default never */
  readonly checkpoint?: { readonly path: string; readonly every: number };
  /** Called while the losses before and after are computed, and the samples are written. */
  readonly onMeasure?: (when: "before" | "after", done: number, parts: number) => void;
  /** Called after each step. */
  readonly onStep?: (progress: RunProgress) => void;
  /** True: stop after this step. The run can be continued from its last checkpoint. */
  readonly isCancelled?: () => boolean;
}

/** Losses before and after training: cross-entropy per token, of the same examples. */
export interface Losses {
  /** What they are of. */
  readonly of: "validation" | "training";
  readonly before: number;
  readonly after: number;
}

/** What a run gave. */
export interface TrainingResult {
  /** False when it was cancelled: there are no results then. */
  readonly finished: boolean;
  /** Number of steps taken, those before a run was continued included. */
  readonly taken: number;
  /** The loss of each step's batch before its update. With AdaLoRA it contains the orthogonality. */
  readonly losses: readonly number[];
  readonly validations: readonly Evaluation[];
  readonly best: Evaluation | null;
  readonly beforeAndAfter: Losses;
  /** Null where no sample is asked for. */
  readonly sample: Sample | null;
  readonly seconds: number;
  /** Tokens of the batches, padding included, per second of training. */
  readonly tokensPerSecond: number;
  readonly memory: MemoryReport;
}

/** Most examples that a validation is on, spread evenly; and the losses before and after, where nothing is held out. */
const MOST = { validation: 32, training: 16 };

/**
 * Reads the data, loads the base, and puts the adapter on it.
 * @throws LowrankError when anything in it cannot be done
 */
export async function prepareRun(
  settings: RunSettings,
  stdin: NodeJS.ReadableStream,
  env?: IO["env"],
): Promise<PreparedRun> {
  const { base, quantize, seed } = settings;
  const folder = resolveFolder(base, { who: "--base", env });
  const tokenizer = loadTokenizer(folder);
  const model = loadModel(folder, { rng: random(seed).split("base") });
  if (!("lm_head" in model))
    throw new LowrankError(
      `--base: train needs a language model, such as GPT-2 or Llama; ${base} is ${model.constructor.name}, an encoder`,
    );
  const { contextLength } = model;
  const data = await loadData(settings, {
    tokenizer,
    contextLength,
    vocabSize: model.config.vocab_size,
    stdin,
  });
  const isLoftq = settings.init === "loftq" && quantize !== undefined;
  if (quantize && !isLoftq) quantizeModel(model, { format: quantize, doubleQuant: true });
  const config = adapterConfig(settings);
  const adapted = isLoftq ? injectLoftq(model, config, quantize) : inject<Decoder>(model, config);
  if (settings.checkpointBlocks) checkpointBlocks(model);
  return { settings, folder, tokenizer, adapted, data, steps: stepsOf(settings, data) };
}

/** The number of steps that the settings ask for. */
export function stepsOf({ steps, epochs, batchSize, accumulate }: RunSettings, { train }: RunData): number {
  return (
    steps ??
    (epochs === undefined ? 100 : Math.max(1, Math.round((epochs * train.size) / (batchSize * accumulate))))
  );
}

/** Trains the adapter of a run. */
export async function runTraining(run: PreparedRun, options: RunningOptions = {}): Promise<TrainingResult> {
  const { settings, adapted, data, steps } = run;
  const { validation, train } = data;
  const held = validation ?? train;
  const measure = (when: "before" | "after"): [number, Sample | null] => {
    const loss = meanLoss(adapted, held, {
      batchSize: settings.batchSize,
      padding: paddingOf(run.tokenizer),
      most: MOST[validation ? "validation" : "training"],
      onBatch: (done, batches) => options.onMeasure?.(when, done, batches + 1),
    });
    return [loss, sampleOf(run)];
  };
  await collectGarbage(); // of files that were read, and of weights that were quantized
  const [before, sampleBefore] = measure("before");

  const optimizer = optimizerOf(adapted, settings);
  const result = { losses: [] as number[], validations: [] as Evaluation[], best: null as Evaluation | null };
  const stop = watch();
  const began = performance.now();
  let [taken, tokens, finished] = [0, 0, false];
  const count = (batch: Batch): Batch => {
    tokens += batch.ids.data.length;
    return batch;
  };
  const iterator = fitSteps(adapted, {
    ...fitOptions(run, optimizer, count),
    checkpoint: options.checkpoint && { ...options.checkpoint, trainedOnly: true },
  });
  try {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) {
        if (value)
          Object.assign(result, { losses: value.losses, validations: value.evaluations, best: value.best });
        finished = true;
        break;
      }
      const { step, loss, evaluation } = value;
      taken = step + 1;
      options.onStep?.({ done: taken, loss, evaluation });
      if (options.isCancelled?.() && taken < steps) {
        await iterator.return(undefined as never);
        break;
      }
    }
  } finally {
    closeOptimizer(optimizer);
  }
  const seconds = (performance.now() - began) / 1000;
  const memory = stop();
  const [after, sampleAfter] = finished ? measure("after") : [Number.NaN, null];
  return {
    finished,
    taken: finished ? result.losses.length : taken,
    ...result,
    beforeAndAfter: { of: validation ? "validation" : "training", before, after },
    sample: sampleBefore && sampleAfter && { ...sampleBefore, after: sampleAfter.before },
    seconds,
    tokensPerSecond: seconds > 0 ? tokens / seconds : 0,
    memory,
  };
}

/** The options of `fit` that the settings ask for. */
function fitOptions(
  { settings, tokenizer, adapted, data, steps }: PreparedRun,
  optimizer: FitOptions<unknown>["optimizer"],
  count: (batch: Batch) => Batch,
): FitOptions<{ batch: Batch; factor: number }> {
  const { accumulate, maxGradNorm, keepBest, patience, batchSize } = settings;
  const padding = paddingOf(tokenizer);
  const examplesOf = order(data.train, settings);
  const { validation } = data;
  const options: FitOptions<{ batch: Batch; factor: number }> = {
    steps,
    optimizer,
    accumulate,
    schedule: scheduleOf(settings, steps),
    ...(maxGradNorm > 0 && { maxGradNorm }),
    progress: false,
    batch(step, part) {
      const parts = Array.from({ length: accumulate }, (_, i) => examplesOf(step, i));
      const labels = parts.flat().reduce((sum, example) => sum + countOf(example), 0);
      // Each label of the step counts the same, in whichever part it is: fit takes the mean of the parts' losses.
      return { batch: count(batchOf(parts[part], padding)), factor: accumulate / labels };
    },
    loss: ({ batch, factor }) => lossOf(adapted, batch, factor),
    ...(validation && {
      evaluate: {
        every: settings.evaluateEvery ?? Math.max(1, Math.round(steps / 10)),
        run: () => meanLoss(adapted, validation, { batchSize, padding, most: MOST.validation }),
        keepBest,
        ...(patience !== undefined && { patience }),
      },
    }),
  };
  if (settings.method !== "adalora") return options;
  const parts = [...adapted.adapter("default").values()] as AdaLoRA[];
  const allocator = new BudgetAllocator(parts, allocation(settings, steps, parts.length));
  return {
    ...options,
    loss: ({ batch, factor }) =>
      withOrthogonality(lossOf(adapted, batch, factor), parts, settings.orthogonality ?? 0.5),
    beforeStep: () => allocator.observe(),
    afterStep: (step) => void allocator.allocate(step + 1),
    state: allocator,
  };
}

/** The id at places without a token; the model does not see it. */
export const paddingOf = ({ padToken, eosToken }: PretrainedTokenizer): number =>
  (padToken ?? eosToken)?.id ?? 0;
