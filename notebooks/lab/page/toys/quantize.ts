/** @file Quantizing a tensor block by block with sixteen values, those of a format or a visitor's own. */
import { normalQuantile, random } from "lowrank/core";
import {
  type Codebook,
  codebookFor,
  dequantizeAbsmax,
  dequantizeBlocks,
  quantizeAbsmax,
  quantizeBlocks,
  quantizedBytes,
  unpackNibbles,
} from "lowrank/quant";

/** Weights of the tensor, [128, 128]. */
export const COUNT = 128 * 128;

export const shapes = ["normal", "heavy", "outliers"] as const;
export type Shape = (typeof shapes)[number];

const BOOKS = ["int4", "fp4", "nf4"] as const;
export type Book = (typeof BOOKS)[number];

/**
 * The tensor: independent normal numbers; or of a Student t distribution with 3 degrees of freedom, whose tails are
 * heavy; or normal with one weight in 500 ten times as large.
 */
export function weightsOf(shape: Shape): Float32Array {
  const rng = random(0).split(shape);
  const x = rng.normal(COUNT, 0, 0.02);
  if (shape === "heavy") {
    const [p, q, r] = [rng, rng, rng].map((rng, k) => rng.split(`χ ${k}`).normal(COUNT));
    return x.map((value, i) => value / Math.sqrt((p[i] ** 2 + q[i] ** 2 + r[i] ** 2) / 3));
  }
  if (shape === "outliers") return x.map((value, i) => (i % 500 === 37 ? 10 * value : value));
  return x;
}

/** The sixteen values of a format in ascending order, within [-1, 1]. */
export const valuesOf = (book: Book): number[] =>
  [...codebookFor[book].values].map((value) => Math.max(-1, value)).sort((a, b) => a - b);

export interface Quantization {
  /** The tensor, each weight divided by the largest of its block. */
  readonly scaled: Float32Array;
  /** The constants of the blocks, as dequantizing uses them. */
  readonly absmax: Float32Array;
  /** The same numbers after rounding to the sixteen values, times the constant. */
  readonly restored: Float32Array;
  /** ‖x̂ − x‖ / ‖x‖ */
  readonly error: number;
  /** Entropy of the codes in bits: 4 if all sixteen are equally frequent. */
  readonly entropy: number;
  /** Bits for a weight: 4, and its part of the constants. */
  readonly bits: number;
}

export interface BlockOptions {
  readonly blockSize: number;
  readonly doubleQuant: boolean;
}

/** Quantizes x with a format's values, or with sixteen others. */
export function quantizeWith(
  x: Float32Array,
  values: Book | readonly number[],
  { blockSize, doubleQuant }: BlockOptions,
): Quantization {
  const book: Codebook =
    typeof values === "string"
      ? codebookFor[values]
      : { name: "own", bits: 4, values: Float32Array.from(values) };
  const { packed, absmax: exact } = quantizeBlocks(book, x, blockSize);
  const absmax = doubleQuant ? dequantizeAbsmax(quantizeAbsmax(exact)) : exact;
  const restored = new Float32Array(x.length);
  dequantizeBlocks(book, packed, absmax, blockSize, restored, 0, x.length);
  let [noise, signal] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    noise += (restored[i] - x[i]) ** 2;
    signal += x[i] ** 2;
  }
  const { absmax: bytes } = quantizedBytes([x.length], { format: "nf4", blockSize, doubleQuant });
  return {
    scaled: x.map((value, i) => value / (exact[Math.floor(i / blockSize)] || 1)),
    absmax,
    restored,
    error: Math.sqrt(noise / signal),
    entropy: entropyOf(unpackNibbles(packed, x.length)),
    bits: 4 + (8 * bytes) / x.length,
  };
}

function entropyOf(codes: Uint8Array): number {
  const counts = new Float64Array(16);
  for (const code of codes) counts[code]++;
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / codes.length) * Math.log2(count / codes.length)),
    0,
  );
}

/** How many of the numbers in [-1, 1] lie in each of `bins` equal parts. */
export function histogram(scaled: Float32Array, bins: number): number[] {
  const counts: number[] = Array(bins).fill(0);
  for (const value of scaled) counts[Math.min(bins - 1, Math.floor(((value + 1) / 2) * bins))]++;
  return counts;
}

/** The largest magnitude among B normal numbers, in standard deviations: the median of it, where (2 Φ(t) − 1)^B = ½. */
export const typicalLargest = (blockSize: number): number => normalQuantile((1 + 0.5 ** (1 / blockSize)) / 2);
