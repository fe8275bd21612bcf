/** @file What a run leaves in its folder beside the adapter, and prints: its numbers as JSON, losses by step, the picture. */

import type { MemoryReport } from "../../../../../core/index.ts";
import { perplexity } from "../../../../../nn/index.ts";
import { writeAdapter } from "../../../../index.ts";
import { allocation, runMethods } from "../methods.ts";
import { scheduleOf } from "../optimizer.ts";
import type { PreparedRun, TrainingResult } from "../training.ts";
import { cardOf } from "./card.ts";
import { lossCurve } from "./curve.ts";

/** All numbers of a run, as they stand in run.json and are printed with `--json`. */
export type RunReport = ReturnType<typeof reportOf>;

/** The numbers of a run. Losses are cross-entropies in nats per token. */
export function reportOf(run: PreparedRun, result: TrainingResult) {
  const { settings, adapted, data, steps } = run;
  const { before, after, of } = result.beforeAndAfter;
  const { trainable, total, percent } = adapted.trainableParameters();
  const { name: _, active: _a, merged: _m, ...status } = adapted.status()[0];
  return {
    settings,
    data: {
      training: data.train.description,
      validation: data.validation?.description ?? null,
      notes: data.notes,
    },
    steps: { asked: steps, taken: result.losses.length },
    adapter: status,
    parameters: { trainable, total, percent },
    loss: { of, before, after, perplexityBefore: perplexity(before), perplexityAfter: perplexity(after) },
    best: result.best && { step: result.best.step, loss: result.best.value },
    validations: result.validations.map(({ step, value }) => ({ step, loss: value })),
    seconds: result.seconds,
    tokensPerSecond: result.tokensPerSecond,
    memory: memoryOf(result.memory),
    sample: result.sample,
  };
}

/** Bytes at the peak of training. */
const memoryOf = ({ peak, peakTotal, device }: MemoryReport) => ({
  peakBytes: peakTotal,
  deviceBytes: device.peak,
  ofWhich: {
    weights: peak.weights + peak.quantized,
    adapters: peak.adapters,
    gradients: peak.gradients,
    optimizer: peak.optimizer,
    activations: peak.saved,
  },
});

/**
 * The files of a run by name: the adapter in PEFT's format, its card, and the run's numbers.
 * @param base the model that the adapter is for
 */
export function filesOf(
  run: PreparedRun,
  result: TrainingResult,
  report: RunReport,
  base: string,
): Map<string, Uint8Array | string> {
  const { settings, adapted } = run;
  const { config, weights } = writeAdapter(adapted, { fields: peftFields(run, base) });
  const title = `${settings.method} of rank ${settings.rank} on ${nameOf(settings.base)}`;
  return new Map<string, Uint8Array | string>([
    ["adapter_config.json", config],
    ["adapter_model.safetensors", weights],
    ["README.md", cardOf(report, { title, base, files: settings.text.concat(settings.data) })],
    ["run.json", `${JSON.stringify(report, null, 2)}\n`],
    ["losses.jsonl", lossLines(run, result)],
    ["losses.svg", lossCurve({ title, training: result.losses, validation: result.validations })],
  ]);
}

/**
 * Writes the adapter to memory, as it is before training.
 * @throws LowrankError when PEFT's format cannot hold it
 */
export const checkWritable = (run: PreparedRun): void =>
  void writeAdapter(run.adapted, { fields: peftFields(run, run.settings.base) });

/** The last part of a path. */
const nameOf = (path: string): string =>
  path
    .replace(/[/\\]+$/, "")
    .split(/[/\\]/)
    .at(-1) as string;

/** The fields of adapter_config.json that do not follow from the adapter. */
function peftFields({ settings, adapted, steps }: PreparedRun, base: string): Record<string, unknown> {
  const fields = { base_model_name_or_path: base, task_type: "CAUSAL_LM" };
  if (runMethods[settings.method].method !== "adalora") return fields;
  const layers = adapted.adapter("default").size;
  const { target, totalSteps, warmup, final, interval = 1, betas } = allocation(settings, steps, layers);
  return {
    ...fields,
    target_r: Math.max(1, Math.round(target / layers)),
    total_step: totalSteps,
    tinit: warmup,
    tfinal: final,
    deltaT: interval,
    ...(betas && { beta1: betas[0], beta2: betas[1] }),
    orth_reg_weight: settings.orthogonality ?? 0.5,
  };
}

/** One line for each step, with its rate, and one for each validation. */
function lossLines({ settings, steps }: PreparedRun, { losses, validations }: TrainingResult): string {
  const schedule = scheduleOf(settings, steps);
  const held = new Map(validations.map(({ step, value }) => [step, value]));
  const lines = losses.flatMap((loss, i) => {
    const step = i + 1;
    const value = held.get(step);
    const line = { step, loss, rate: settings.lr * schedule(i) };
    return value === undefined ? [line] : [line, { step, validation: value, perplexity: perplexity(value) }];
  });
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
