/**
 * @file Writing safetensors. The bytes are those that the safetensors library writes for the same tensors; read.ts
 * describes the format.
 */

import { checkShape, type Shape, sizeOf } from "../../array/shape.ts";
import { ArgumentError, ShapeError } from "../../errors.ts";
import { bytesNeeded, dtypes, encode, type WritableDtype } from "./dtype.ts";
import { headerCap, metadataName, nameProblem, quote } from "./header.ts";
import type { TensorBytes } from "./tensor.ts";

/**
 * A tensor for a file, from its values.
 * @throws ShapeError when there are not as many `values` as `shape` says
 * @throws ArgumentError for an integer format and a value that it cannot hold
 */
export function tensorBytes(dtype: WritableDtype, shape: Shape, values: ArrayLike<number>): TensorBytes {
  checkShape("safetensors", shape);
  if (sizeOf(shape) !== values.length) {
    throw new ShapeError("safetensors", "as many values as the shape has", { shape, values: values.length });
  }
  return { dtype, shape: [...shape], bytes: encode(dtype, values) };
}

/** Options for writing a safetensors file. */
export interface SafetensorsOptions {
  /**
   * Strings about the file, by name.
   * @default `format: pt`, which PyTorch, transformers and PEFT write and expect
   */
  readonly metadata?: ReadonlyMap<string, string>;
  /**
   * The order of the tensors in the file. "sorted" is that of the safetensors library: by format, the widest first,
   * then by name. "given" keeps the order in which they are passed.
   * @default "sorted"
   */
  readonly order?: "sorted" | "given";
}

/**
 * The bytes of a safetensors file.
 * @throws ArgumentError for a name that `parseSafetensors` would refuse, ShapeError for bytes that do not fit their
 *   shape
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, TensorBytes]>,
  options: SafetensorsOptions = {},
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(tensors, options);
  const file = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/**
 * The bytes of a safetensors file in pieces, the header and then each tensor. A large file is written from them without
 * being assembled in memory.
 * @throws ArgumentError, ShapeError as `serializeSafetensors`
 */
export function safetensorsParts(
  tensors: Iterable<readonly [string, TensorBytes]>,
  { metadata = new Map([["format", "pt"]]), order = "sorted" }: SafetensorsOptions = {},
): Uint8Array[] {
  const entries = new Map<string, TensorBytes>();
  for (const [name, tensor] of tensors) {
    checkBytes(name, tensor);
    if (entries.has(name)) throw new ArgumentError("safetensors", "distinct names", { twice: name });
    entries.set(name, tensor);
  }
  const { header, begins } = planSafetensors(entries, { metadata, order });
  return [header, ...Array.from(begins.keys(), (name) => (entries.get(name) as TensorBytes).bytes)];
}

/** A tensor that is to be written: its format and shape. */
export type TensorPlan = Omit<TensorBytes, "bytes">;

/** A safetensors file before its values are written. */
export interface SafetensorsPlan {
  /** The bytes at the beginning of the file. */
  readonly header: Uint8Array;
  /** The byte of the file at which each tensor begins, in the order of the file. */
  readonly begins: ReadonlyMap<string, number>;
  /** The length of the whole file. */
  readonly size: number;
}

/**
 * Lays a safetensors file out, whose values are written afterwards, in any order and in pieces.
 * @throws ArgumentError for a name that `parseSafetensors` would refuse, ShapeError for a shape that is none
 */
export function planSafetensors(
  tensors: Iterable<readonly [string, TensorPlan]>,
  { metadata = new Map([["format", "pt"]]), order = "sorted" }: SafetensorsOptions = {},
): SafetensorsPlan {
  const entries = Array.from(new Map(tensors));
  for (const [name, { shape }] of entries) {
    const problem = name === metadataName ? "is reserved" : nameProblem(name);
    if (problem) throw new ArgumentError("safetensors", "a name without tricks", { name, problem });
    checkShape(`safetensors: tensor ${quote(name)}`, shape);
  }
  if (order === "sorted") sortAsLibrary(entries);
  const header = headerBytes(entries, metadata);
  const begins = new Map<string, number>();
  let size = header.length;
  for (const [name, { dtype, shape }] of entries) {
    begins.set(name, size);
    size += bytesNeeded(dtype, shape);
  }
  return { header, begins, size };
}

function checkBytes(name: string, { dtype, shape, bytes }: TensorBytes): void {
  checkShape(`safetensors: tensor ${quote(name)}`, shape);
  if (bytes.length !== bytesNeeded(dtype, shape)) {
    throw new ShapeError("safetensors", "the bytes that dtype and shape need", {
      name,
      dtype,
      shape,
      bytes: bytes.length,
    });
  }
}

function headerBytes(
  entries: readonly (readonly [string, TensorPlan])[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const members: string[] = [];
  if (metadata.size > 0) {
    const texts = [...metadata].map(([name, text]) => {
      const problem =
        nameProblem(name) ?? (/\p{Surrogate}/u.test(text) ? "has a text that is not valid Unicode" : null);
      if (problem) throw new ArgumentError("safetensors", "metadata without tricks", { name, problem });
      return `${JSON.stringify(name)}:${JSON.stringify(text)}`;
    });
    members.push(`"${metadataName}":{${texts.join(",")}}`);
  }
  let begin = 0;
  for (const [name, { dtype, shape }] of entries) {
    const end = begin + bytesNeeded(dtype, shape);
    const entry = `{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`;
    members.push(`${JSON.stringify(name)}:${entry}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > headerCap) {
    throw new ArgumentError("safetensors", `a header of at most ${headerCap} bytes`, { bytes: length });
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

/** Sorts by format, descending, then by name in the order of UTF-8 bytes (safetensors/src/tensor.rs, `prepare`). */
function sortAsLibrary(entries: (readonly [string, TensorPlan])[]): void {
  entries.sort(
    ([a, { dtype: aDtype }], [b, { dtype: bDtype }]) =>
      dtypes.indexOf(bDtype) - dtypes.indexOf(aDtype) || compareUtf8(a, b),
  );
}

/** Compares in the order of UTF-8 bytes, which is that of code points. JavaScript compares UTF-16 units, which differs
 * beyond U+FFFF. */
function compareUtf8(a: string, b: string): number {
  const rest = Math.min(a.length, b.length);
  for (let i = 0; i < rest; ) {
    const left = a.codePointAt(i)!;
    const right = b.codePointAt(i)!;
    if (left !== right) return left - right;
    i += left > 0xffff ? 2 : 1;
  }
  return a.length - b.length;
}
