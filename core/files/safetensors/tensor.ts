/** @file A tensor of a safetensors file: its format, shape and bytes, and its values, decoded on demand. */

import { type Shape, sizeOf } from "../../array/shape.ts";
import { CheckpointError } from "../../errors.ts";
import { type Dtype, decode, itemBytes, type Values } from "./dtype.ts";
import { quote } from "./header.ts";

/** A tensor as a file stores it: number format, shape, and the little-endian bytes of its values. */
export interface TensorBytes {
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
}

/** A tensor of a file. Its values are read and decoded whenever they are asked for, into a new array each time. */
export class SafeTensor implements TensorBytes {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly #read: (from?: number, to?: number) => Uint8Array;
  readonly #source: string;

  constructor(
    name: string,
    { dtype, shape }: Omit<TensorBytes, "bytes">,
    read: (from?: number, to?: number) => Uint8Array,
    source = "safetensors",
  ) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.#read = read;
    this.#source = source;
  }

  /** The bytes of the values: a view of the file's bytes when they are in memory, else read from the file now. */
  get bytes(): Uint8Array {
    return this.#read();
  }

  /** The exact values, in the narrowest typed array that holds the format (F16, BF16 and F8 as float32). */
  values(): Values {
    return decode(this.dtype, this.bytes);
  }

  /**
   * The exact values in parts of at most `most` elements, in order, so that a large tensor is never in memory as a whole.
   * @param most elements of a part. @default 2^20
   */
  *parts(most = 2 ** 20): Generator<Values> {
    const [size, bytes] = [sizeOf(this.shape), itemBytes[this.dtype]];
    for (let from = 0; from < size; from += most)
      yield decode(this.dtype, this.#read(from * bytes, Math.min(size, from + most) * bytes));
  }

  /** The bytes of the elements `from` to before `to`, in row-major order. */
  bytesOf(from: number, to: number): Uint8Array {
    const bytes = itemBytes[this.dtype];
    return this.#read(from * bytes, to * bytes);
  }

  /**
   * The elements `from` to before `to` of a tensor of floats, in row-major order; as `floats`.
   * @throws CheckpointError for integers
   */
  floatsOf(from: number, to: number): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
    return this.#checkFloats(decode(this.dtype, this.bytesOf(from, to)));
  }

  /**
   * The values of a tensor of floats: F64 as float64; F32, F16, BF16, F8_E4M3 and F8_E5M2 as float32.
   * @throws CheckpointError for integers
   */
  floats(): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
    return this.#checkFloats(this.values());
  }

  /**
   * The values of a tensor of integers, as int32.
   * @throws CheckpointError for floats, and for a value beyond 32 bits
   */
  integers(): Int32Array<ArrayBuffer> {
    const values = this.values();
    if (values instanceof Float32Array || values instanceof Float64Array) throw this.#error("integers");
    const integers = Int32Array.from(values as ArrayLike<number | bigint>, Number);
    const lost = integers.findIndex((value, i) => BigInt(value) !== BigInt(values[i]));
    if (lost >= 0) throw this.#error(`integers of 32 bits; element ${lost} is ${values[lost]}`);
    return integers;
  }

  #checkFloats(values: Values): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
    if (values instanceof Float32Array || values instanceof Float64Array) return values;
    throw this.#error("floats");
  }

  #error(expected: string): CheckpointError {
    return new CheckpointError(
      `${this.#source}: tensor ${quote(this.name)} [${this.shape.join(", ")}] is ${this.dtype}; expected ${expected}`,
    );
  }
}
