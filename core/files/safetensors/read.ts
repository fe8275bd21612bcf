/**
 * @file Reading safetensors, a file format for tensors that cannot contain code
 * (https://github.com/huggingface/safetensors).
 *
 *     8 bytes   n, little-endian
 *     n bytes   header, JSON (see header.ts), padded with spaces to a multiple of 8
 *     the rest  values of the tensors, little-endian and row-major, one after the other, no holes, no overlaps
 *
 * A file that departs from this is refused before any value is read, with a `CheckpointError` that names the tensor
 * or the byte.
 */

import { CheckpointError } from "../../errors.ts";
import { beginning, otherKind } from "../other-kinds.ts";
import { bytesNeeded } from "./dtype.ts";
import { type HeaderEntry, headerCap, parseHeader, quote } from "./header.ts";
import { SafeTensor } from "./tensor.ts";

/** The content of a file, in the order of its header. */
export interface SafetensorsContent {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Map<string, string>;
}

/**
 * Parses a safetensors file: its tensors and metadata.
 * @param bytes the whole file; the tensors are views of it
 * @param source the name of the file, for error messages
 * @throws CheckpointError for anything that is not exactly such a file
 */
export function parseSafetensors(bytes: Uint8Array, source = "safetensors"): SafetensorsContent {
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (begin: number, end: number): Uint8Array => file.subarray(begin, end);
  const content = contentOf(read, file.length, source);
  for (const tensor of content.tensors.values()) if (tensor.dtype === "BOOL") tensor.bytes; // reading them checks them
  return content;
}

/**
 * The content of a file of `size` bytes.
 * @param read returns the bytes of the file from `begin` to before `end`
 */
export function contentOf(
  read: (begin: number, end: number) => Uint8Array,
  size: number,
  source: string,
): SafetensorsContent {
  const headerEnd = 8 + headerLength(read(0, Math.min(size, beginning)), size, source);
  const { entries, metadata } = parseHeader(read(0, headerEnd), 8, headerEnd, source);
  checkLayout(entries, size - headerEnd, source);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const bytes = (from = 0, to = end - begin): Uint8Array => {
      const values = read(headerEnd + begin + from, headerEnd + begin + to);
      if (dtype === "BOOL") checkBooleans(values, name, headerEnd + begin + from, source);
      return values;
    };
    tensors.set(name, new SafeTensor(name, { dtype, shape }, bytes, source));
  }
  return { tensors, metadata };
}

/**
 * The length of the header, from the first 8 bytes.
 * @param start the first bytes of the file, or all of a short one
 * @param size of the whole file
 */
function headerLength(start: Uint8Array, size: number, source: string): number {
  const fail = (problem: string): never => {
    throw new CheckpointError(`${source}: ${problem}${otherKind(start)} (byte 0)`);
  };
  if (size < 8) fail(`${size} bytes are too few for a safetensors file`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > headerCap) fail(`a header of ${length} bytes is over the cap of ${headerCap}`);
  if (length > size - 8)
    fail(`the header has ${length} bytes, the file only ${size - 8} after its length; is it cut short?`);
  if (length < 2) fail(`a header of ${length} bytes cannot hold {}`);
  return Number(length);
}

/**
 * Checks that each tensor has as many bytes as its shape needs, and that they cover the data without holes or
 * overlaps.
 */
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

/** Checks that the bytes of a BOOL tensor are 0 or 1. */
function checkBooleans(values: Uint8Array, name: string, offset: number, source: string): void {
  const wrong = values.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  const problem = `BOOL must be 0 or 1; got ${values[wrong]} (byte ${offset + wrong})`;
  throw new CheckpointError(`${source}: tensor ${quote(name)}: ${problem}`);
}
