/** @file `lowrank count`: how many parameters a method trains on a published configuration, or on a config.json. */

import { statSync } from "node:fs";
import { exists, LowrankError, nearest, parseJsonObject, readFile } from "../../../core/index.ts";
import {
  configurations,
  hiddenSize,
  layout,
  type ModelConfig,
  modelConfig,
  parameterCount,
} from "../../../nn/index.ts";
import { type CountMethod, countOptions, countParameters, type RankSpec } from "../../index.ts";
import { megabytes } from "../base.ts";
import { defineCommand } from "../command.ts";
import { choice, integer, repeated, text, toggle } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import { bar } from "../terminal/bars.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { pattern, targetOf } from "../train/run/methods.ts";
import { count } from "./checkpoint-report.ts";
import { countMethods, formulaTexts, kindName, methodsNamed, specFor } from "./count-methods.ts";

export const command = defineCommand({
  arguments: [{ name: "[methods...]", summary: `${countMethods.join(", ")}; or all` }],
  options: {
    config: text("name", "a published configuration (see --list), a config.json, or a model's folder"),
    list: toggle("list the published configurations"),
    rank: integer("r", "rank, or width of an adapter's bottleneck (8)", { min: 1 }),
    target: repeated(
      text("name", "layers to adapt: ends of names, /expressions/, or all-linear (all-linear)"),
    ),
    exclude: repeated(text("name", "layers that the target means, but that get no adapter")),
    layers: repeated(integer("n", "numbers of the blocks to stay within", { min: 0 })),
    rankPattern: repeated(text("name=r", "another rank for layers with this end of their name")),
    bias: choice("biases that are trained, too", ["none", "all", "lora-only"]),
    modulesToSave: repeated(text("name", "modules of which the adapter trains a full copy, such as a head")),
    budget: integer("n", "adalora: singular values of the whole model, in place of a rank", { min: 1 }),
    magnitude: choice("dora: a magnitude for each of a layer's", ["output", "input"]),
    variant: choice("adapter: which one (houlsby)", ["houlsby", "lin", "pfeiffer", "drop"]),
    blocks: integer("n", "last-layers: how many blocks (1)", { min: 1 }),
    prefix: integer("n", "prefix-embedding, prefix-layer: tokens before the prompt (8)", { min: 0 }),
    infix: integer("n", "the same: tokens after the prompt (0)", { min: 0 }),
  },
  examples: [
    "count lora --config gpt3-175b --rank 8 --target attn.c_proj",
    "count all --config llama-2-7b --rank 16",
    "count dora --config models/mine",
    "count --list",
  ],
  notes: `Numbers come from formulas and the configuration: nothing is allocated, and no weights are needed.

Fields of --json: config, base (its parameters), methods [{ method, options, formula, trainable, added, total, percent,
modules [{ name, count, shape, each, trainable }] }]; with one method its fields stand beside these, too. A method that
the model cannot have is { method, problem } where several are counted.`,
  run({ args, options }, terminal) {
    if (options.list) return list(terminal);
    const methods = methodsNamed(args);
    if (methods.length === 0) throw new LowrankError("expected a method, such as lora, or all; or --list");
    if (options.config === undefined)
      throw new LowrankError("--config: expected a name of --list, a config.json or a model's folder");
    const config = readConfig(options.config, terminal);
    const spec = given(options);
    const counts = methods.map((method) => countOf(method, config, spec, methods.length > 1));
    const base = parameterCount(layout(config));
    const single = counts.length === 1 ? counts[0] : {};
    terminal.result({ config: options.config, base, ...single, methods: counts }, () => {
      if (counts.length > 1) showAll(options.config as string, base, counts, terminal);
      else showOne(options.config as string, config, counts[0] as Counted, terminal);
    });
    return undefined;
  },
});

/** The options of countParameters that were typed. */
function given(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const words = (name: string): readonly string[] => options[name] as readonly string[];
  const chosen = (name: string) => (words(name).length > 0 ? targetOf(words(name)) : undefined);
  return {
    rank: options.rank,
    target: chosen("target"),
    exclude: chosen("exclude"),
    modulesToSave: chosen("modulesToSave"),
    layers: words("layers").length > 0 ? options.layers : undefined,
    rankPattern:
      words("rankPattern").length > 0 ? pattern("--rank-pattern", words("rankPattern")) : undefined,
    ...Object.fromEntries(
      ["bias", "budget", "magnitude", "variant", "blocks", "prefix", "infix"].map((name) => [
        name,
        options[name],
      ]),
    ),
  };
}

interface Counted {
  readonly method: CountMethod;
  readonly options: Readonly<Record<string, unknown>>;
  readonly formula: string;
  readonly trainable: number;
  readonly added: number;
  readonly total: number;
  readonly percent: number;
  readonly modules: readonly ModuleKind[];
}

/** The modules of one name in all blocks. */
interface ModuleKind {
  readonly name: string;
  readonly count: number;
  /** [d_out, d_in]; null where it is no matrix. */
  readonly shape: readonly number[] | null;
  /** Parameters of each that are trained; null where they differ. */
  readonly each: number | null;
  readonly trainable: number;
}

type Count = Counted | { readonly method: CountMethod; readonly problem: string };

/** Counts a method. @param lenient true: options of other methods are left out, and a problem is a row */
function countOf(
  method: CountMethod,
  config: ModelConfig,
  spec: Readonly<Record<string, unknown>>,
  lenient: boolean,
): Count {
  const unknown = Object.entries(spec).find(
    ([name, value]) => value !== undefined && !countOptions[method].includes(name),
  );
  if (unknown && !lenient)
    throw new LowrankError(
      `--${unknown[0].replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}: ${method} has no such option; expected only ${countOptions[method].filter((name) => name !== "config").join(", ") || "--config"}`,
    );
  const { config: _, ...options } = specFor(method, spec);
  try {
    const counted = countParameters(method, { ...options, config } as unknown as RankSpec);
    const { trainable, total, base, percent } = counted;
    const shown = { formula: formulaTexts[method], trainable, added: total - base, total, percent };
    return { method, options: readable(options), ...shown, modules: kinds(counted.perModule, config) };
  } catch (error) {
    if (!(error instanceof LowrankError)) throw error;
    if (!lenient) throw new LowrankError(`${method}: ${withoutCaller(error.message)}`, { cause: error });
    return { method, problem: withoutCaller(error.message) };
  }
}

/** A message of countParameters without the names of functions, which are not the user's. */
const withoutCaller = (message: string): string =>
  message.replace(/^(countParameters|bitfit)( \(.*?\))?: /, "");

/** Options as JSON has them: an expression by its source. */
const readable = (options: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(options, (_, value) => (value instanceof RegExp ? String(value) : value)));

/** Modules whose names differ by numbers of blocks alone, together. */
function kinds(
  perModule: readonly { readonly name: string; readonly trainable: number }[],
  config: ModelConfig,
): ModuleKind[] {
  const shapes = new Map(
    layout(config).map(({ name, kind, outFeatures, inFeatures }) => [
      name,
      kind === "norm" || kind === "other" ? null : [outFeatures, inFeatures],
    ]),
  );
  const groups = new Map<string, { name: string; trainable: number }[]>();
  for (const one of perModule) {
    const name = kindName(one.name);
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return Array.from(groups, ([name, ones]) => {
    const trainable = ones.reduce((total, one) => total + one.trainable, 0);
    const each = ones.every((one) => one.trainable === ones[0].trainable) ? ones[0].trainable : null;
    return { name, count: ones.length, shape: shapes.get(ones[0].name) ?? null, each, trainable };
  });
}

/** The configuration of a name, a file or a folder. @throws LowrankError when it is none of them, or malformed */
function readConfig(given: string, { io }: Terminal): ModelConfig {
  if (Object.hasOwn(configurations, given)) return configurations[given as keyof typeof configurations];
  const isFile = exists(given) && statSync(given).isFile();
  if (!isFile && !exists(given) && !given.includes("/")) {
    const near = nearest(given, Object.keys(configurations)).slice(0, 3).join(", ");
    throw new LowrankError(
      `--config: expected a published configuration, a config.json or a folder; got ${given} (nearest: ${near}; --list shows all)`,
    );
  }
  const path = isFile ? given : `${resolveFolder(given, { who: "--config", env: io.env })}/config.json`;
  if (!exists(path)) throw new LowrankError(`--config: there is no file ${path}`);
  const fields = parseJsonObject(path, readFile(path));
  const labels = fields.num_labels ?? (fields.id2label ? Object.keys(fields.id2label as object).length : 0);
  const classifies = String(fields.architectures ?? "").includes("SequenceClassification");
  try {
    return modelConfig({ ...fields, num_labels: classifies ? labels : 0 } as Readonly<
      Record<string, unknown>
    >);
  } catch (error) {
    if (!(error instanceof LowrankError)) throw error;
    throw new LowrankError(`${path}: ${error.message.replace(/^modelConfig: /, "")}`, { cause: error });
  }
}

const share = (percent: number): string =>
  `${percent >= 0.01 || percent === 0 ? percent.toFixed(percent < 1 ? 3 : 2) : percent.toPrecision(2)} %`;

const right = (title: string) => ({ title, align: "right" }) as const;

function showOne(name: string, config: ModelConfig, counted: Counted, terminal: Terminal): void {
  const { method, options, formula, trainable, added, total, percent, modules } = counted;
  const most = Math.max(1, ...modules.map((one) => one.trainable));
  const space = Math.max(4, Math.min(20, terminal.columns - 76));
  terminal.table(
    ["module", "count", "d_out × d_in", right("each"), right("trained"), ""],
    modules.map((one) => [
      one.name,
      one.count,
      one.shape ? one.shape.map(count).join(" × ") : "–",
      one.each === null ? "–" : count(one.each),
      count(one.trainable),
      terminal.colors.cyan(bar(one.trainable / most, space)),
    ]),
  );
  const settings = Object.entries(options).map(
    ([option, value]) => `${option} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  terminal.print(
    `\n${[method, ...settings].join(", ")} on ${name} (${config.model_type}, width ${count(hiddenSize(config))})`,
  );
  terminal.print(`each: ${formula}`);
  terminal.print(`trained: ${count(trainable)} of ${count(total)} parameters, ${share(percent)}`);
  if (added !== trainable && added > 0) terminal.print(`added to the base: ${count(added)}`);
  if (added > 0) terminal.print(`as an adapter in F32: ${megabytes(4 * added)}`);
}

function showAll(name: string, base: number, counts: readonly Count[], terminal: Terminal): void {
  const sorted = [...counts].sort((a, b) => trainedBy(b) - trainedBy(a));
  terminal.table(
    ["method", right("trained"), right("share"), right("added"), "formula, or why not"],
    sorted.map((one) =>
      "problem" in one
        ? [one.method, "–", "–", "–", one.problem]
        : [one.method, count(one.trainable), share(one.percent), count(one.added), one.formula],
    ),
  );
  terminal.print(`\n${name}: ${count(base)} parameters`);
}

const trainedBy = (one: Count): number => ("problem" in one ? -1 : one.trainable);

function list(terminal: Terminal): void {
  const rows = Object.entries(configurations).map(([name, config]) => ({
    name,
    modelType: config.model_type,
    width: hiddenSize(config),
    parameters: parameterCount(layout(config)),
  }));
  terminal.result({ configurations: rows }, () =>
    terminal.table(
      ["configuration", "model_type", "width", "parameters"],
      rows.map(({ name, modelType, width, parameters }) => [name, modelType, width, parameters]),
    ),
  );
}
