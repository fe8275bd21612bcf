/** @file QuantizedTensor: packed codes with the absmax of their blocks, and the way back to numbers. */

import { Tensor } from "../autograd/index.ts";
import {
  allocateFloats,
  type Codes,
  countFor,
  fromHost,
  QuantizationError,
  type Shape,
  sizeOf,
} from "../core/index.ts";
import { dequantizeBlocks } from "./blockwise.ts";
import { codebookFor, type Format, formats } from "./codebooks.ts";
import { packedLength, unpackNibbles } from "./codes/pack.ts";
import { ABSMAX_BLOCK_SIZE, type DoubleQuantizedAbsmax, dequantizeAbsmax } from "./double-quantization.ts";

/** What a QuantizedTensor is made of, as it is stored. */
export interface QuantizedParts {
  readonly format: Format;
  readonly shape: Shape;
  /** Elements that share an absmax: a power of two from 32 to 4096, or the row's length for `int8-rows`. */
  readonly blockSize: number;
  readonly packed: Uint8Array;
  /** The absmax of each block, quantized itself with double quantization. */
  readonly absmax: Float32Array | DoubleQuantizedAbsmax;
}

export class QuantizedTensor {
  readonly format: Format;
  readonly shape: Shape;
  readonly size: number;
  readonly blockSize: number;
  /** The codes: two to a byte for 4 bits, the earlier in the high half; else one. */
  readonly packed: Uint8Array;
  /** The absmax of each block as it is stored: a float32 a block, or its 8-bit codes with double quantization. */
  readonly storedAbsmax: Float32Array | DoubleQuantizedAbsmax;
  /** What kernels take, of formats of 4 bits. */
  readonly nibbles: Codes | null;

  /**
   * Takes over the parts, made by `quantize` or read from a file. @throws QuantizationError when they do not
   * fit together
   */
  constructor(parts: QuantizedParts) {
    checkParts(parts);
    this.format = parts.format;
    this.shape = [...parts.shape];
    this.size = sizeOf(parts.shape);
    this.blockSize = parts.blockSize;
    this.packed = parts.packed;
    this.storedAbsmax = parts.absmax;
    this.nibbles = codebookFor[this.format].bits === 4 ? nibblesOf(this) : null;
    countFor(this, "quantized", this.bytes);
  }

  /** True if absmax is quantized itself. */
  get doubleQuant(): boolean {
    return !(this.storedAbsmax instanceof Float32Array);
  }

  /** @deprecated Named storedAbsmax now. */
  get constants(): Float32Array | DoubleQuantizedAbsmax {
    return this.storedAbsmax;
  }

  /** A copy of the absmax of each block, as dequantizing uses it: c2, or dequant(c1, c2) with double quantization. */
  get absmax(): Float32Array {
    return this.storedAbsmax instanceof Float32Array
      ? this.storedAbsmax.slice()
      : dequantizeAbsmax(this.storedAbsmax);
  }

  /**
   * Bytes held: codes and absmax. The codebook, 16 or 256 numbers for all tensors together, is not
   * counted.
   */
  get bytes(): number {
    const { packed, storedAbsmax } = this;
    if (storedAbsmax instanceof Float32Array) return packed.byteLength + storedAbsmax.byteLength;
    return packed.byteLength + storedAbsmax.codes.byteLength + storedAbsmax.absmax.byteLength + 4; // and the offset
  }

  /** 8 · bytes / size: for large 4-bit tensors in blocks of 64, 4.5, or 4.127 with double quantization. */
  get bitsPerParameter(): number {
    return this.size === 0 ? 0 : (8 * this.bytes) / this.size;
  }

  /** The code of each element, one to a byte, in row-major order. */
  codes(): Uint8Array {
    return codebookFor[this.format].bits === 4 ? unpackNibbles(this.packed, this.size) : this.packed.slice();
  }

  /** The numbers that the codes stand for, as a dense tensor of the same shape. */
  dequantize(): Tensor {
    return new Tensor(fromHost(this.toArray(), this.shape));
  }

  /** The numbers that the codes stand for, in row-major order. */
  toArray(): Float32Array {
    return this.dequantizeInto(allocateFloats(this.size));
  }

  /**
   * Writes elements start … end - 1, in row-major order, to the front of `target`, and returns it. Any range
   * will do; one that begins and ends with a block is fastest.
   * @throws QuantizationError when the range is not within the tensor or `target` is too short for it
   */
  dequantizeInto(target: Float32Array, start = 0, end = this.size): Float32Array {
    const { packed, storedAbsmax, blockSize } = this;
    const within =
      Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= this.size;
    if (!within || target.length < end - start) {
      throw new QuantizationError(
        `dequantizeInto: expected a range within ${this.size} elements and room for it; got ${start} to ${end}, room for ${target.length}`,
      );
    }
    const first = Math.floor(start / blockSize);
    const absmax =
      storedAbsmax instanceof Float32Array
        ? storedAbsmax.subarray(first)
        : dequantizeAbsmax(storedAbsmax, first, Math.ceil(end / blockSize));
    dequantizeBlocks(codebookFor[this.format], packed, absmax, blockSize, target, start, end);
    return target;
  }
}

const nibblesOf = (q: QuantizedTensor): Codes => ({
  shape: q.shape,
  codes: q.packed,
  values: codebookFor[q.format].values,
  get scales() {
    return q.absmax;
  },
  blockSize: q.blockSize,
});

/** Elements that share an absmax in `int8-rows`. */
export const rowLength = (shape: Shape): number => Math.max(1, shape.at(-1) ?? 1);

/** @throws QuantizationError unless `format` is known and `blockSize` fits it */
export function checkFormat(format: Format, blockSize: number, shape: Shape): void {
  if (!formats.includes(format)) {
    throw new QuantizationError(
      `format: expected one of ${formats.join(", ")}; got ${JSON.stringify(format)}`,
    );
  }
  if (format === "int8-rows") {
    if (blockSize === rowLength(shape)) return;
    throw new QuantizationError(
      `blockSize: expected none for int8-rows, whose blocks are the rows of [${shape.join(", ")}]; got ${blockSize}`,
    );
  }
  const powerOfTwo = Number.isInteger(blockSize) && (blockSize & (blockSize - 1)) === 0;
  if (!powerOfTwo || blockSize < 32 || blockSize > 4096) {
    throw new QuantizationError(`blockSize: expected a power of two from 32 to 4096; got ${blockSize}`);
  }
}

function checkParts({ format, shape, blockSize, packed, absmax }: QuantizedParts): void {
  checkFormat(format, blockSize, shape);
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / blockSize);
  checkCount("packed", packedLength(codebookFor[format].bits, size), packed.length, "bytes");
  if (absmax instanceof Float32Array) {
    checkCount("absmax", blocks, absmax.length, "absmax values");
    if (!absmax.every((value) => value >= 0 && value < Infinity)) throw notMagnitudes("absmax");
    return;
  }
  if (format === "int8-rows") {
    throw new QuantizationError("doubleQuant: expected a block-wise format; got int8-rows, one absmax a row");
  }
  checkCount("double-quantized absmax: codes", blocks, absmax.codes.length, "bytes");
  checkCount(
    "double-quantized absmax: absmax",
    Math.ceil(blocks / ABSMAX_BLOCK_SIZE),
    absmax.absmax.length,
    "values",
  );
  if (!absmax.absmax.every((value) => value >= 0 && value < Infinity))
    throw notMagnitudes("double-quantized absmax: absmax");
  if (!Number.isFinite(absmax.offset)) throw notMagnitudes("double-quantized absmax: offset");
}

function checkCount(what: string, expected: number, got: number, unit: string): void {
  if (got === expected) return;
  throw new QuantizationError(
    `${what}: expected ${expected} ${unit}; got ${got}. The file is cut short, or its shape or block size is not that of the codes`,
  );
}

const notMagnitudes = (what: string) =>
  new QuantizationError(`${what}: expected finite magnitudes; got a NaN, an infinity or a negative number`);
