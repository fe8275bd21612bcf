/**
 * @file The data types that QLoRA's paper compares, as codebooks, including those that the library has no format for.
 * Rounds to any of them, in blocks, with or without double quantization, and measures the error.
 */
import { normalQuantile as Q, random } from "lowrank/core";
import {
  type Codebook,
  dequantizeAbsmax,
  dequantizeBlocks,
  fp4,
  int4,
  nf4,
  quantizeAbsmax,
  quantizeBlocks,
  unpackNibbles,
} from "lowrank/quant";

/**
 * A 4-bit floating-point format as in the open standards: a sign, `exponents` bits e of exponent, M bits m of fraction,
 * and the bias 2^(exponents - 1) - 1. The values are divided by the largest.
 *
 *     ±(1 + m/2^M) · 2^(e - bias),  and for e = 0  ±m/2^M · 2^(1 - bias)
 */
function float4(name: string, exponents: 2 | 3): Codebook {
  const M = 3 - exponents;
  const bias = 2 ** (exponents - 1) - 1;
  const values = Float32Array.from({ length: 16 }, (_, code) => {
    const e = (code & 7) >> M;
    const fraction = (code & (2 ** M - 1)) / 2 ** M;
    return (code & 8 ? -1 : 1) * (e === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (e - bias));
  });
  const largest = Math.max(...values);
  return { name, bits: 4, values: values.map((value) => value / largest) };
}

/** 0, ½, 1, 1½, 2, 3, 4, 6, each divided by 6, with both signs. */
export const e2m1 = float4("E2M1", 2);
/** 0 and the powers of two from 2⁻² to 2⁴, each divided by 16, with both signs. */
export const e3m0 = float4("E3M0", 3);

/** n evenly spaced numbers after `from`, the last of which is `to`. */
export const evenly = (from: number, to: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => from + ((to - from) * (i + 1)) / n);

/**
 * NF4's construction for k bits: 2^(k-1) quantiles above zero, one less below, and a zero. The outermost probability is
 * the mean of 1 - 1/(2n) for n = 2^k and n = 2^k - 1.
 */
export function normalFloat(k: number): Codebook {
  const n = 2 ** k;
  const outermost = 1 - (1 / (2 * n) + 1 / (2 * (n - 1))) / 2;
  const half = (count: number): number[] => evenly(0.5, outermost, count).map((p) => Q(p) / Q(outermost));
  const [below, above] = [half(n / 2 - 1), half(n / 2)];
  return {
    name: `NF${k}`,
    bits: 4, // a code of 2 or 3 bits is stored in 4
    values: Float32Array.from([...below.map((value) => -value).reverse(), 0, ...above]),
  };
}

/** x divided by the largest magnitude of its block, in ascending order; a last, shorter block is left out. */
export function quotientsOf(x: Float32Array, blockSize: number): Float32Array {
  const whole = x.length - (x.length % blockSize);
  const quotients = new Float32Array(whole);
  for (let from = 0; from < whole; from += blockSize) {
    const block = x.subarray(from, from + blockSize);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    block.forEach((value, i) => {
      quotients[from + i] = value / largest;
    });
  }
  return quotients.sort();
}

/** Sixteen values that are used equally often for these quotients: the medians of sixteen equal parts. */
export function equallyUsed(quotients: Float32Array): Codebook {
  const at = (p: number): number => quotients[Math.floor(p * quotients.length)];
  return {
    name: "equal use",
    bits: 4,
    values: Float32Array.from({ length: 16 }, (_, k) => at((k + 0.5) / 16)),
  };
}

/** The sixteen values with the least squared error, by Lloyd's iteration from those of NF4. */
export function leastSquared(quotients: Float32Array, iterations = 60): Codebook {
  const values = Float64Array.from(nf4.values);
  for (let n = 0; n < iterations; n++) {
    const sums = new Float64Array(16);
    const counts = new Float64Array(16);
    let k = 0;
    for (const q of quotients) {
      while (k < 15 && q > (values[k] + values[k + 1]) / 2) k++;
      sums[k] += q;
      counts[k]++;
    }
    for (k = 0; k < 16; k++) if (counts[k] > 0) values[k] = sums[k] / counts[k];
  }
  return { name: "least error", bits: 4, values: Float32Array.from(values) };
}

/** A way to store numbers. */
export interface DataType {
  readonly name: string;
  readonly book: Codebook;
  /** Bits of a code. */
  readonly bits: number;
  readonly doubleQuant: boolean;
}

const typeOf = (name: string, book: Codebook, doubleQuant = false, bits = 4): DataType => ({
  name,
  book,
  bits,
  doubleQuant,
});

/** The data types of the paper, in the order of its table 2; FP4 is the released code's. */
export const dataTypes: readonly DataType[] = [
  typeOf("Int4", int4),
  typeOf("E2M1", e2m1),
  typeOf("E3M0", e3m0),
  typeOf("FP4", fp4),
  typeOf("NF4", nf4),
  typeOf("NF4 + DQ", nf4, true),
];

/** NF4's construction with fewer bits. */
export const fewer: readonly DataType[] = [
  typeOf("NF3", normalFloat(3), false, 3),
  typeOf("NF2", normalFloat(2), false, 2),
];

/** A codebook as a way to store numbers. */
export const plain = (book: Codebook): DataType => typeOf(book.name, book);

/** Bits per weight, the share of its block's absmax included. */
export const bitsOf = ({ bits, doubleQuant }: DataType, blockSize: number): number =>
  bits + (doubleQuant ? 8 / blockSize + 32 / (256 * blockSize) : 32 / blockSize);

/** Rounds `x` to a data type: the codes, the absmax of each block, the constants as stored, and the rounded numbers. */
export function roundTo({ book, doubleQuant }: DataType, x: Float32Array, blockSize: number) {
  const { packed, absmax } = quantizeBlocks(book, x, blockSize);
  const constants = doubleQuant ? dequantizeAbsmax(quantizeAbsmax(absmax)) : absmax;
  const rounded = new Float32Array(x.length);
  dequantizeBlocks(book, packed, constants, blockSize, rounded, 0, x.length);
  return { codes: unpackNibbles(packed, x.length), absmax, constants, rounded };
}

/** With e the error: mean e², mean |e|, ‖e‖²/‖x‖², 10 log₁₀ of its inverse, and the Shannon entropy of the values. */
export interface RoundingError {
  readonly mse: number;
  readonly mae: number;
  readonly relative: number;
  readonly sqnr: number;
  readonly entropy: number;
}

/** The error of rounding `x` to a data type. */
export function errorOf(type: DataType, x: Float32Array, blockSize: number): RoundingError {
  const { codes, rounded } = roundTo(type, x, blockSize);
  let [square, absolute, signal] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const e = rounded[i] - x[i];
    square += e * e;
    absolute += Math.abs(e);
    signal += x[i] * x[i];
  }
  return {
    mse: square / x.length,
    mae: absolute / x.length,
    relative: square / signal,
    sqnr: 10 * Math.log10(signal / square),
    entropy: entropyOf(codes, type.book),
  };
}

/** Entropy in bits: 4 if all sixteen values are used equally often. Zero with either sign counts as one value. */
function entropyOf(codes: Uint8Array, { values }: Codebook): number {
  const byCode = new Array<number>(values.length).fill(0);
  for (const code of codes) byCode[code]++;
  const byValue = new Map<number, number>();
  byCode.forEach((n, code) => {
    byValue.set(values[code] + 0, (byValue.get(values[code] + 0) ?? 0) + n / codes.length);
  });
  return [...byValue.values()].reduce((sum, p) => (p === 0 ? sum : sum - p * Math.log2(p)), 0);
}

/** How often each code is used, as a share of all. */
export function sharesOf(type: DataType, x: Float32Array, blockSize: number): number[] {
  const counts = new Array<number>(type.book.values.length).fill(0);
  for (const code of roundTo(type, x, blockSize).codes) counts[code] += 1 / x.length;
  return counts;
}

/** Numbers with heavy tails: Student's t with 3 degrees of freedom. */
export function heavyTails(count: number, seed: number): Float32Array {
  const rng = random(seed);
  const [z, a, b, c] = [0, 1, 2, 3].map((part) => rng.split(part).normal(count, 0, 1));
  return z.map((x, i) => x / Math.sqrt((a[i] ** 2 + b[i] ** 2 + c[i] ** 2) / 3));
}

/** The errors of Int4, FP4, E2M1, E3M0 and NF4 for several kinds of numbers and block sizes. */
export function errorsOf(kinds: Readonly<Record<string, Float32Array>>, sizes: readonly number[]) {
  const types = dataTypes.filter(({ doubleQuant }) => !doubleQuant);
  return Object.entries(kinds).flatMap(([numbers, x]) =>
    sizes.flatMap((size) =>
      types.map((type) => ({ numbers, size, type: type.name, sqnr: errorOf(type, x, size).sqnr })),
    ),
  );
}

/** The block sizes at which NF4 has the least error for these numbers. */
export function nf4Best(errors: ReturnType<typeof errorsOf>, numbers: string): number[] {
  const sizes = [...new Set(errors.filter((row) => row.numbers === numbers).map(({ size }) => size))];
  return sizes.filter((size) => bestOf(errors, numbers, size) === "NF4");
}

/** The type with the least error for these numbers in blocks of this size. */
export function bestOf(errors: ReturnType<typeof errorsOf>, numbers: string, size: number): string {
  const here = errors.filter((row) => row.numbers === numbers && row.size === size);
  return here.reduce((a, b) => (b.sqnr > a.sqnr ? b : a)).type;
}

/** Bits per weight and error of NF4 by block size, without and with double quantization. */
export function spentBits(x: Float32Array, sizes: readonly number[]) {
  const rows = dataTypes
    .filter(({ book }) => book === nf4)
    .flatMap((type) =>
      sizes.map((size) => {
        const { mse, sqnr } = errorOf(type, x, size);
        return { type: type.name, size, bits: bitsOf(type, size), mse, sqnr };
      }),
    );
  const at = (name: string, size: number) =>
    rows.find((row) => row.type === name && row.size === size) ?? rows[0];
  /** The decibels by which blocks of 64 with DQ are better than blocks of 256 without, at equal bits. */
  const bought = at("NF4 + DQ", 64).sqnr - at("NF4", 256).sqnr;
  /** The share by which DQ raises the squared error in blocks of 64. */
  const costs = at("NF4 + DQ", 64).mse / at("NF4", 64).mse - 1;
  return { rows, bought, costs };
}
