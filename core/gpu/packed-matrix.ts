/**
 * @file Packed matrices: the form in which a gpu device stores a matrix W [out, in] of 4-bit codes, and the plan of a
 * product with one. gpu.js has arrays of float32s only, so all of W is in one of those:
 *
 *     16 values, what the codes stand for      16⁰, 16⁻¹ … 16⁻⁵      scales, a row of them for each row      words
 *
 * A word is an integer of six codes, c₀ + 16 c₁ + … + 16⁵ c₅. It has 24 bits, which a float32 holds exactly, and code
 * d is ⌊word · 16⁻ᵈ⌋ mod 16. Each row of W begins with a new word. Blocks continue from row to row; a row of scales
 * has those of the blocks that its row of W touches, so the scale of a block that two rows share is in both. So only
 * the positions in the array, which are integers, grow with out · in, and no float in the kernel does.
 *
 * Codes take 32/6 = 5.33 bits a weight, and the scales of blocks of 64 take 0.5: 5.83 bits instead of a number's 32.
 * Scales that double quantization has compressed on the host are float32s here.
 */

import type { NDArray } from "../array/ndarray.ts";
import type { Codes } from "../device/kernels.ts";
import { CODES_PER_WORD, EXACT } from "./kernels.ts";
import { isWithin, type Limits, tooLarge } from "./limits.ts";
import type { Plan } from "./plan.ts";

const POWERS_AT = 16;
const SCALES_AT = POWERS_AT + CODES_PER_WORD;

/**
 * The most columns for which (column + ½) / 6, rounded to float32, lies between the right integers. Rows are counted in
 * floats, up to EXACT.
 */
const COLUMNS = 2 ** 20;

/** The positions of the parts in the array. */
interface Layout {
  /** Scales, and words, of one row of W. */
  readonly rowScales: number;
  readonly rowWords: number;
  readonly wordsAt: number;
  readonly length: number;
}

function layoutOf({ shape: [out, inner], blockSize }: Codes): Layout {
  // A row that begins with a block touches in / blockSize of them. Others may have a single element in the first.
  const rowScales = inner % blockSize === 0 ? inner / blockSize : 1 + Math.ceil((inner - 1) / blockSize);
  const rowWords = Math.ceil(inner / CODES_PER_WORD);
  const wordsAt = SCALES_AT + out * rowScales;
  return { rowScales, rowWords, wordsAt, length: wordsAt + out * rowWords };
}

/** Packs W for the device. */
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
 * The plan of Y = A Wᵀ if `transposed`, else of Y = A W. A is [n, k].
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
