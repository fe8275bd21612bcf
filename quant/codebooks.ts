/**
 * @file Codebooks: the numbers in [-1, 1] that 4 or 8 bits can stand for, derived here, not typed in.
 *
 * QLoRA: Efficient Finetuning of Quantized LLMs. Dettmers, Pagnoni, Holtzman, Zettlemoyer, 2023,
 * arXiv:2305.14314.
 *
 * Each equals the published float32 constants bit for bit, which requires arithmetic in float32 wherever bitsandbytes
 * computes in it: `fround` below is that rounding, not a precaution.
 */

import { normalQuantile as Q } from "../core/index.ts";

const { fround } = Math;

/** A data type for numbers in [-1, 1]: code c stands for values[c]. */
export interface Codebook {
  readonly name: string;
  /** The length of a code. */
  readonly bits: 4 | 8;
  /** The number that each code stands for. */
  readonly values: Float32Array; // [2^bits]
}

/**
 * `steps` numbers from `start` to `end` in float32, equal to the last bit to those of torch.linspace on common x86
 * machines. They are counted from the nearer end, with product and sum rounded once; but in whole groups of 16, every
 * eight are counted from their first. The published dynamic map shows these roundings.
 */
function linspace(start: number, end: number, steps: number): number[] {
  const [a, b] = [fround(start), fround(end)];
  const step = fround(fround(b - a) / (steps - 1));
  const at = (i: number) => fround(i < steps >> 1 ? a + step * i : b - step * (steps - 1 - i));
  const sixteens = steps - (steps % 16);
  return Array.from({ length: steps }, (_, i) =>
    i < sixteens ? fround(at(i - (i % 8)) + fround(step * (i % 8))) : at(i),
  );
}

/** Sorts the values and divides them by the largest, so that they span [-1, 1]. */
function normalized(values: readonly number[]): Float32Array {
  const ascending = Float32Array.from(values).sort();
  return ascending.map((value) => value / ascending[ascending.length - 1]);
}

/**
 * The outermost probability of NF4. With n equally probable levels the middle of the last has probability
 * 1 - 1/(2n); this is the mean of that for n = 16 and n = 15, one for each half of an asymmetric type
 * (1 - (1/32 + 1/30)/2 = 0.96770833…, of which the released code keeps seven digits).
 */
const NF4_OFFSET = 0.9677083;

/**
 * NF4 as released: quantiles of N(0, 1) at probabilities equally spaced between `NF4_OFFSET` and ½, eight of
 * them for the positive side, seven for the negative, and a zero.
 */
export const nf4: Codebook = {
  name: "nf4",
  bits: 4,
  values: normalized([
    ...linspace(NF4_OFFSET, 0.5, 9).slice(0, 8).map(Q),
    0,
    ...linspace(NF4_OFFSET, 0.5, 8)
      .slice(0, 7)
      .map((p) => -Q(p)),
  ]),
};

/**
 * NF4 as Eq. 4 of the paper defines it. Its values are not quite the published ones, which `nf4` has:
 *
 *     qᵢ = ½ (Q(i/N) + Q((i+1)/N))       N = 2^k + 1       (Eq. 4)
 *
 * A half with n values, zero among them, is i = n … 2n-1 of N = 2n + 1: at k = 4 the negative half has n =
 * 2^(k-1) = 8, so N is Eq. 4's 17; the positive half has one more, 9, so N = 19. Each is divided by its
 * largest, and one of the two zeros is dropped. The outermost averages, 1.38 and 1.44 standard deviations,
 * reach less far into the tail than the released quantile, 1.85, so that after division the inner values lie
 * further out.
 */
export const nf4Equation4: Codebook = {
  name: "nf4 by equation 4",
  bits: 4,
  values: Float32Array.from([
    ...equation4(8)
      .map((q) => -q)
      .reverse(),
    0,
    ...equation4(9),
  ]),
};

/** The n - 1 positive values of a half with n values, ascending to 1. */
function equation4(n: number): number[] {
  const N = 2 * n + 1;
  const q = Array.from({ length: n - 1 }, (_, j) => (Q((n + 1 + j) / N) + Q((n + 2 + j) / N)) / 2); // (Eq. 4)
  return q.map((value) => value / q[n - 2]);
}

/**
 * FP4 as in bitsandbytes: a sign bit, two exponent bits e, one bit of fraction m.
 *
 *     ±(1 + m/2) · 2^(4-e) / 12,  and for e = 0  ±m · 2^-4 / 12
 *
 * A larger e is a smaller number, so that codes do not ascend; code 8 is -0. Not the usual E2M1, whose
 * subnormal is ½ of its smallest normal number where this one is 1/32.
 */
export const fp4: Codebook = {
  name: "fp4",
  bits: 4,
  values: Float32Array.from({ length: 16 }, (_, code) => {
    const [sign, e, m] = [code & 8 ? -1 : 1, (code >> 1) & 3, code & 1];
    return (sign * (e === 0 ? m * 2 ** -4 : (1 + m / 2) * 2 ** (4 - e))) / 12;
  }),
};

/** Int4: -7 … 7 in sevenths, code 8 for zero. Code 0, -8/7, is never written: the type is symmetric. */
export const int4: Codebook = {
  name: "int4",
  bits: 4,
  values: Float32Array.from({ length: 16 }, (_, code) => (code - 8) / 7),
};

/** Int8, as LLM.int8 stores a row (rowwise.ts): the byte in two's complement, in 127ths. */
export const int8: Codebook = {
  name: "int8",
  bits: 8,
  values: Float32Array.from(new Int8Array(256).map((_, byte) => byte)).map((q) => q / 127),
};

/**
 * The 8-bit dynamic map: 8-Bit Approximations for Parallelism in Deep Learning. Dettmers, 2015,
 * arXiv:1511.04561. As many leading zeros as the decade below 1, the remaining bits for the place within it:
 * decade i = 0 … 6, (10^(i-7), 10^(i-6)], is cut into 2^i equal parts (2^(i+1) without a sign) whose middles
 * are the values. 0 and 1 are added.
 *
 * The signed one ends at -0.993, not -1. Double quantization stores absmax in it; the paper calls it "FP8".
 */
function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const edges = linspace(0.1, 1, 2 ** (signed ? i : i + 1) + 1);
    for (let j = 1; j < edges.length; j++) {
      const middle = fround(fround(edges[j - 1] + edges[j]) / 2);
      const value = fround(fround(10 ** (i - 6)) * middle);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}

/** The signed 8-bit dynamic map. */
export const dynamic8: Codebook = { name: "dynamic8", bits: 8, values: dynamicMap(true) };
/** The unsigned 8-bit dynamic map, for numbers that are never negative. */
export const dynamic8Unsigned: Codebook = { name: "dynamic8 unsigned", bits: 8, values: dynamicMap(false) };

/**
 * The 8-bit linear map: 255 numbers from -1 to 1 at equal distances, and a zero before their middle one, which in
 * float32 arithmetic comes out as -4e-9.
 */
export const linear8: Codebook = {
  name: "linear8",
  bits: 8,
  values: Float32Array.from(linspace(-1, 1, 255).toSpliced(127, 0, 0)),
};

/**
 * The formats of `quantize`. `nf4`, `fp4`, `int4`: 4 bits, block-wise. `int8`: the 8-bit dynamic map, block-wise.
 * `int8-rows`: integers with one absmax a row, as in LLM.int8.
 */
export const formats = ["nf4", "fp4", "int4", "int8", "int8-rows"] as const;
export type Format = (typeof formats)[number];

/** The codebook of each format. */
export const codebookFor: Readonly<Record<Format, Codebook>> = {
  nf4,
  fp4,
  int4,
  int8: dynamic8,
  "int8-rows": int8,
};
