/** @file The number formats of safetensors: their sizes, and the encoding of their values as little-endian bytes. */

import { type Shape, sizeOf } from "../../array/shape.ts";
import { ArgumentError } from "../../errors.ts";
import { widenFloat8e4m3, widenFloat8e5m2 } from "../float8.ts";
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from "../float16.ts";

/**
 * Bytes per element. The order is that of the safetensors library's `Dtype`, by which its writer sorts
 * (huggingface/safetensors, safetensors/src/tensor.rs: "in increasing alignment order").
 */
export const itemBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** The name of a number format. */
export type Dtype = keyof typeof itemBytes;

/** The names of the formats, in the order in which the safetensors library sorts them. */
export const dtypes = Object.keys(itemBytes) as readonly Dtype[];

/** True for the name of a format. */
export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(itemBytes, name);
}

/** The bytes that a tensor needs. Not a safe integer when the product of its lengths other than 0 overflows. */
export function bytesNeeded(dtype: Dtype, shape: Shape): number {
  const nonzero = sizeOf(shape.filter((length) => length > 0)) * itemBytes[dtype];
  return shape.includes(0) && Number.isSafeInteger(nonzero) ? 0 : nonzero;
}

/** The narrowest typed array that holds every value of each format. */
export interface ValuesOf {
  BOOL: Uint8Array<ArrayBuffer>;
  U8: Uint8Array<ArrayBuffer>;
  I8: Int8Array<ArrayBuffer>;
  F8_E5M2: Float32Array<ArrayBuffer>;
  F8_E4M3: Float32Array<ArrayBuffer>;
  I16: Int16Array<ArrayBuffer>;
  U16: Uint16Array<ArrayBuffer>;
  F16: Float32Array<ArrayBuffer>;
  BF16: Float32Array<ArrayBuffer>;
  I32: Int32Array<ArrayBuffer>;
  U32: Uint32Array<ArrayBuffer>;
  F32: Float32Array<ArrayBuffer>;
  F64: Float64Array<ArrayBuffer>;
  I64: BigInt64Array<ArrayBuffer>;
  U64: BigUint64Array<ArrayBuffer>;
}

/** A typed array of the values of any format. */
export type Values = ValuesOf[Dtype];

/**
 * The typed array of each format over a buffer of its own, in which the bytes are aligned. Typed arrays have the byte
 * order of the processor: little-endian, like the file, wherever browsers and Node run today.
 */
const decoders: { readonly [D in Dtype]: (bytes: ArrayBuffer) => ValuesOf[D] } = {
  BOOL: (bytes) => new Uint8Array(bytes),
  U8: (bytes) => new Uint8Array(bytes),
  I8: (bytes) => new Int8Array(bytes),
  F8_E5M2: (bytes) => widenFloat8e5m2(new Uint8Array(bytes)),
  F8_E4M3: (bytes) => widenFloat8e4m3(new Uint8Array(bytes)),
  I16: (bytes) => new Int16Array(bytes),
  U16: (bytes) => new Uint16Array(bytes),
  F16: (bytes) => widenFloat16(new Uint16Array(bytes)),
  BF16: (bytes) => widenBfloat16(new Uint16Array(bytes)),
  I32: (bytes) => new Int32Array(bytes),
  U32: (bytes) => new Uint32Array(bytes),
  F32: (bytes) => new Float32Array(bytes),
  F64: (bytes) => new Float64Array(bytes),
  I64: (bytes) => new BigInt64Array(bytes),
  U64: (bytes) => new BigUint64Array(bytes),
};

/** The exact values of a tensor's bytes, in a new array. */
export function decode(dtype: Dtype, bytes: Uint8Array): Values {
  return decoders[dtype](new Uint8Array(bytes).buffer);
}

/** The formats that `encode` can write. */
export type WritableDtype = "F64" | "F32" | "F16" | "BF16" | "I32" | "U8" | "BOOL";

/**
 * The bytes of `values` in a format, in a new array. Floats are rounded to the nearest value of the format, ties to
 * even; integers must fit.
 * @throws ArgumentError for an integer format and a value that it cannot hold
 */
export function encode(dtype: WritableDtype, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const encoded = encodeValues(dtype, values);
  return new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}

function encodeValues(dtype: WritableDtype, values: ArrayLike<number>): Values {
  switch (dtype) {
    case "F64":
      return Float64Array.from(values);
    case "F32":
      return Float32Array.from(values);
    case "F16":
      return narrowToFloat16(asFloats(values));
    case "BF16":
      return narrowToBfloat16(asFloats(values));
    case "I32":
      return Int32Array.from(within(dtype, values, -(2 ** 31), 2 ** 31 - 1));
    case "U8":
      return Uint8Array.from(within(dtype, values, 0, 255));
    case "BOOL":
      return Uint8Array.from(within(dtype, values, 0, 1));
  }
}

function asFloats(values: ArrayLike<number>): Float32Array | Float64Array {
  return values instanceof Float32Array || values instanceof Float64Array
    ? values
    : Float64Array.from(values);
}

/** `values`, after a check that they are integers from `low` to `high`. */
function within(
  dtype: WritableDtype,
  values: ArrayLike<number>,
  low: number,
  high: number,
): ArrayLike<number> {
  for (let i = 0; i < values.length; i++) {
    if (!(Number.isInteger(values[i]) && values[i] >= low && values[i] <= high)) {
      throw new ArgumentError("safetensors", `integers from ${low} to ${high} for ${dtype}`, {
        value: values[i],
        index: i,
      });
    }
  }
  return values;
}
