/**
 * @file RunSettings: the description of a training run, as plain JSON, and the options of `lowrank train` that give it.
 *
 * Whatever starts or continues a run goes by it: `train` gets it from the words that were typed, a sweep from a grid in a
 * file, `--resume` from the run's folder. An option that is left out and has no default of its own is `undefined`: what it
 * is then depends on the data or the model, and is said in the help.
 */

import { LowrankError, nearest } from "../../../../core/index.ts";
import { quantizeOption } from "../../base.ts";
import { choice, type Flag, integer, number, repeated, text, toggle, type Values } from "../../flags.ts";
import { checkSettings } from "./check.ts";
import { methodOption } from "./methods.ts";

const above0 = { min: 0, above: true } as const;

/** The options of a run, in the order of the help. */
export const runOptions = {
  base: text("folder", "the base model: config.json, model.safetensors, tokenizer.json"),

  text: repeated(text("file", "plain text to train on, UTF-8; - is standard input")),
  data: repeated(
    text("file", "examples, one JSON object a line: {prompt, completion}, {messages} or {text}; - as above"),
  ),
  lossOn: choice(
    "what the loss counts of --data: the completion and the assistant's messages, or every token",
    ["completion", "all"],
    { default: "completion" },
  ),
  length: integer("tokens", "tokens of a window of text (128), or most tokens of an example (the context)", {
    min: 2,
  }),
  validation: number(
    "share",
    "share of the text's end, or of the examples, that is held out to validate on",
    {
      ...above0,
      max: 0.9,
    },
  ),
  validationText: repeated(text("file", "text to validate on, in place of a share")),
  validationData: repeated(text("file", "examples to validate on, in place of a share")),

  method: methodOption,
  rank: integer("r", "rank of the update", { min: 1, default: 8 }),
  alpha: number("α", "the update is scaled by α/r (r, so that the factor is 1)"),
  dropout: number("p", "probability of dropout on the adapter's input", { min: 0, max: 0.999, default: 0 }),
  target: repeated(
    text("name", "layers to adapt: ends of names such as q_proj, /expressions/, or all-linear (all-linear)"),
  ),
  exclude: repeated(text("name", "layers that the target means, but that get no adapter")),
  layers: repeated(integer("n", "numbers of the blocks to stay within", { min: 0 })),
  rankPattern: repeated(text("name=r", "another rank for layers with this end of their name")),
  alphaPattern: repeated(text("name=α", "another alpha for layers with this end of their name")),
  bias: choice("biases that are trained, too", ["none", "all", "lora-only"], { default: "none" }),
  modulesToSave: repeated(text("name", "modules of which the adapter trains a full copy, such as a head")),
  init: choice(
    "initial values of A and B (kaiming)",
    ["kaiming", "gaussian", "orthogonal", "pissa", "olora", "loftq"],
    {},
  ),
  normGradient: toggle("dora: gradients pass through the norm, too"),
  correctGradient: toggle("lora-fa: B's gradient is corrected for the frozen A, as by PEFT's optimizer"),
  loraPlusRatio: number("λ", "rate of B over that of A (16 with lora+, else 1)", above0),
  loraPlusEmbeddingLr: number("lr", "lora+: rate of adapted embeddings (1e-6)", { min: 0 }),
  initRank: integer("r", "adalora: rank at the start (1.5 times the rank)", { min: 1 }),
  budget: integer("n", "adalora: singular values of the whole model at the end (the rank times the layers)", {
    min: 1,
  }),
  tinit: integer("steps", "adalora: steps before the budget falls (a tenth of the steps)", { min: 0 }),
  tfinal: integer("steps", "adalora: last steps, with the ranks fixed (three tenths)", { min: 0 }),
  deltaT: integer("steps", "adalora: steps from one pruning to the next (1)", { min: 1 }),
  beta1: number("β₁", "adalora: smoothing of the sensitivity (0.85)", { min: 0, max: 0.9999 }),
  beta2: number("β₂", "adalora: smoothing of the uncertainty (0.85)", { min: 0, max: 0.9999 }),
  orthogonality: number("γ", "adalora: weight of the orthogonality of P and Q in the loss (0.5)", { min: 0 }),

  steps: integer("n", "steps of the optimizer (100)", { min: 1 }),
  epochs: number("n", "passes over the data, in place of steps", above0),
  batchSize: integer("n", "windows or examples in a batch", { min: 1, default: 8 }),
  accumulate: integer("n", "batches whose gradients are added up to a step", { min: 1, default: 1 }),
  optimizer: choice(
    "adamw, paged (its state in pages, those that wait in a file), 8bit (its state in 8 bits), or sgd",
    ["adamw", "paged", "8bit", "sgd"],
    { default: "adamw" },
  ),
  pagedBudget: number("MB", "paged: most megabytes of state in memory (64)", { min: 0.3 }),
  // That of the LoRA paper's GPT-2 runs: η 2e-4 with α/r = 8 is about η 2e-3 with α/r = 1. On a Llama of 260,000 parameters,
  // 60 steps on 10,000 tokens of another kind, the loss on held-out text fell from 5.40 to 4.50 with 5e-4, 4.30 with 1e-3,
  // 4.05 with 2e-3, 3.87 with 4e-3, 3.76 with 8e-3 and 3.70 with 1.6e-2: small models take more, large ones do not.
  lr: number("rate", "learning rate; small models take more, those of billions less, 1e-4 to 5e-4", {
    ...above0,
    default: 0.002,
  }),
  schedule: choice("of the learning rate, after the warm-up", ["constant", "linear", "cosine"], {
    default: "linear",
  }),
  warmup: integer("steps", "steps in which the rate rises from 0", { min: 0, default: 0 }),
  weightDecay: number("λ", "decoupled weight decay", { min: 0, default: 0 }),
  maxGradNorm: number("norm", "gradients are scaled down to this norm; 0 leaves them", {
    min: 0,
    default: 1,
  }),
  evaluateEvery: integer("steps", "steps from one validation to the next (a tenth of the steps)", { min: 1 }),
  patience: integer("n", "ends after n validations in a row that are no better than the best", { min: 1 }),
  keepBest: toggle("keep the adapter of the best validation, in place of the last"),
  seed: integer("n", "seed of the adapter, of dropout and of the order of the data", { min: 0, default: 0 }),

  quantize: quantizeOption,
  checkpointBlocks: toggle(
    "keep each block's input only, and compute the rest again: less memory, more time",
  ),
  prompt: text("text", "what the sample before and after continues (the beginning of the data)"),
  sampleTokens: integer("n", "tokens of the sample; 0 for none", { min: 0, default: 60 }),
} as const;

/** The description of a run: the values of its options. */
export type RunSettings = Omit<Values<typeof runOptions>, "base"> & { readonly base: string };

/** The name of an option of a run. */
export type SettingName = keyof RunSettings;

/**
 * Settings from JSON, such as a cell of a sweep: `{ base: "models/gpt2", text: ["a.txt"], method: "dora", rank: 4 }`. What
 * is left out gets its default.
 * @throws LowrankError when a name is unknown (the nearest is named), a value is none of its option, or the values do not
 *   go together
 */
export function runSettings(fields: Readonly<Record<string, unknown>>): RunSettings {
  const options: Readonly<Record<string, Flag>> = runOptions;
  const unknown = Object.keys(fields).find((name) => !Object.hasOwn(options, name));
  if (unknown !== undefined)
    throw new LowrankError(
      `${unknown}: no option of a run; nearest: ${nearest(unknown, Object.keys(options)).join(", ")}`,
    );
  const settings = Object.fromEntries(
    Object.entries(options).map(([name, flag]) => [name, parsed(name, flag, fields[name])]),
  ) as RunSettings;
  checkSettings(settings);
  return settings;
}

/** The value of an option from JSON. */
function parsed(name: string, flag: Flag, value: unknown): unknown {
  if (value === undefined || value === null) return flag.default;
  if (flag.placeholder === null) {
    if (typeof value === "boolean") return value;
    throw new LowrankError(`${name}: expected true or false; got ${JSON.stringify(value)}`);
  }
  const one = (item: unknown): unknown => {
    if (typeof item === "string" || typeof item === "number") return flag.parse(String(item), name);
    throw new LowrankError(`${name}: expected ${flag.placeholder}; got ${JSON.stringify(item)}`);
  };
  if (!flag.repeated) return one(value);
  return Array.isArray(value) ? value.map(one) : [one(value)];
}
