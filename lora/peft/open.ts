/**
 * @file openAdapter: an adapter's folder without a model. What its configuration says, the layers that its file holds
 * tensors for, and the factors of each ΔW. For looking at adapters, and for merging them where the base is not loaded.
 */

import {
  array,
  CheckpointError,
  decodeUtf8,
  isStringList,
  type JsonObject,
  parseJsonObject,
  readSaved,
  type SafeTensor,
  sizeOf,
} from "../../core/index.ts";
import type { Factors } from "../algebra/spectrum.ts";
import { FieldReader } from "./config/field-reader.ts";
import { patternValues } from "./config/modules.ts";
import { CONFIG, checkFiles, openWeights } from "./folder.ts";
import { isPlain } from "./plain.ts";
import { keyed } from "./tensors/file.ts";
import { PREFIX } from "./tensors/keys.ts";

/** An adapter as its folder holds it. */
export interface OpenAdapter {
  readonly folder: string;
  /** "lora", "dora" or "adalora"; another peft_type in lower case; the name in the file for this library's plain form. */
  readonly method: string;
  /** All fields of adapter_config.json. */
  readonly fields: JsonObject;
  /** r; init_r of AdaLoRA. */
  readonly rank: number;
  readonly alpha: number;
  /** True when the factor is α/√r. */
  readonly rankStabilized: boolean;
  /** The layers that have an adapter, in the order of the file. */
  readonly layers: readonly OpenLayer[];
  /** The other tensors, by their keys without base_model.model.: copies of biases, heads and tables. */
  readonly others: ReadonlyMap<string, SafeTensor>;
}

/** The adapter of one layer, as the file holds it. */
export interface OpenLayer {
  /** The name of the layer in its model. */
  readonly name: string;
  /** Rows of A, which pruning and rank_pattern make other than the adapter's rank. */
  readonly rank: number;
  readonly alpha: number;
  /** The factor of B A: α/r, or α/√r; of AdaLoRA, whose rank is that at the start, α/(r + 10⁻⁵) as PEFT has it. */
  readonly scaling: number;
  /** ΔW as a matrix: [outputs, inputs], of an embedding [width, tokens], of a convolution [out, in · kernel]. */
  readonly shape: readonly [number, number];
  /** The tensors, by the ends of their keys, such as "lora_A.weight". */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /**
   * A [r, in] and B [out, r], the scaling and AdaLoRA's Λ in B, whose product is the update. For DoRA it is the change of
   * direction alone, before the magnitudes. Null when the file has no such factors: a method of the plain form, A without
   * B, sizes that do not fit.
   * Run it inside withPrecision("float64") for exact factors of float32.
   */
  factors(): Factors | null;
}

/**
 * Opens the adapter in a folder. Its headers are read now, values when they are asked for. Fields that `loadAdapter`
 * refuses are accepted: nothing is computed with them here.
 *
 * @example
 * for (const layer of openAdapter("my-adapter").layers) console.log(layer.name, layer.rank, measureUpdate(layer).norm);
 * @throws CheckpointError when a file is missing or malformed
 */
export function openAdapter(folder: string): OpenAdapter {
  return readSaved(folder, (file, place) => {
    checkFiles(folder, place);
    const source = `${folder}: ${CONFIG}`;
    const text = decodeUtf8(source, file(CONFIG));
    const fields = parseJsonObject(source, text);
    const tensors = openWeights(place);
    if (isPlain(text)) return { folder, ...plainAdapter(source, fields, tensors) };
    return { folder, ...peftAdapter(source, fields, tensors) };
  });
}

type Parts = Omit<OpenAdapter, "folder">;

function peftAdapter(source: string, fields: JsonObject, tensors: ReadonlyMap<string, SafeTensor>): Parts {
  const read = new FieldReader(fields, source);
  const type = read.text("peft_type");
  const isAdaLora = type === "ADALORA";
  const isPositive = (r: number): boolean => Number.isSafeInteger(r) && r > 0;
  const rank = read.number(isAdaLora ? "init_r" : "r", isAdaLora ? 12 : 8, "a positive integer", isPositive);
  const alpha = read.number("lora_alpha", 8, "a finite number", Number.isFinite);
  const rankStabilized = read.boolean("use_rslora");
  const ranks = isAdaLora ? {} : read.numbers("rank_pattern", "positive integers", isPositive);
  const alphas = isAdaLora ? {} : read.numbers("alpha_pattern", "finite numbers", Number.isFinite);
  const rankOf = patternValues("rank_pattern", ranks, rank);
  const alphaOf = patternValues("alpha_pattern", alphas, alpha);

  const scalingOf = (name: string): number => {
    const [r, a] = [rankOf(name), alphaOf(name)];
    if (isAdaLora) return (a > 0 ? a : r) / (r + 1e-5);
    return a / (rankStabilized ? Math.sqrt(r) : r);
  };
  const groups = new Map<string, Map<string, SafeTensor>>();
  const others = new Map<string, SafeTensor>();
  for (const [key, tensor] of keyed(tensors, source)) {
    const name = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
    const found = ofAdapter.exec(name);
    if (!found) others.set(name, tensor);
    else groups.set(found[1], (groups.get(found[1]) ?? new Map()).set(found[2], tensor));
  }
  const layers = Array.from(groups, ([name, own]) => layerOf(name, own, alphaOf(name), scalingOf(name)));
  const method = type === "LORA" && read.boolean("use_dora") ? "dora" : type.toLowerCase();
  return { method, fields, rank, alpha, rankStabilized, layers, others };
}

/** A layer's name, and the end of the key of one of its adapter's tensors. */
const ofAdapter = /^(.+)\.(lora_\w+(?:\.\w+)*)$/;

function layerOf(
  name: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  alpha: number,
  scaling: number,
): OpenLayer {
  const named = (letter: string): SafeTensor | undefined => {
    const end = new RegExp(`^lora_(embedding_)?${letter}(\\.\\w+)*$`);
    return [...tensors].find(([key]) => end.test(key) && !key.endsWith(".bias"))?.[1];
  };
  const [A, B, E] = [named("A"), named("B"), named("E")];
  const rank = A?.shape[0] ?? B?.shape[1] ?? 0;
  const columns = A ? sizeOf(A.shape.slice(1)) : 0;
  const rows = B?.shape[0] ?? 0;
  const fits = A && B && sizeOf(B.shape) === rows * rank && (!E || sizeOf(E.shape) === rank);
  return {
    name,
    rank,
    alpha,
    scaling,
    shape: [rows, columns],
    tensors,
    factors() {
      if (!fits) return null;
      const lambda = E ? E.floats() : null;
      const scaled = Float64Array.from(
        B.floats(),
        (value: number, i: number) => value * scaling * (lambda ? lambda[i % rank] : 1),
      );
      return { A: array(A.floats(), [rank, columns]), B: array(scaled, [rows, rank]) };
    },
  };
}

function plainAdapter(source: string, fields: JsonObject, tensors: ReadonlyMap<string, SafeTensor>): Parts {
  const names = fields.layers;
  if (typeof fields.lowrank_method !== "string" || !isStringList(names))
    throw new CheckpointError(`${source}: expected lowrank_method and the names of layers`);
  const options = (fields.options ?? {}) as JsonObject;
  const rank = typeof options.rank === "number" ? options.rank : 0;
  const alpha = typeof options.alpha === "number" ? options.alpha : rank;
  const others = new Map(tensors);
  const layers = names.map((name): OpenLayer => {
    const own = [...tensors].filter(([key]) => key.startsWith(`${name}.`) && !key.startsWith("own."));
    for (const [key] of own) others.delete(key);
    return {
      name,
      rank,
      alpha,
      scaling: rank > 0 ? alpha / rank : 1,
      shape: [0, 0],
      tensors: new Map(own.map(([key, tensor]) => [key.slice(name.length + 1), tensor])),
      factors: () => null,
    };
  });
  const rankStabilized = options.rankStabilized === true;
  return { method: fields.lowrank_method, fields, rank, alpha, rankStabilized, layers, others };
}
