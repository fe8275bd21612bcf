/** @file `lowrank handoff`: a folder in which a run continues in PEFT, with accelerate and FSDP, on more than one machine. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  exists,
  isJsonObject,
  type JsonObject,
  LowrankError,
  parseJsonObject,
  readFile,
} from "../../../core/index.ts";
import { type GPT2, type Llama, loadPretrained, loadTokenizer } from "../../../nn/index.ts";
import { type AdaptedModel, loadAdapter } from "../../index.ts";
import { defineCommand } from "../command.ts";
import { toggle } from "../flags.ts";
import { checkEmpty, fillFolder } from "../folder.ts";
import { isRepo, resolveFolder } from "../hub/index.ts";
import { writeExamples } from "./handoff/examples.ts";
import { fsdpConfig, page, requirements } from "./handoff/folder.ts";
import { trainScript } from "./handoff/script.ts";
import { order } from "./run/batches.ts";
import { loadData } from "./run/data.ts";
import { meanLoss } from "./run/loss.ts";
import { ratioOf } from "./run/methods.ts";
import type { Example } from "./run/records.ts";
import { type RunSettings, runOptions, runSettings } from "./run/settings.ts";
import { exampleSource, type Source } from "./run/source.ts";
import { paddingOf, stepsOf } from "./run/training.ts";

/** The options of a run that may be others than they were. */
const changeable = pick(runOptions, [
  ...(["base", "text", "data", "lossOn", "length", "validation", "steps", "epochs"] as const),
  ...(["batchSize", "accumulate", "lr", "schedule", "warmup", "seed", "weightDecay", "maxGradNorm"] as const),
]);

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;
}

/**
 * How far the losses may be apart, relative to the loss: two programs that add the same float32 numbers in other orders
 * differ by some 1e-6; a wrong scale, layer or token by far more.
 */
const BOUND = 1e-4;

export const command = defineCommand({
  arguments: [
    { name: "<adapter>", summary: "the folder of a run of train, or of an adapter in PEFT's format" },
    { name: "<folder>", summary: "the folder to write" },
  ],
  options: { ...changeable, overwrite: toggle("write into a folder that is not empty") },
  examples: [
    "handoff my-adapter cluster",
    "handoff my-adapter cluster --steps 2000 --batch-size 64",
    "handoff adapters/mine cluster --base Qwen/Qwen2-0.5B --text notes.txt",
  ],
  notes:
    "The options are those of train; for the folder of a run they are what the run had, unless they are given. The folder\n" +
    "gets the adapter, its data as token ids, accelerate's configuration for FSDP, train.py (transformers, PEFT), and\n" +
    "requirements.txt. train.py compares the loss of the first step's examples with the one computed here, and then trains.",
  async run({ args: [from, out], options, isGiven }, terminal) {
    checkEmpty("<folder>", out, options.overwrite);
    const names = Object.keys(changeable) as (keyof typeof changeable)[];
    const given = Object.fromEntries(names.filter(isGiven).map((name) => [name, options[name]]));
    const settings = settingsOf(from, given);
    const folder = resolveFolder(settings.base, { who: "--base", env: terminal.io.env });
    if ([from, folder].some((other) => resolve(other) === resolve(out)))
      throw new LowrankError(
        `<folder>: expected another folder than that of the adapter or the base; got ${out}`,
      );
    const handed = await prepare(from, folder, settings, terminal.io.stdin);
    for (const note of [...handed.data.notes, ...handed.notes]) terminal.note(note);
    fillFolder(out, (to) => write(to, from, settings, handed));
    const { loss, bound, examples, steps } = handed;
    terminal.result(
      { folder: out, base: handed.base, loss, bound, examples, steps, notes: handed.notes },
      () => {
        terminal.print(`${out}: ${examples} examples, ${steps} steps; first step's loss ${loss.toFixed(6)}`);
        terminal.print(
          `accelerate launch --config_file fsdp.yaml --num_processes 2 train.py${handed.isLocal ? " BASE" : ""}`,
        );
      },
    );
  },
});

/** The settings of the run in a folder, with those that are given; for an adapter alone train's defaults. */
function settingsOf(from: string, given: JsonObject): RunSettings {
  const config = join(from, "adapter_config.json");
  if (!exists(config))
    throw new LowrankError(
      `${from}: expected the folder of a run or of an adapter; there is no adapter_config.json in it`,
    );
  const path = join(from, "run.json");
  const run = exists(path) ? parseJsonObject(path, readFile(path)).settings : undefined;
  if (run !== undefined && !isJsonObject(run))
    throw new LowrankError(`${path}: expected settings as train writes them`);
  const before: Record<string, unknown> = { ...run };
  if (given.text !== undefined) delete before.data;
  if (given.data !== undefined) delete before.text;
  for (const [name, other] of [
    ["steps", "epochs"],
    ["epochs", "steps"],
  ])
    if (given[name] !== undefined) delete before[other];
  // What only trains here: handed over is the run's adapter, its data and its numbers.
  for (const name of ["evaluateEvery", "patience", "keepBest", "init"]) delete before[name];
  if (run === undefined) {
    const { base_model_name_or_path: base } = parseJsonObject(config, readFile(config));
    if (typeof base === "string" && base !== "") before.base = base;
  }
  const settings = runSettings({ ...before, ...given });
  for (const file of [
    ...settings.text,
    ...settings.data,
    ...settings.validationText,
    ...settings.validationData,
  ])
    if (!exists(file) || file === "-")
      throw new LowrankError(`${from}: its data, ${file}, are not there: name them by --text or --data`);
  return settings;
}

/** What is handed over. */
interface Handed {
  /** How train.py names the base: by the Hub's name, or by its path here. */
  readonly base: string;
  readonly isLocal: boolean;
  readonly method: string;
  readonly data: Awaited<ReturnType<typeof loadData>>;
  readonly padding: number;
  /** Examples of a pass, in the order of the first. */
  readonly example: (i: number) => Example;
  readonly examples: number;
  readonly steps: number;
  /** Places in data.jsonl of the examples of the first step. */
  readonly first: readonly number[];
  readonly loss: number;
  readonly bound: number;
  readonly notes: readonly string[];
}

async function prepare(
  from: string,
  folder: string,
  settings: RunSettings,
  stdin: NodeJS.ReadableStream,
): Promise<Handed> {
  const tokenizer = loadTokenizer(folder);
  const model = loadPretrained(folder);
  if (!("lm_head" in model))
    throw new LowrankError(
      `--base: expected a language model, such as GPT-2 or Llama; ${folder} is ${model.constructor.name}`,
    );
  const freezesA = settings.method === "lora-fa";
  const adapted = loadAdapter(model, from, freezesA ? { method: "lora-fa" } : {}) as AdaptedModel<
    GPT2 | Llama
  >;
  const method = [...adapted.adapter("default").values()][0]?.method;
  if (method === "adalora")
    throw new LowrankError(
      `${from}: an AdaLoRA adapter: PEFT's allocation of ranks does not work on sharded parameters: lowrank convert makes a LoRA adapter of it, which can be handed over`,
    );
  const { contextLength, config } = model;
  const data = await loadData(settings, { tokenizer, contextLength, vocabSize: config.vocab_size, stdin });
  const { batchSize, accumulate, seed, quantize, optimizer } = settings;
  const single = order(data.train, { batchSize: 1, accumulate: 1, seed });
  const example = (i: number): Example => single(i, 0)[0];
  const examples = data.train.size;
  const first = Array.from({ length: Math.min(examples, batchSize * accumulate) }, (_, i) => i);
  const padding = paddingOf(tokenizer);
  const loss = meanLoss(adapted, exampleSource(first.map(example)), { batchSize, padding });
  if (!Number.isFinite(loss))
    throw new LowrankError(`${from}: the loss of the first step's examples is ${loss}`);
  const isLocal = exists(settings.base) || !isRepo(settings.base);
  return {
    base: isLocal ? resolve(folder) : settings.base,
    isLocal,
    method: settings.method === "lora" ? (method ?? "lora") : settings.method,
    data,
    padding,
    example,
    examples,
    steps: stepsOf(settings, data),
    first,
    loss,
    bound: Math.max(BOUND * loss, 1e-6),
    notes: [
      quantize
        ? `The base was held in ${quantize}; there it is dense, and the loss is that of the dense base.`
        : "",
      optimizer === "paged" || optimizer === "8bit"
        ? "The optimizer is AdamW there; FSDP shards its state."
        : "",
      settings.correctGradient ? "The correction of LoRA-FA's gradient is not handed over." : "",
    ].filter(Boolean),
  };
}

function write(to: string, from: string, settings: RunSettings, handed: Handed): void {
  const { lr, weightDecay, batchSize, accumulate, maxGradNorm, warmup, seed, schedule } = settings;
  const { base, isLocal, steps, loss, bound, padding, first } = handed;
  mkdirSync(join(to, "adapter"));
  for (const name of ["adapter_config.json", "adapter_model.safetensors"])
    copyFileSync(join(from, name), join(to, "adapter", name));
  writeExamples(join(to, "data.jsonl"), handed.examples, handed.example);
  const held: Source | null = handed.data.validation;
  if (held) writeExamples(join(to, "validation.jsonl"), held.size, (i) => held.at(i, 0));
  const isLoraPlus = ratioOf(settings) !== 1 || settings.method === "lora+";
  const run = {
    base,
    padding,
    batch_size: batchSize,
    first_step: first,
    first_loss: loss,
    bound,
    arguments: {
      max_steps: steps,
      gradient_accumulation_steps: accumulate,
      learning_rate: lr,
      lr_scheduler_type: schedule === "constant" ? "constant_with_warmup" : schedule,
      warmup_steps: warmup,
      weight_decay: weightDecay,
      max_grad_norm: maxGradNorm,
      seed,
      logging_steps: Math.max(1, Math.round(steps / 100)),
    },
    ...(isLoraPlus && {
      lora_plus: {
        lr,
        loraplus_lr_ratio: ratioOf(settings),
        loraplus_weight_decay: weightDecay,
        loraplus_lr_embedding: settings.loraPlusEmbeddingLr ?? 1e-6,
      },
    }),
  };
  const script = trainScript({
    isLoraPlus,
    freezesA: settings.method === "lora-fa",
    isSgd: settings.optimizer === "sgd",
  });
  const readme = page({
    base,
    isLocal,
    method: handed.method,
    steps,
    batchSize,
    loss,
    bound,
    notes: handed.notes,
  });
  const texts = { "run.json": `${JSON.stringify(run, null, 2)}\n`, "train.py": script, "README.md": readme };
  for (const [name, text] of Object.entries({
    ...texts,
    "fsdp.yaml": fsdpConfig,
    "requirements.txt": requirements,
  }))
    writeFileSync(join(to, name), text);
}
