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

import { CheckpointError } from "../../errors.ts";
import { bytesNeeded } from "./dtype.ts";
import { type HeaderEntry, headerCap, parseHeader, quote } from "./header.ts";
import { SafeTensor } from "./tensor.ts";

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

function checkBooleans(values: Uint8Array, name: string, offset: number, source: string): void {
  const wrong = values.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  const problem = `BOOL must be 0 or 1; got ${values[wrong]} (byte ${offset + wrong})`;
  throw new CheckpointError(`${source}: tensor ${quote(name)}: ${problem}`);
}
