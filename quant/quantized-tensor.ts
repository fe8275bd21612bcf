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
import { codebookFor, type Format } from "./codebooks.ts";
import { packedLength, unpackNibbles } from "./codes/pack.ts";
import { ABSMAX_BLOCK_SIZE, type DoubleQuantizedAbsmax, dequantizeAbsmax } from "./double-quantization.ts";
import { checkFormat } from "./options.ts";

/** What a QuantizedTensor is made of, as it is stored. */
export interface QuantizedParts {
  readonly format: Format;
  readonly shape: Shape;
  /** Elements that share an absmax: a power of two from 32 to 4096, or the row's length for `int8-rows`. */
  readonly blockSize: number;
  /** The codes: two to a byte for 4 bits, the earlier in the high half; one to a byte for 8 bits. */
  readonly packed: Uint8Array;
  /** The absmax of each block; with double quantization, its 8-bit codes. */
  readonly absmax: Float32Array | DoubleQuantizedAbsmax;
}

/**
 * A frozen tensor in 4 or 8 bits an element, made by `quantize` or read from a file. It holds the codes and the absmax
 * of each block, and nothing dense: `dequantize` makes a new dense tensor at every call.
 *
 *     const q = quantize(weight, { format: "nf4", blockSize: 64, doubleQuant: true });
 *     q.bytes;              // what it holds
 *     q.dequantize();       // Tensor of q.shape
 */
export class QuantizedTensor {
  readonly format: Format;
  readonly shape: Shape;
  /** The number of elements. */
  readonly size: number;
  /** Elements that share an absmax. */
  readonly blockSize: number;
  /** The codes: two to a byte for 4 bits, the earlier in the high half; one to a byte for 8 bits. */
  readonly packed: Uint8Array;
  /** The absmax of each block as it is stored: a float32 a block, or its 8-bit codes with double quantization. */
  readonly storedAbsmax: Float32Array | DoubleQuantizedAbsmax;
  /** The operand that devices' kernels take, for formats of 4 bits; null for 8 bits. */
  readonly nibbles: Codes | null;

  /**
   * @param parts are kept, not copied
   * @throws QuantizationError if they do not fit together
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

  /** True if the absmax of the blocks is quantized itself. */
  get doubleQuant(): boolean {
    return !(this.storedAbsmax instanceof Float32Array);
  }

  /** A copy of the absmax of each block, as dequantizing uses it: with double quantization, dequant(c1, c2). */
  get absmax(): Float32Array {
    const { storedAbsmax } = this;
    return storedAbsmax instanceof Float32Array ? storedAbsmax.slice() : dequantizeAbsmax(storedAbsmax);
  }

  /** @deprecated Named storedAbsmax now. */
  get constants(): Float32Array | DoubleQuantizedAbsmax {
    return this.storedAbsmax;
  }

  /** Bytes held: codes and absmax. The codebook, 16 or 256 numbers for all tensors together, is not counted. */
  get bytes(): number {
    const { packed, storedAbsmax } = this;
    if (storedAbsmax instanceof Float32Array) return packed.byteLength + storedAbsmax.byteLength;
    return packed.byteLength + storedAbsmax.codes.byteLength + storedAbsmax.absmax.byteLength + 4; // and the offset
  }

  /** 8 · bytes / size: for large 4-bit tensors in blocks of 64, 4.5, or 4.127 with double quantization. */
  get bitsPerParameter(): number {
    return this.size === 0 ? 0 : (8 * this.bytes) / this.size;
  }

  /** A copy of the code of each element, one to a byte, in row-major order. */
  codes(): Uint8Array {
    return codebookFor[this.format].bits === 4 ? unpackNibbles(this.packed, this.size) : this.packed.slice();
  }

  /** The numbers that the codes stand for, as a dense tensor of the same shape (QLoRA, Eq. 6). */
  dequantize(): Tensor {
    return new Tensor(fromHost(this.toArray(), this.shape));
  }

  /** The numbers that the codes stand for, in row-major order. */
  toArray(): Float32Array {
    return this.dequantizeInto(allocateFloats(this.size));
  }

  /**
   * Writes elements start … end - 1, in row-major order, to the front of `target`, and returns `target`. Any range is
   * allowed; one that begins and ends with a block is fastest.
   * @default start: 0, end: size
   * @throws QuantizationError if the range is not within the tensor, or `target` is too short for it
   */
  dequantizeInto(target: Float32Array, start = 0, end = this.size): Float32Array {
    const { packed, storedAbsmax, blockSize } = this;
    const isWithin =
      Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= this.size;
    if (!isWithin || target.length < end - start) {
      throw new QuantizationError(
        `dequantizeInto: expected a range within ${this.size} elements and room for it; got ${start} to ${end}, room for ${target.length}`,
      );
    }
    const first = Math.floor(start / blockSize);
    const absmax =
      storedAbsmax instanceof Float32Array
        ? storedAbsmax.subarray(first)
        : dequantizeAbsmax(storedAbsmax, first, Math.ceil(end / blockSize)); // dequant(c1, c2)
    dequantizeBlocks(codebookFor[this.format], packed, absmax, blockSize, target, start, end); // dequant(…, W)
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

function checkParts({ format, shape, blockSize, packed, absmax }: QuantizedParts): void {
  checkFormat("QuantizedTensor", format, blockSize, shape);
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / blockSize);
  checkCount("packed", packedLength(codebookFor[format].bits, size), "bytes", packed.length);
  if (absmax instanceof Float32Array) {
    checkCount("absmax", blocks, "values", absmax.length);
    checkMagnitudes("absmax", absmax);
    return;
  }
  if (format === "int8-rows") {
    throw new QuantizationError(
      "QuantizedTensor: expected doubleQuant with a block-wise format; got int8-rows, which has one absmax a row",
    );
  }
  const what = "double-quantized absmax";
  checkCount(`${what}: codes`, blocks, "bytes", absmax.codes.length);
  checkCount(`${what}: absmax`, Math.ceil(blocks / ABSMAX_BLOCK_SIZE), "values", absmax.absmax.length);
  checkMagnitudes(`${what}: absmax`, absmax.absmax);
  if (!Number.isFinite(absmax.offset))
    throw new QuantizationError(
      `QuantizedTensor: ${what}: offset: expected a finite number; got ${absmax.offset}`,
    );
}

function checkCount(what: string, expected: number, unit: string, got: number): void {
  if (got === expected) return;
  throw new QuantizationError(
    `QuantizedTensor: ${what}: expected ${expected} ${unit}; got ${got}. The file is cut short, or its shape or block size is not that of the codes`,
  );
}

function checkMagnitudes(what: string, magnitudes: Float32Array): void {
  if (magnitudes.every((value) => value >= 0 && value < Infinity)) return;
  throw new QuantizationError(
    `QuantizedTensor: ${what}: expected finite magnitudes; got a NaN, an infinity or a negative number`,
  );
}
