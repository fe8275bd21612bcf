/**
 * @file mergeCheckpoint: adapters merged into a checkpoint on the disk, tensor by tensor and in pieces, into a new one.
 *
 *     W' = round(W + Σ w_i ΔW_i)        per adapted layer; see slices.ts and rounding.ts
 *
 * The base is never loaded: a model whose weights stay in their files (`openPretrained`) gets the adapters by `readAdapter`,
 * with all its checks, and the merged weights are those of `AdaptedLayer.mergedWeight`. So they are, bit for bit, what
 * loadAdapter, toPlain and savePretrained give; in a few megabytes and the size of the adapters.
 */

import {
  AdapterError,
  ArgumentError,
  CheckpointError,
  checkOptions,
  type Dtype,
  exists,
  itemBytes,
} from "../../../core/index.ts";
import {
  type CheckpointProgress,
  checkApart,
  type NewTensor,
  type OpenModel,
  openPretrained,
  type PretrainedModel,
  type WrittenCheckpoint,
  withoutInit,
  writeCheckpoint,
} from "../../../nn/index.ts";
import type { AdaptedModel } from "../../model/adapted-model.ts";
import { checkBiases } from "../../model/checks.ts";
import type { MethodDefinition } from "../../model/method.ts";
import { loadAdapter } from "../index.ts";
import { openAdapter } from "../open.ts";
import { type Change, changesOf, formatOf, shapeOf } from "./changes.ts";
import { configText, tokenizerOf, vocabularyOf } from "./config.ts";
import { CostSums, type FloatDtype, isFloatDtype, type MergeCost, rounded } from "./rounding.ts";
import type { AdapterWeights } from "./slices.ts";
import { newTensors, partsOf } from "./tensors.ts";

/** An adapter's folder, and the factor of its ΔW. */
export interface AdapterSource {
  readonly folder: string;
  /** @default 1 */
  readonly weight?: number;
}

/** What `mergeCheckpoint` merges, and into what. */
export interface MergeOptions {
  /** The folder of the base: config.json, and model.safetensors or shards. */
  readonly base: string;
  /** The folders of the adapters. */
  readonly adapters: readonly AdapterSource[];
  /** The folder of the new checkpoint. */
  readonly out: string;
  /**
   * The format of all tensors of floats.
   * @default each keeps the base's
   */
  readonly dtype?: "F32" | "F16" | "BF16";
  /**
   * Most bytes of values in a file of weights.
   * @default the files of the base
   */
  readonly maxShardSize?: number;
  /**
   * Whether `out` may hold files already. Those that the new checkpoint has are replaced, other weights are removed.
   * @default false
   */
  readonly overwrite?: boolean;
  /**
   * Elements of a weight that are merged at a time.
   * @default 2^21
   */
  readonly step?: number;
  /** Methods of your own that the adapters' files may name. */
  readonly methods?: readonly MethodDefinition[];
  /** Called between pieces. */
  readonly onProgress?: (progress: CheckpointProgress) => void;
}

/** What merging did to one tensor. */
export interface MergedTensor extends MergeCost {
  /** The parameter's name in the model. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** What `mergeCheckpoint` did. */
export interface MergeReport extends WrittenCheckpoint {
  /** The tensors that the adapters changed. */
  readonly changed: readonly MergedTensor[];
  /** The cost over all of them. */
  readonly total: MergeCost;
  /** True when the head was tied to the table of tokens, and the adapters made two matrices of them. */
  readonly untied: boolean;
  /** The number of tokens, where the adapters changed it. */
  readonly vocabulary: { readonly before: number; readonly after: number } | null;
}

const optionNames = [
  "base",
  "adapters",
  "out",
  "dtype",
  "maxShardSize",
  "overwrite",
  "step",
  "methods",
  "onProgress",
];

/**
 * Merges adapters into the checkpoint in a folder and writes the result to another, without loading the model. All other
 * files of the base (configuration, tokenizer) are copied; tensors that no adapter changes are copied byte for byte. When
 * adapters bring a vocabulary of another size, the tokenizer beside the last of them stands in place of the base's.
 *
 * @example
 * const { total } = mergeCheckpoint({ base: "llama", adapters: [{ folder: "my-adapter" }], out: "llama-mine" });
 * total.lost; // 0.12: in bfloat16, 12 % of ΔW are lost to rounding
 * @throws CheckpointError when a folder is malformed, an adapter is not for this base, `out` holds files or is one of the
 *   others, a merged value is not finite, or the disk is full; AdapterError when adapters do not go together; ArgumentError
 *   on an option. The folders are then as before
 */
export function mergeCheckpoint(options: MergeOptions): MergeReport {
  const steps = mergeSteps(options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    options.onProgress?.(value);
  }
}

/**
 * The same in steps: between two pieces it yields how far it is, so that a program can do something else, or end it by
 * `return()`, which leaves nothing behind.
 * @throws as `mergeCheckpoint`
 */
export function* mergeSteps(options: MergeOptions): Generator<CheckpointProgress, MergeReport> {
  const { base, adapters, out, dtype, step = 2 ** 21 } = checkMerge(options);
  const { opened, adapted, weights } = openAll(options);
  checkBiases(adapted.layers, weights.keys());
  const changes = changesOf(opened, adapted, weights);
  const vocabulary = vocabularyOf(opened, adapted.model);
  const sums = new Map<Change, CostSums>();
  const format = (change: Change): FloatDtype => {
    const its = dtype ?? formatOf(change, opened);
    if (isFloatDtype(its)) return its;
    throw new CheckpointError(
      `${change.name} of the base is ${its}, which merged weights are not rounded to; expected a dtype: F32, F16 or BF16`,
    );
  };
  const tensors = newTensors(
    opened,
    changes,
    (change, name): NewTensor => {
      const [its, shape] = [format(change), shapeOf(change)];
      const sum = name === change.names[0] ? new CostSums() : null; // the same matrix may be there under two names
      if (sum) sums.set(change, sum);
      return {
        name,
        dtype: its,
        shape,
        *pieces() {
          for (const part of partsOf(change, weights, step)) {
            const bytes = rounded(name, its, part, sum ?? new CostSums());
            yield [bytes, part.from * itemBytes[its]];
          }
        },
      };
    },
    dtype,
  );
  const written = yield* writeCheckpoint(
    out,
    {
      base,
      opened,
      tensors,
      config: configText(opened, adapted.model, changes, vocabulary, dtype),
      others: vocabulary ? tokenizerOf(adapters) : new Map(),
    },
    options,
  );
  const total = new CostSums();
  for (const sum of sums.values()) total.plus(sum);
  return {
    ...written,
    changed: Array.from(sums, ([change, sum]) => ({
      name: change.name,
      shape: shapeOf(change),
      dtype: format(change),
      ...sum.cost,
    })),
    total: total.cost,
    untied: changes.isUntied,
    vocabulary,
  };
}

function checkMerge(options: MergeOptions): MergeOptions {
  checkOptions("mergeCheckpoint", options, optionNames, { adapter: "adapters", torch_dtype: "dtype" });
  const { base, adapters, out, dtype, step = 1, maxShardSize = 1 } = options;
  if (!Array.isArray(adapters) || adapters.length === 0)
    throw new ArgumentError("mergeCheckpoint", "adapters to be a list of folders", { adapters });
  const odd = adapters.find(({ weight = 1 }) => !Number.isFinite(weight));
  if (odd)
    throw new ArgumentError("mergeCheckpoint", `a finite weight of ${odd.folder}`, { weight: odd.weight });
  if (dtype !== undefined && !["F32", "F16", "BF16"].includes(dtype))
    throw new ArgumentError("mergeCheckpoint", "dtype to be one of F32, F16, BF16", { dtype });
  for (const [name, value] of Object.entries({ step, maxShardSize }))
    if (!(value > 0))
      throw new ArgumentError("mergeCheckpoint", `${name} a positive number`, { [name]: value });
  const folders = adapters.map(({ folder }, i) => [
    adapters.length > 1 ? `adapter ${i + 1}` : "the adapter",
    folder,
  ]);
  checkApart("mergeCheckpoint", out, { "the base": base, ...Object.fromEntries(folders) });
  return options;
}

/** The base without its weights in memory, and the adapters on it. */
function openAll({ base, adapters, methods }: MergeOptions): {
  readonly opened: OpenModel;
  readonly adapted: AdaptedModel<PretrainedModel>;
  readonly weights: AdapterWeights;
} {
  const opened = openPretrained(base, labelsFor(base, adapters));
  let adapted: AdaptedModel<PretrainedModel> | undefined;
  const weights = new Map<string, number>();
  for (const [i, { folder, weight = 1 }] of adapters.entries()) {
    const name = `adapter-${i + 1}`;
    const on: PretrainedModel | AdaptedModel<PretrainedModel> = adapted ?? opened.model;
    adapted = withoutInit(() =>
      loadAdapter<PretrainedModel>(on, folder, { name, ...(methods && { methods }) }),
    );
    weights.set(name, weight);
    const own = adapted.ownParameters(name)[0];
    if (own && weight !== 1)
      throw new AdapterError(
        `${folder} brings its own ${own.name}, which has no part of ${weight}; expected the weight 1`,
      );
  }
  const all = adapted as AdaptedModel<PretrainedModel>;
  checkOwn(all, adapters);
  return { opened, adapted: all, weights };
}

/** @throws AdapterError when two adapters bring their own copy of one parameter */
function checkOwn(adapted: AdaptedModel, adapters: readonly AdapterSource[]): void {
  const owners = new Map<string, string>();
  for (const [i, { folder }] of adapters.entries()) {
    for (const { name } of adapted.ownParameters(`adapter-${i + 1}`)) {
      const other = owners.get(name);
      if (other !== undefined)
        throw new AdapterError(`${other} and ${folder} both bring their own ${name}; expected one of them`);
      owners.set(name, folder);
    }
  }
}

/** The number of labels, where an adapter brings the classifier that the base has not. */
function labelsFor(base: string, adapters: readonly AdapterSource[]): { numLabels?: number } {
  if (!adapters.every(({ folder }) => exists(folder))) return {};
  for (const { folder } of adapters) {
    const { others } = openAdapter(folder);
    const head = others.get("classifier.out_proj.weight") ?? others.get("classifier.weight");
    if (head && head.shape.length === 2) {
      const { fields } = openPretrained(base);
      if (/^(bert|roberta)$/.test(String(fields.model_type))) return { numLabels: head.shape[0] };
    }
  }
  return {};
}
