/**
 * @file quantizeCheckpoint: the linear layers of a checkpoint on the disk quantized, layer by layer and in parts, into a new
 * folder. The model is never loaded; the codes are those of quantizeModel.
 */

import {
  ArgumentError,
  type FloatArray,
  QuantizationError,
  type SafeTensor,
  type SafetensorsContent,
  scope,
  type TensorBytes,
} from "../../core/index.ts";
import {
  type CheckpointProgress,
  Conv1D,
  checkApart,
  copied,
  type Linear,
  type NewTensor,
  naming,
  type OpenModel,
  openPretrained,
  outputHeads,
  type Piece,
  type WrittenCheckpoint,
  writeCheckpoint,
} from "../../nn/index.ts";
import { quantizeBlocks } from "../blockwise.ts";
import { codebookFor } from "../codebooks.ts";
import { packedLength } from "../codes/pack.ts";
import { quantizeAbsmax } from "../double-quantization.ts";
import { chooseLayers, type LayerName } from "../model/choose-layers.ts";
import { checkQuantizeOptions, type QuantizeOptions, settingsOf } from "../options.ts";
import { QuantizedTensor } from "../quantized-tensor.ts";
import { quantizeRows } from "../rowwise.ts";
import { packedState, plannedState } from "./packed-state.ts";
import { quantizationConfig } from "./quantization-config.ts";

/** What `quantizeCheckpoint` quantizes, and how. */
export interface QuantizeCheckpointOptions extends QuantizeOptions {
  /** The folder of the base: config.json, and model.safetensors or shards. */
  readonly base: string;
  /** The folder of the new checkpoint. */
  readonly out: string;
  /**
   * Linear layers, or modules with linear layers in them, that stay dense.
   * @default outputHeads
   */
  readonly skip?: readonly LayerName[];
  /**
   * Whether `out` may hold files already.
   * @default false
   */
  readonly overwrite?: boolean;
  /**
   * Elements of a weight that are in memory as floats at a time.
   * @default 2^21
   */
  readonly step?: number;
  /** Called between layers. */
  readonly onProgress?: (progress: CheckpointProgress) => void;
}

/** What quantizing one layer did. */
export interface QuantizedWeight {
  /** The name of the layer. */
  readonly name: string;
  readonly shape: readonly number[]; // [out, in]
  /** Bytes of its codes and absmax. */
  readonly bytes: number;
  readonly bitsPerParameter: number;
  /** ‖W‖_F. */
  readonly norm: number;
  /** ‖Ŵ − W‖_F / ‖W‖_F. */
  readonly relative: number;
  /** max |Ŵ − W|. */
  readonly max: number;
}

/** What `quantizeCheckpoint` did. */
export interface QuantizeCheckpointReport extends WrittenCheckpoint {
  readonly layers: readonly QuantizedWeight[];
  /** The linear layers that stay dense, each with the reason: named in `skip`, or its weight is another module's too. */
  readonly skipped: readonly { readonly name: string; readonly reason: "skip" | "tied" }[];
  /** The mean over the quantized weights. */
  readonly bitsPerParameter: number;
  /** ‖Ŵ − W‖_F / ‖W‖_F over all quantized weights. */
  readonly relative: number;
}

/**
 * Quantizes the linear layers of the checkpoint in a folder and writes the result to another, without loading the model.
 * All other files are copied. The tensors are named as in our models; `quantization_config` in config.json says what was
 * done, for NF4 and FP4 in transformers' words. `loadQuantizedModel` reads the folder.
 *
 * @example
 * const { relative, bitsPerParameter } = quantizeCheckpoint({ base: "llama", out: "llama-nf4", doubleQuant: true });
 * @throws CheckpointError when a folder is malformed, `out` holds files or is the base, or the disk is full;
 *   QuantizationError as `quantizeModel`; ArgumentError on an option. The folders are then as before
 */
export function quantizeCheckpoint(options: QuantizeCheckpointOptions): QuantizeCheckpointReport {
  const steps = quantizeSteps(options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    options.onProgress?.(value);
  }
}

/** The same in steps, as `mergeSteps` of lowrank/lora. @throws as `quantizeCheckpoint` */
export function* quantizeSteps(
  options: QuantizeCheckpointOptions,
): Generator<CheckpointProgress, QuantizeCheckpointReport> {
  const own = ["base", "out", "skip", "overwrite", "step", "onProgress"];
  checkQuantizeOptions("quantizeCheckpoint", options, own);
  const {
    base,
    out,
    skip = outputHeads,
    overwrite,
    step = 2 ** 21,
    format,
    blockSize,
    doubleQuant,
  } = options;
  if (!(step > 0)) throw new ArgumentError("quantizeCheckpoint", "step a positive number", { step });
  checkApart("quantizeCheckpoint", out, { "the base": base });
  const settings = {
    ...(format !== undefined && { format }),
    ...(blockSize !== undefined && { blockSize }),
    ...(doubleQuant !== undefined && { doubleQuant }),
  };
  const opened = openPretrained(base);
  const { layers, skipped } = chooseLayers(opened.model, skip);
  const found = tensorsByName(opened);
  const reports: (QuantizedWeight & { readonly noise: number; readonly signal: number })[] = [];
  const files = new Map(Array.from(opened.files.keys(), (file): [string, NewTensor[]] => [file, []]));
  const chosen = new Map(layers.map(([name, layer]) => [`${name}.weight`, { name, layer }]));
  for (const [name] of opened.model.namedParameters()) {
    const { tensor, file } = found.get(name) as Found;
    const members = files.get(file) as NewTensor[];
    const one = chosen.get(name);
    if (!one) members.push(copied(name, tensor));
    else
      members.push(
        ...packedTensors(one.name, one.layer, tensor, { settings, step }, (report) => reports.push(report)),
      );
  }
  const text = `${JSON.stringify({ ...opened.fields, quantization_config: quantizationConfig(settings, skipped) }, null, 2)}\n`;
  const written = yield* writeCheckpoint(out, { base, opened, tensors: files, config: text }, { overwrite });
  const sum = (of: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  return {
    ...written,
    layers: reports.map(({ noise: _, signal: __, ...report }) => report),
    skipped,
    bitsPerParameter: (8 * sum(({ bytes }) => bytes)) / sum(({ shape: [rows, columns] }) => rows * columns),
    relative:
      sum(({ noise }) => noise) === 0
        ? 0
        : Math.sqrt(sum(({ noise }) => noise) / sum(({ signal }) => signal)),
  };
}

interface Found {
  readonly tensor: SafeTensor;
  readonly file: string;
}

/** The tensor of each parameter, by our name; of tied parameters under each of their names. */
function tensorsByName({ model, files, names }: OpenModel): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const [file, { tensors }] of files as ReadonlyMap<string, SafetensorsContent>)
    for (const [theirs, tensor] of tensors) {
      const ours = names.get(theirs);
      if (ours) found.set(ours, { tensor, file });
    }
  for (const [name] of model.namedParameters()) {
    const head = found.get("lm_head.weight");
    if (!found.has(name) && head) found.set(name, head); // a file may hold a tied matrix under the head's name alone
  }
  return found;
}

/** The entries of a layer's packed weight. All of them are computed when the first is asked for, and then given away. */
function packedTensors(
  name: string,
  layer: Linear | Conv1D,
  tensor: SafeTensor,
  how: { readonly settings: QuantizeOptions; readonly step: number },
  report: (report: QuantizedWeight & { readonly noise: number; readonly signal: number }) => void,
): NewTensor[] {
  const shape = [layer.outFeatures, layer.inFeatures];
  const { plans, length } = plannedState(shape, settingsOf("quantizeCheckpoint", how.settings, shape));
  let entries: Map<string, TensorBytes> | null = null;
  let left = 0;
  const bytesOf = (key: string): Uint8Array => {
    if (!entries) {
      const { quantized, noise, signal, max } = naming(
        `${name} [${shape.join(", ")}]`,
        QuantizationError,
        () => quantizeWeight(layer, tensor, how.settings, how.step),
      );
      const { bytes, bitsPerParameter } = quantized;
      const relative = noise === 0 ? 0 : Math.sqrt(noise / signal);
      report({ name, shape, bytes, bitsPerParameter, norm: Math.sqrt(signal), relative, max, noise, signal });
      entries = packedState(quantized, length);
      left = entries.size;
    }
    const { bytes } = entries.get(key) as TensorBytes;
    if (--left === 0) entries = null;
    return bytes;
  };
  return Array.from(plans, ([key, plan]) => ({
    name: key ? `${name}.weight.${key}` : `${name}.weight`,
    ...plan,
    *pieces(): Generator<Piece> {
      yield [bytesOf(key), 0];
    },
  }));
}

/** Quantizes a weight part by part, then compares it with what the codes stand for. */
function quantizeWeight(layer: Linear | Conv1D, tensor: SafeTensor, options: QuantizeOptions, step: number) {
  const shape = [layer.outFeatures, layer.inFeatures];
  const { format, blockSize, doubleQuant } = settingsOf("quantizeCheckpoint", options, shape);
  const codebook = codebookFor[format];
  const size = shape[0] * shape[1];
  const packed = new Uint8Array(packedLength(codebook.bits, size));
  const absmax = new Float32Array(Math.ceil(size / blockSize));
  // Conv1D stores Wᵀ, of which rows of W are no part: such weights are small enough to be read whole.
  const whole =
    layer instanceof Conv1D ? (scope(() => layer.denseWeight().value.data.slice()) as Float32Array) : null;
  const read = (from: number, to: number): Float32Array => {
    if (whole) return whole.subarray(from, to);
    const values: FloatArray = tensor.floatsOf(from, to);
    return values instanceof Float32Array ? values : Float32Array.from(values);
  };
  const most = Math.max(1, Math.floor(step / blockSize)) * blockSize; // parts end with blocks
  for (let from = 0; from < size; from += most) {
    const x = read(from, Math.min(size, from + most));
    const blocks =
      format === "int8-rows" ? quantizeRows(x, blockSize) : quantizeBlocks(codebook, x, blockSize);
    packed.set(blocks.packed, (from * codebook.bits) / 8);
    absmax.set(blocks.absmax, from / blockSize);
  }
  const stored = doubleQuant ? quantizeAbsmax(absmax) : absmax;
  const quantized = new QuantizedTensor({ format, shape, blockSize, packed, absmax: stored });
  let [max, noise, signal] = [0, 0, 0];
  const y = new Float32Array(Math.min(size, most));
  for (let from = 0; from < size; from += most) {
    const x = read(from, Math.min(size, from + most));
    quantized.dequantizeInto(y, from, from + x.length);
    for (let i = 0; i < x.length; i++) {
      const e = y[i] - x[i];
      max = Math.max(max, Math.abs(e));
      noise += e * e;
      signal += x[i] * x[i];
    }
  }
  return { quantized, max, noise, signal };
}
