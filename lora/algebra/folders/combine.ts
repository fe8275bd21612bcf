/**
 * @file combineAdapters and convertAdapter: from adapters' folders to a folder with one LoRA adapter.
 *
 *     linear     Σ w_i ΔW_i, in as few ranks as it has                            exact
 *     cat        B = [w_1 B_1 … w_n B_n], A = [A_1; …; A_n], rank Σ r_i           exact
 *     svd        the best approximation with a given rank or energy
 *
 * The rules are `compose`'s, on ΔW and never on A and B apart. The base is needed only where ΔW depends on it.
 */

import {
  AdapterError,
  ArgumentError,
  array,
  binary,
  checkOptions,
  concat,
  frobeniusNorm,
} from "../../../core/index.ts";
import { checkApart, loadPretrained, type PretrainedModel } from "../../../nn/index.ts";
import type { AdaptedModel } from "../../model/adapted-model.ts";
import { loadAdapter, writeAdapter } from "../../peft/index.ts";
import { type OpenLayer, openAdapter } from "../../peft/open.ts";
import { compose } from "../compose.ts";
import type { ComposeOptions } from "../compose-options.ts";
import { convert } from "../convert.ts";
import { truncate } from "../new-adapter.ts";
import { checkTruncation, type Factors, spectrumOfProduct, type Truncation } from "../spectrum.ts";
import { checkSameShape, type FactoredAdapter, factorsOf, inDouble, openFactored } from "./updates.ts";
import { type NewLayer, writeBytes, writeFolder } from "./write.ts";

/** Where the new adapter goes, and in which form. */
interface Target extends Truncation {
  /** The folder of the new adapter. */
  readonly out: string;
  /** The folder of the base; needed for DoRA, PiSSA, OLoRA and methods of one's own, whose ΔW depend on it. */
  readonly base?: string;
  /**
   * The format of the new factors.
   * @default "F32"
   */
  readonly dtype?: "F32" | "F16" | "BF16";
  /**
   * Whether `out` may hold files already.
   * @default false
   */
  readonly overwrite?: boolean;
}

/** What `combineAdapters` combines. */
export interface CombineOptions extends Target {
  readonly adapters: readonly { readonly folder: string; readonly weight?: number }[];
  /**
   * The rule.
   * @default "svd" with a rank or an energy, else "linear"
   */
  readonly by?: "linear" | "cat" | "svd";
}

/** What `convertAdapter` converts. */
export interface ConvertOptions extends Target {
  readonly adapter: string;
}

/** The new adapter on one layer. */
export interface ConvertedLayer {
  readonly layer: string;
  readonly rank: number;
  /** The part of ‖ΔW‖² that the new factors hold: 1 when they are exact. */
  readonly kept: number;
}

/** What was written. */
export interface ConvertReport {
  readonly layers: readonly ConvertedLayer[];
  /** The part of Σ ‖ΔW‖² that the new adapter holds; null when the base was needed, and the norms are not known. */
  readonly kept: number | null;
  /** The largest rank. */
  readonly rank: number;
}

const common = ["out", "base", "dtype", "overwrite", "rank", "energy"];

/**
 * Combines adapters into one LoRA adapter, in a new folder.
 *
 * @example
 * combineAdapters({ adapters: [{ folder: "style", weight: 0.5 }, { folder: "facts" }], out: "both", rank: 8 });
 * @throws CheckpointError when a folder is malformed, needs the base, or is of another base; AdapterError when an adapter
 *   brings copies of the base's parameters, or an option does not fit. Nothing is written then
 */
export function combineAdapters(options: CombineOptions): ConvertReport {
  checkOptions("combineAdapters", options, [...common, "adapters", "by"], {
    combination_type: "by",
    weights: "adapters",
  });
  const { adapters, base, out, rank, energy } = options;
  const truncates = rank !== undefined || energy !== undefined;
  const { by = truncates ? "svd" : "linear" } = options;
  if (!Array.isArray(adapters) || adapters.length === 0)
    throw new ArgumentError("combineAdapters", "adapters to be a list of folders", { adapters });
  if (by !== "linear" && by !== "cat" && by !== "svd")
    throw new ArgumentError("combineAdapters", "by to be linear, cat or svd", { by });
  for (const { folder, weight = 1 } of adapters)
    if (!Number.isFinite(weight))
      throw new ArgumentError("combineAdapters", `a finite weight of ${folder}`, { weight });
  checkTruncation("combineAdapters", bounds(options));
  if (by === "svd" && !truncates)
    throw new AdapterError("svd: expected a rank or an energy with it; linear is exact without");
  if (by !== "svd" && truncates)
    throw new AdapterError(`${by} is exact: expected no rank or energy with it, or svd`);
  checkTarget(
    options,
    adapters.map(({ folder }) => folder),
  );
  if (base !== undefined) return onBase(options, base, by);

  const opened = adapters.map(({ folder }) => openFactored(folder));
  for (const { folder, others } of opened) {
    const [own] = others.keys();
    if (own !== undefined)
      throw new AdapterError(
        `${folder} brings its own ${own}, which has no combination; expected adapters of ΔW alone`,
      );
  }
  const names = [...new Set(opened.flatMap(({ layers }) => layers.map(({ name }) => name)))];
  const sums = { whole: 0, lost: 0 };
  const made = names.map((name) => {
    const here = opened.flatMap((adapter, i): [FactoredAdapter, OpenLayer, number][] => {
      const layer = adapter.byName.get(name);
      return layer ? [[adapter, layer, adapters[i].weight ?? 1]] : [];
    });
    checkSameShape(
      name,
      here.map(([{ folder }, layer]) => [folder, layer]),
    );
    return newLayer(here[0][1], bounds(options), sums, by === "cat", () => {
      const pairs = here.map(([{ folder }, layer, weight]) => ({ ...factorsOf(folder, layer), weight }));
      return {
        B: concat(
          pairs.map(({ B, weight }) => binary("mul", B, array(weight, []))),
          1,
        ),
        A: concat(
          pairs.map(({ A }) => A),
          0,
        ),
      };
    });
  });
  const [first] = opened;
  const isSamePlace = opened.every(
    ({ layers, byName }) => layers.length === names.length && names.every((n) => byName.has(n)),
  );
  writeFolder(out, { layers: made, fields: first.fields, isSamePlace }, formOf(options));
  return reportOf(made, sums);
}

/**
 * Writes the ΔW of an adapter as a LoRA adapter in a new folder: of another rank, or from another method. Its copies of the
 * base's parameters come along.
 *
 * @example
 * convertAdapter({ adapter: "dora", base: "llama", out: "plain", energy: 0.99 });
 * @throws CheckpointError when the folder is malformed or needs the base; AdapterError when an option does not fit. Nothing
 *   is written then
 */
export function convertAdapter(options: ConvertOptions): ConvertReport {
  checkOptions("convertAdapter", options, [...common, "adapter"], { svd_rank: "rank" });
  const { adapter, base, out } = options;
  checkTruncation("convertAdapter", bounds(options));
  checkTarget(options, [adapter]);
  if (base !== undefined) return onBase({ ...options, adapters: [{ folder: adapter }] }, base, "convert");
  const opened = openFactored(adapter);
  const sums = { whole: 0, lost: 0 };
  const layers = opened.layers.map((layer) =>
    newLayer(layer, bounds(options), sums, false, () => factorsOf(adapter, layer)),
  );
  writeFolder(
    out,
    { layers, fields: opened.fields, isSamePlace: true, others: opened.others },
    formOf(options),
  );
  return reportOf(layers, sums);
}

const bounds = ({ rank, energy }: Truncation): Truncation => ({
  ...(rank !== undefined && { rank }),
  ...(energy !== undefined && { energy }),
});

const formOf = ({ dtype = "F32", overwrite = false }: Target) => ({ dtype, overwrite });

function checkTarget({ out, base, dtype = "F32" }: Target, folders: readonly string[]): void {
  if (!["F32", "F16", "BF16"].includes(dtype))
    throw new ArgumentError("combineAdapters", "dtype to be one of F32, F16, BF16", { dtype });
  const sources = Object.fromEntries(folders.map((folder) => [`the adapter ${folder}`, folder]));
  checkApart("combineAdapters", out, { ...sources, ...(base !== undefined && { "the base": base }) });
}

interface Made extends NewLayer {
  readonly kept: number;
}

/** The new factors of a layer. */
function newLayer(
  like: OpenLayer,
  truncation: Truncation,
  sums: { whole: number; lost: number },
  isWhole: boolean,
  factorsOf: () => Factors,
): Made {
  return inDouble(() => {
    const factors = factorsOf();
    if (isWhole) return { like, factors, kept: 1 };
    const spectrum = spectrumOfProduct(factors);
    const { factors: truncated, error } = truncate(spectrum, truncation);
    const whole = frobeniusNorm(spectrum.S) ** 2;
    sums.whole += whole;
    sums.lost += whole * error ** 2;
    return { like, factors: truncated, kept: 1 - error ** 2 };
  });
}

function reportOf(made: readonly Made[], { whole, lost }: { whole: number; lost: number }): ConvertReport {
  const layers = made.map(({ like, factors, kept }) => ({
    layer: like.name,
    rank: factors.A.shape[0],
    kept,
  }));
  return {
    layers,
    kept: whole === 0 ? 1 : 1 - lost / whole,
    rank: Math.max(...layers.map(({ rank }) => rank)),
  };
}

/** The same on the model, where ΔW depends on its weights. */
function onBase(
  options: CombineOptions,
  base: string,
  by: "linear" | "cat" | "svd" | "convert",
): ConvertReport {
  const { adapters, out, dtype = "F32", overwrite = false } = options;
  let adapted: AdaptedModel<PretrainedModel> | undefined;
  const weights: Record<string, number> = {};
  for (const [i, { folder, weight = 1 }] of adapters.entries()) {
    const name = `adapter-${i + 1}`;
    const on: PretrainedModel | AdaptedModel<PretrainedModel> = adapted ?? loadPretrained(base);
    adapted = loadAdapter<PretrainedModel>(on, folder, { name });
    weights[name] = weight;
    const [own] = by === "convert" ? [] : adapted.ownParameters(name);
    if (own)
      throw new AdapterError(
        `${folder} brings its own ${own.name}, which has no combination; expected adapters of ΔW alone`,
      );
  }
  const model = adapted as AdaptedModel<PretrainedModel>;
  const how = { by: by === "cat" ? "concat" : by, ...bounds(options) } as ComposeOptions;
  const layers =
    by === "convert"
      ? convert(model, "adapter-1", "new", bounds(options))
      : compose(model, "new", weights, how);
  const { fields } = openAdapter(adapters[0].folder);
  const kept = ["base_model_name_or_path", "task_type"].filter((name) => typeof fields[name] === "string");
  const files = writeAdapter(model, {
    name: "new",
    dtype,
    fields: Object.fromEntries(kept.map((name) => [name, fields[name]])),
  });
  writeBytes(out, files, overwrite);
  return {
    layers: layers.map(({ layer, rank, error }) => ({ layer, rank, kept: 1 - error ** 2 })),
    kept: null,
    rank: Math.max(...layers.map(({ rank }) => rank)),
  };
}
