/**
 * @file A matrix W [out, in] in 4-bit codes, as it lies on a gpu device and as the kernels that dequantize read it. gpu.js has
 * arrays of float32s only, so all of it is in one of those:
 *
 *     16 values, what the codes stand for      16⁰, 16⁻¹ … 16⁻⁵      scales, a row of them for each row      words
 *
 * A word is an integer of six codes, c₀ + 16 c₁ + … + 16⁵ c₅: 24 bits are what a float32 holds exactly, and code d is
 * ⌊word · 16⁻ᵈ⌋ mod 16. Rows of W begin with a word. Blocks run on from row to row, and a row of scales has those of the
 * blocks that its row touches: a block that two rows share is in both. So nothing in the kernel grows with out · in but
 * whole positions.
 *
 * That is 32/6 = 5.33 bits a weight for codes, and 0.5 for the scales of blocks of 64: 5.83 where numbers would be 32.
 * Scales that double quantization has made smaller on the host are float32s here.
 */

import type { NDArray } from "../array/ndarray.ts";
import type { Codes } from "../device/kernels.ts";
import { CODES_PER_WORD, EXACT } from "./kernels.ts";
import { isWithin, type Limits, tooLarge } from "./limits.ts";
import type { Plan } from "./plan.ts";

const POWERS_AT = 16;
const SCALES_AT = POWERS_AT + CODES_PER_WORD;

/** Most columns, so that (column + ½) / 6 is sure to fall between the right integers. Rows are numbered in floats, up to EXACT. */
const COLUMNS = 2 ** 20;

/** Where things are. */
interface Layout {
  /** Float32s that a row of W takes. */
  readonly rowScales: number;
  readonly rowWords: number;
  readonly wordsAt: number;
  readonly length: number;
}

function layoutOf({ shape: [out, inner], blockSize }: Codes): Layout {
  // A row that begins with a block touches ⌈in / blockSize⌉; else the worst has one element in its first block.
  const rowScales = inner % blockSize === 0 ? inner / blockSize : 1 + Math.ceil((inner - 1) / blockSize);
  const rowWords = Math.ceil(inner / CODES_PER_WORD);
  const wordsAt = SCALES_AT + out * rowScales;
  return { rowScales, rowWords, wordsAt, length: wordsAt + out * rowWords };
}

/** W as it lies on the device. */
export function packMatrix(W: Codes): Float32Array {
  const { codes, values, scales, blockSize } = W;
  const [out, inner] = W.shape;
  const { rowScales, rowWords, wordsAt, length } = layoutOf(W);
  const packed = new Float32Array(length);
  packed.set(values);
  for (let d = 0; d < CODES_PER_WORD; d++) packed[POWERS_AT + d] = 16 ** -d;
  for (let row = 0; row < out; row++) {
    const block = Math.floor((row * inner) / blockSize);
    packed.set(scales.subarray(block, block + rowScales), SCALES_AT + row * rowScales);
    for (let column = 0; column < inner; column++) {
      const i = row * inner + column;
      const code = (codes[Math.floor(i / 2)] >> (i % 2 ? 0 : 4)) & 15; // i may pass 2³¹
      packed[wordsAt + row * rowWords + Math.floor(column / CODES_PER_WORD)] +=
        code * 16 ** (column % CODES_PER_WORD);
    }
  }
  return packed;
}

/**
 * The plan of Y = A Wᵀ if `transposed`, else of A W, for A [n, k].
 * @throws DeviceError when the product is beyond `limits`
 */
export function planDequantizeProduct(
  name: string,
  a: NDArray,
  W: Codes,
  transposed: boolean,
  limits: Limits,
): Plan {
  const [out, columns] = W.shape;
  const { rowScales, rowWords, wordsAt, length } = layoutOf(W);
  const [n, inner] = a.shape;
  const m = transposed ? out : columns;
  const output = limits.foldsPlanes ? ([m, n, 1] as const) : ([m, 1, n] as const);
  const exact = columns <= COLUMNS && out <= EXACT;
  if (!exact || !isWithin(limits, output, [a.storage.length, length], inner))
    throw tooLarge(name, limits, `A [${n}, ${inner}] and packed W [${out}, ${columns}]`);
  return {
    kernel: transposed ? "dequantizeProductTransposed" : "dequantizeProduct",
    output,
    arguments: {
      inner,
      aOffset: a.offset,
      aRow: a.strides[0],
      aInner: a.strides[1],
      blockSize: W.blockSize,
      perBlock: 1 / W.blockSize,
      ragged: columns % W.blockSize,
      powersAt: POWERS_AT,
      scalesAt: SCALES_AT,
      rowScales,
      wordsAt,
      rowWords,
    },
  };
}
