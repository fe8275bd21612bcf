/**
 * @file safetensors: tensors in a file, without code in it (https://github.com/huggingface/safetensors).
 *
 *     8 bytes   n, little-endian
 *     n bytes   header, JSON (see header.ts), padded with spaces to a multiple of 8
 *     the rest  values of the tensors, little-endian and row-major, one after the other, no holes, no overlaps
 *
 * Reading refuses everything that departs from this, before a value is looked at, with a `CheckpointError` that
 * names the tensor or the byte. Writing gives the bytes that the safetensors library gives for the same tensors.
 */

import { checkShape, type Shape, sizeOf } from "../../array/shape.ts";
import { ArgumentError, CheckpointError, ShapeError } from "../../errors.ts";
import { type Dtype, decode, dtypes, encode, itemBytes, type Values, type WritableDtype } from "./dtype.ts";
import { type HeaderEntry, metadataName, nameProblem, parseHeader, quote } from "./header.ts";

/** The library's cap on the header: a hostile length must not make a reader allocate. */
const headerCap = 100_000_000;

/** What is written of a tensor: format, shape, and the bytes of its values. */
export interface TensorBytes {
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
}

/** A tensor of a file. Its values are read and decoded, into a new array each time, when asked for. */
export class SafeTensor implements TensorBytes {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly #read: () => Uint8Array;
  readonly #source: string;

  constructor(
    name: string,
    { dtype, shape }: Omit<TensorBytes, "bytes">,
    read: () => Uint8Array,
    source = "safetensors",
  ) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.#read = read;
    this.#source = source;
  }

  /** A view into the file's bytes where they are in memory, else what the file holds now. */
  get bytes(): Uint8Array {
    return this.#read();
  }

  /** The values, exactly, in the narrowest typed array that holds the format (F16 and BF16 as float32). */
  values(): Values {
    return decode(this.dtype, this.bytes);
  }

  /**
   * The values of a tensor of floats: F64 as float64; F32, F16 and BF16 as float32.
   * @throws CheckpointError for integers
   */
  floats(): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
    const values = this.values();
    if (values instanceof Float32Array || values instanceof Float64Array) return values;
    throw this.#error("floats");
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

  #error(expected: string): CheckpointError {
    return new CheckpointError(
      `${this.#source}: tensor ${quote(this.name)} [${this.shape.join(", ")}] is ${this.dtype}; expected ${expected}`,
    );
  }
}

/** What a file holds, in the header's order. */
export interface SafetensorsContent {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Map<string, string>;
}

/**
 * The tensors of a safetensors file.
 * @param bytes the whole file; tensors are views into it
 * @param source names the file in messages
 * @throws CheckpointError for anything that is not exactly such a file
 */
export function parseSafetensors(bytes: Uint8Array, source = "safetensors"): SafetensorsContent {
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (begin: number, end: number): Uint8Array => file.subarray(begin, end);
  const content = contentOf(read, file.length, source);
  for (const tensor of content.tensors.values()) if (tensor.dtype === "BOOL") tensor.bytes; // checks them
  return content;
}

/** The tensors of a file of `size` bytes of which `read` gives the bytes from begin to before end. */
export function contentOf(
  read: (begin: number, end: number) => Uint8Array,
  size: number,
  source: string,
): SafetensorsContent {
  const headerEnd = 8 + headerLength(read(0, Math.min(size, 32)), size, source);
  const { entries, metadata } = parseHeader(read(0, headerEnd), 8, headerEnd, source);
  checkLayout(entries, size - headerEnd, source);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const bytes = (): Uint8Array => {
      const values = read(headerEnd + begin, headerEnd + end);
      if (dtype === "BOOL") checkBooleans(values, name, headerEnd + begin, source);
      return values;
    };
    tensors.set(name, new SafeTensor(name, { dtype, shape }, bytes, source));
  }
  return { tensors, metadata };
}

/** @param start the first bytes of the file, 32 if it has so many; `size`: how many it has in all */
function headerLength(start: Uint8Array, size: number, source: string): number {
  const fail = (problem: string): never => {
    throw new CheckpointError(`${source}: ${problem}${hint(start)} (byte 0)`);
  };
  if (size < 8) fail(`${size} bytes are too few for a safetensors file`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > headerCap) fail(`a header of ${length} bytes is over the cap of ${headerCap}`);
  if (length > size - 8) fail(`the header has ${length} bytes, the file only ${size - 8} after its length`);
  if (length < 2) fail(`a header of ${length} bytes cannot hold {}`);
  return Number(length);
}

/** Other kinds of file under a wrong name, by how they begin. */
const otherFiles: readonly (readonly [string, string])[] = [
  ["PK\x03\x04", "a zip archive, as torch.save writes; convert it with safetensors.torch.save_file"],
  ["\x80\x02", "a Python pickle, as torch.save writes; convert it with safetensors.torch.save_file"],
  ["\x80\x03", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["\x80\x04", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["\x80\x05", "a Python pickle; convert it with safetensors.torch.save_file"],
  ["version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"],
  ["GGUF", "a GGUF file"],
  ["\x89HDF", "an HDF5 file"],
  ["<", "a web page; the download went wrong"],
  ["{", "JSON"],
];

function hint(file: Uint8Array): string {
  const beginning = String.fromCharCode(...file.subarray(0, 32));
  const other = otherFiles.find(([magic]) => beginning.startsWith(magic));
  return other ? `; this looks like ${other[1]}` : "";
}

/** Every tensor has the bytes its shape needs, and together they cover the data once, from end to end. */
function checkLayout(entries: ReadonlyMap<string, HeaderEntry>, dataLength: number, source: string): void {
  const fail = (name: string, problem: string): never => {
    throw new CheckpointError(`${source}: tensor ${quote(name)}: ${problem}`);
  };
  const inFileOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const [name, { dtype, shape, begin, end }] of inFileOrder) {
    const needed = bytesNeeded(dtype, shape);
    if (!Number.isSafeInteger(needed)) fail(name, `shape [${shape.join(", ")}] overflows`);
    if (end - begin !== needed) {
      const given = `data_offsets [${begin}, ${end}] hold ${end - begin}`;
      fail(name, `${dtype} of shape [${shape.join(", ")}] needs ${needed} bytes, ${given}`);
    }
    if (begin !== covered) {
      const problem = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
      fail(name, `${problem}: it begins at byte ${begin} of the data, expected ${covered}`);
    }
    if (end > dataLength) {
      fail(name, `ends at byte ${end} of the data, the file has ${dataLength}; is it cut short?`);
    }
    covered = end;
  }
  if (covered !== dataLength) {
    throw new CheckpointError(`${source}: ${dataLength - covered} bytes follow the last tensor`);
  }
}

/** Bytes of a tensor; not a safe integer when the lengths, those of 0 left out, overflow. */
function bytesNeeded(dtype: Dtype, shape: Shape): number {
  const nonzero = sizeOf(shape.filter((length) => length > 0)) * itemBytes[dtype];
  return shape.includes(0) && Number.isSafeInteger(nonzero) ? 0 : nonzero;
}

function checkBooleans(values: Uint8Array, name: string, offset: number, source: string): void {
  const wrong = values.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  const problem = `BOOL must be 0 or 1; got ${values[wrong]} (byte ${offset + wrong})`;
  throw new CheckpointError(`${source}: tensor ${quote(name)}: ${problem}`);
}

/**
 * A tensor to be written, from its values.
 * @throws ShapeError when `values` are not as many as `shape` says
 * @throws ArgumentError for an integer format and a value that it cannot hold
 */
export function tensorBytes(dtype: WritableDtype, shape: Shape, values: ArrayLike<number>): TensorBytes {
  checkShape("safetensors", shape);
  if (sizeOf(shape) !== values.length) {
    throw new ShapeError("safetensors", "as many values as the shape has", { shape, values: values.length });
  }
  return { dtype, shape: [...shape], bytes: encode(dtype, values) };
}

export interface SafetensorsOptions {
  /** Texts about the file. Default `format: pt`, as PyTorch, transformers and PEFT write and expect. */
  readonly metadata?: ReadonlyMap<string, string>;
  /**
   * "sorted", the default: as the safetensors library does, by format, widest first, then by name. "given": as
   * they come.
   */
  readonly order?: "sorted" | "given";
}

/**
 * A safetensors file.
 * @throws ArgumentError for a name that the reader would refuse, ShapeError for bytes that do not fit a shape
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

/** The file in pieces, header first, so that a large one need not be put together in memory. */
export function safetensorsParts(
  tensors: Iterable<readonly [string, TensorBytes]>,
  { metadata = new Map([["format", "pt"]]), order = "sorted" }: SafetensorsOptions = {},
): Uint8Array[] {
  const entries = [...tensors];
  for (const [name, tensor] of entries) checkWritable(name, tensor);
  const names = new Set(entries.map(([name]) => name));
  if (names.size !== entries.length) {
    const twice = entries.find(([name], i) => entries.findIndex(([other]) => other === name) !== i);
    throw new ArgumentError("safetensors", "distinct names", { twice: twice?.[0] });
  }
  if (order === "sorted") sortAsLibrary(entries);
  return [headerBytes(entries, metadata), ...entries.map(([, { bytes }]) => bytes)];
}

function checkWritable(name: string, { dtype, shape, bytes }: TensorBytes): void {
  const problem = name === metadataName ? "is reserved" : nameProblem(name);
  if (problem) throw new ArgumentError("safetensors", "a name without tricks", { name, problem });
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
  entries: readonly (readonly [string, TensorBytes])[],
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
  for (const [name, { dtype, shape, bytes }] of entries) {
    const end = begin + bytes.length;
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

/** Descending by format, then ascending by name in the order of UTF-8 bytes (tensor.rs, `prepare`). */
function sortAsLibrary(entries: (readonly [string, TensorBytes])[]): void {
  entries.sort(
    ([a, { dtype: aDtype }], [b, { dtype: bDtype }]) =>
      dtypes.indexOf(bDtype) - dtypes.indexOf(aDtype) || compareUtf8(a, b),
  );
}

/** UTF-8 sorts as code points do, JavaScript's strings as UTF-16 units: they differ past U+FFFF. */
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
