/**
 * @file One packed weight as entries of a safetensors file, under the names that bitsandbytes gives in a state dict, and
 * for 4 bits with the same bytes. For W [out, in] of a layer "h.0.mlp.c_fc", in n codes:
 *
 *     h.0.mlp.c_fc.weight                       U8 [bytes, 1]   the codes
 *     h.0.mlp.c_fc.weight.absmax                F32 [blocks]    absmax; U8 with double quantization
 *     h.0.mlp.c_fc.weight.quant_map             F32 [16 or 256] the codebook
 *     h.0.mlp.c_fc.weight.nested_absmax         F32             the absmax of absmax
 *     h.0.mlp.c_fc.weight.nested_quant_map      F32 [256]       the codebook of absmax
 *     h.0.mlp.c_fc.weight.quant_state.bitsandbytes__nf4   U8    JSON: data type, block size, shape, mean of absmax
 *
 * bitsandbytes has nf4 and fp4 in this form. The other formats of quantize() follow it, with `lowrank__int4` and so on
 * for `bitsandbytes__nf4`.
 */

import {
  CheckpointError,
  parseJsonObject,
  pythonJson,
  QuantizationError,
  type SafeTensor,
  sizeOf,
  type TensorBytes,
  type TensorPlan,
  tensorBytes,
} from "../../core/index.ts";
import { codebookFor, dynamic8, type Format, formats } from "../codebooks.ts";
import { packedLength } from "../codes/pack.ts";
import { ABSMAX_BLOCK_SIZE, type DoubleQuantizedAbsmax } from "../double-quantization.ts";
import type { QuantizeOptions } from "../options.ts";
import { QuantizedTensor } from "../quantized-tensor.ts";

/** The key of the entry that marks a quantized weight. */
const stateKey = (format: Format): string =>
  `quant_state.${format === "nf4" || format === "fp4" ? "bitsandbytes" : "lowrank"}__${format}`;

/** Bytes as an entry, not copied. */
const bytesEntry = (bytes: Uint8Array, shape = [bytes.length]): TensorBytes => ({
  dtype: "U8",
  shape,
  bytes,
});

/**
 * The entries of one packed weight by key: "" for the codes, then "absmax", "quant_map" and so on.
 * @param length bytes of the JSON, which spaces fill up. @default as many as it has
 */
export function packedState(q: QuantizedTensor, length = 0): Map<string, TensorBytes> {
  const { packed, storedAbsmax, format } = q;
  const codebook = codebookFor[format].values;
  const entries = new Map([["", bytesEntry(packed, [packed.length, 1])]]);
  if (storedAbsmax instanceof Float32Array) {
    entries.set("absmax", tensorBytes("F32", [storedAbsmax.length], storedAbsmax));
    entries.set("quant_map", tensorBytes("F32", [codebook.length], codebook));
  } else {
    const { codes, absmax } = storedAbsmax;
    entries.set("absmax", bytesEntry(codes));
    entries.set("quant_map", tensorBytes("F32", [codebook.length], codebook));
    entries.set("nested_absmax", tensorBytes("F32", [absmax.length], absmax));
    entries.set("nested_quant_map", tensorBytes("F32", [dynamic8.values.length], dynamic8.values));
  }
  const offset = storedAbsmax instanceof Float32Array ? null : storedAbsmax.offset;
  entries.set(stateKey(format), bytesEntry(new TextEncoder().encode(describe(q, offset).padEnd(length))));
  return entries;
}

/** The most characters of a double in JSON. */
const LONGEST = 25;

/**
 * What `packedState` will give for a weight of this shape: formats and shapes, before anything is quantized. The mean of
 * absmax is not known then, so that the JSON has room for any.
 */
export function plannedState(
  shape: readonly number[],
  { format, blockSize, doubleQuant }: Required<QuantizeOptions>,
): { readonly plans: ReadonlyMap<string, TensorPlan>; readonly length: number } {
  const { bits, values } = codebookFor[format];
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / blockSize);
  const length =
    describe({ format, blockSize, shape }, doubleQuant ? 0 : null).length + (doubleQuant ? LONGEST : 0);
  const plans = new Map<string, TensorPlan>([
    ["", { dtype: "U8", shape: [packedLength(bits, size), 1] }],
    ["absmax", { dtype: doubleQuant ? "U8" : "F32", shape: [blocks] }],
    ["quant_map", { dtype: "F32", shape: [values.length] }],
    [stateKey(format), { dtype: "U8", shape: [length] }],
  ]);
  if (doubleQuant) {
    plans.set("nested_absmax", { dtype: "F32", shape: [Math.ceil(blocks / ABSMAX_BLOCK_SIZE)] });
    plans.set("nested_quant_map", { dtype: "F32", shape: [dynamic8.values.length] });
  }
  return { plans, length };
}

/** The JSON that bitsandbytes writes. @param offset the mean of absmax; null without double quantization */
function describe(
  { format, blockSize, shape }: Pick<QuantizedTensor, "format" | "blockSize" | "shape">,
  offset: number | null,
): string {
  const nested =
    offset === null
      ? {}
      : { nested_blocksize: ABSMAX_BLOCK_SIZE, nested_dtype: "float32", nested_offset: offset };
  return pythonJson(
    { quant_type: format, blocksize: blockSize, dtype: "float32", shape, ...nested },
    { floats: ["nested_offset"] },
  );
}

/** The JSON of a quantized weight, checked. */
interface Description {
  readonly format: Format;
  readonly blockSize: number;
  readonly shape: readonly number[];
  /** The mean of absmax; null without double quantization. */
  readonly offset: number | null;
}

/**
 * Reads one packed weight, and removes its entries from `tensors`.
 * @param source names the file in messages
 * @param weight the name of the weight
 * @param type the rest of the key that marks it, such as "bitsandbytes__nf4"
 * @throws CheckpointError unless the entries fit together
 */
export function readPacked(
  source: string,
  weight: string,
  type: string,
  tensors: Map<string, SafeTensor>,
): QuantizedTensor {
  const fail = (problem: string): never => {
    throw new CheckpointError(`${source}: ${weight}: ${problem}`);
  };
  const take = (key: string, dtype: "U8" | "F32"): SafeTensor => {
    const name = key ? `${weight}.${key}` : weight;
    const tensor = tensors.get(name);
    tensors.delete(name);
    if (!tensor) return fail(`expected an entry ${name} beside its quant_state; there is none`);
    if (tensor.dtype !== dtype) fail(`${key || "weight"}: expected ${dtype}; got ${tensor.dtype}`);
    const { shape } = tensor;
    const isList = key ? shape.length === 1 : shape.length === 2 && shape[1] === 1;
    if (!isList)
      fail(`${key || "weight"}: expected the shape ${key ? "[n]" : "[n, 1]"}; got [${shape.join(", ")}]`);
    return tensor;
  };
  const floats = (key: string): Float32Array => take(key, "F32").values() as Float32Array;
  const bytes = (key: string): Uint8Array => take(key, "U8").values() as Uint8Array;
  const checkCodebook = (key: string, expected: Float32Array): void => {
    const codebook = floats(key);
    // The last digits of the 8-bit map differ between machines.
    const equal =
      codebook.length === expected.length &&
      codebook.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.abs(expected[i]));
    if (!equal) fail(`${key}: expected the values of the format; got others`);
  };

  const text = bytes(`quant_state.${type}`);
  const { format, blockSize, shape, offset } = readDescription(text, type, fail);
  const packed = bytes("");
  checkCodebook("quant_map", codebookFor[format].values);
  let absmax: Float32Array | DoubleQuantizedAbsmax;
  if (offset === null) absmax = floats("absmax");
  else {
    absmax = { codes: bytes("absmax"), absmax: floats("nested_absmax"), offset };
    checkCodebook("nested_quant_map", dynamic8.values);
  }
  try {
    return new QuantizedTensor({ format, blockSize, shape, packed, absmax });
  } catch (error) {
    if (error instanceof QuantizationError) return fail(error.message);
    throw error;
  }
}

function readDescription(bytes: Uint8Array, type: string, fail: (problem: string) => never): Description {
  const fields = describedBy(bytes, fail);
  const format = formats.find((known) => `quant_state.${type}` === stateKey(known));
  if (!format || fields.quant_type !== format) {
    return fail(
      `quant_state: expected one of ${formats.join(", ")}, the same in its name; got ${JSON.stringify(fields.quant_type)} in ${type}`,
    );
  }
  const { shape, blocksize, nested_blocksize, nested_dtype, nested_offset } = fields;
  const isLength = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) > 0;
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every(isLength))
    return fail(`quant_state: expected a shape [out, in]; got ${JSON.stringify(shape)}`);
  if (!isLength(blocksize))
    return fail(`quant_state: expected a blocksize; got ${JSON.stringify(blocksize)}`);
  const description = { format, blockSize: blocksize, shape: shape as number[] };
  if (nested_offset === undefined && nested_blocksize === undefined) return { ...description, offset: null };
  if (nested_blocksize !== ABSMAX_BLOCK_SIZE || nested_dtype !== "float32") {
    return fail(
      `quant_state: expected nested absmax in float32 and blocks of ${ABSMAX_BLOCK_SIZE}; got ${nested_dtype} and ${nested_blocksize}`,
    );
  }
  if (typeof nested_offset !== "number" || nested_offset !== Math.fround(nested_offset))
    return fail(`quant_state: expected nested_offset, a float32; got ${JSON.stringify(nested_offset)}`);
  return { ...description, offset: nested_offset };
}

function describedBy(bytes: Uint8Array, fail: (problem: string) => never): Record<string, unknown> {
  try {
    return parseJsonObject("quant_state", bytes);
  } catch (error) {
    return fail((error as Error).message);
  }
}
