/**
 * @file The laws of quantization. They are true of numbers whose blocks are all zeros or have an absmax between 10^-30
 * and 10^30, where nothing that matters is lost below or beyond the range of float32.
 *
 *     x [n]   numbers           x̂ = D(Q(x))   dequantized         a   absmax of x's block
 */

import {
  exactly,
  forAll,
  type Guard,
  type Law,
  QuantizationError,
  together,
  within,
} from "../../core/index.ts";
import { codebookFor, type Format, formats } from "../codebooks.ts";
import { packNibbles, unpackNibbles } from "../codes/pack.ts";
import type { QuantizeOptions } from "../options.ts";
import { quantize } from "../quantize.ts";
import type { QuantizedTensor } from "../quantized-tensor.ts";

/** What a law of quantization is tried on: numbers, and how they are quantized. */
export interface QuantizationTrial extends QuantizeOptions {
  readonly x: Float32Array;
}

/** A law and the formats of which it is true. */
export interface FormatLaw extends Law<QuantizationTrial> {
  readonly formats: readonly Format[];
}

/** Those that have both -1 and 1, so that the largest element of a block, whatever its sign, is exact. */
const symmetric = formats.filter((format) => format !== "int8");

/** Relative rounding of float32, and the handful of operations between a number and its dequantized self. */
const ROUNDING = 8 * 2 ** -24;

export const laws = {
  /**
   * The 8-bit dynamic map is left out: it ends at -0.993, so that a block may shrink when quantized again.
   */
  fixedPoint: {
    name: "quantizing again changes nothing",
    statement: "Dequantized numbers have the codes and the absmax that they were dequantized from.",
    equation: "Q(D(Q(x))) = Q(x)",
    formats: symmetric,
    check(trial) {
      const q = once(trial);
      return exactly(same(q, once({ ...trial, x: q.toArray() })));
    },
  },

  zeroExact: {
    name: "zero is exact",
    statement: "A zero is dequantized to zero, with double quantization too.",
    equation: "x_i = 0 ⇒ x̂_i = 0",
    formats,
    check({ x, ...options }) {
      const y = quantize(x, options).toArray();
      return forAll(x.length, (i) => within(x[i] === 0 ? distance(y[i], 0) : 0, 0));
    },
  },

  halfGap: {
    name: "an element is off by half a gap at most",
    statement:
      "An element is off by at most half the gap between the values around it, times its block's absmax.",
    equation: "|x̂_i − x_i| ≤ ½ gap(x_i / a) · a",
    formats,
    check(trial) {
      const { x } = trial;
      const q = once(trial);
      const { absmax } = q;
      const y = q.toArray();
      const values = codebookFor[q.format].values.slice().sort();
      return forAll(x.length, (i) => {
        const a = absmax[Math.floor(i / q.blockSize)];
        return within(distance(y[i], x[i]), (gapAround(values, x[i] / a) / 2 + ROUNDING) * a);
      });
    },
  },

  absmaxExact: {
    name: "the largest element is exact",
    statement: "The elements of largest magnitude in a block are exact.",
    equation: "|x_i| = a ⇒ x̂_i = x_i",
    formats: symmetric,
    check(trial) {
      const { x } = trial;
      const q = once(trial);
      const { absmax } = q;
      const y = q.toArray();
      return forAll(x.length, (i) => {
        const isLargest = Math.abs(x[i]) === absmax[Math.floor(i / q.blockSize)];
        return within(isLargest ? distance(y[i], x[i]) : 0, 0);
      });
    },
  },

  orderPreserved: {
    name: "order is preserved",
    statement: "Within a block a larger number is not dequantized to a smaller one.",
    equation: "x_i ≤ x_j ⇒ x̂_i ≤ x̂_j",
    formats,
    check(trial) {
      const { x } = trial;
      const q = once(trial);
      const y = q.toArray();
      return forAll(q.absmax.length, (b) => {
        const from = b * q.blockSize;
        const ascending = [...x.keys()].slice(from, from + q.blockSize).sort((i, j) => x[i] - x[j]);
        return forAll(ascending.length - 1, (k) =>
          within(Math.max(0, y[ascending[k]] - y[ascending[k + 1]]), 0),
        );
      });
    },
  },

  powersOfTwo: {
    name: "powers of two scale along",
    statement: "Blocks scaled by powers of two keep their codes, and their absmax scales along, exactly.",
    equation: "Q(2ᵏ x) = (codes(x), 2ᵏ a)",
    formats,
    check(trial) {
      const q = once(trial);
      const factor = (b: number) => 2 ** ((b % 7) - 3);
      const scaled = once({ ...trial, x: scaleBlocks(trial.x, q.blockSize, factor) });
      const [a, b] = [q.absmax, scaled.absmax];
      // A short block of zeros is the exception: its absmax is 10^-38 whatever the scale.
      const along = forAll(a.length, (i) => within(a[i] < 1e-30 ? 0 : distance(b[i], a[i] * factor(i)), 0));
      return together(exactly(sameBytes(q.packed, scaled.packed)), along);
    },
  },

  /**
   * For numbers near a midpoint the rounding of the product decides; dequantized numbers are far from all
   * midpoints.
   */
  positiveScaling: {
    name: "positive factors keep codes",
    statement: "Dequantized blocks scaled by any positive factors keep their codes.",
    equation: "codes(c x̂) = codes(x̂), c > 0",
    formats: symmetric,
    check(trial) {
      const q = once(trial);
      const x = scaleBlocks(q.toArray(), q.blockSize, (b) => 3 ** ((b % 7) - 3));
      return exactly(sameBytes(q.packed, once({ ...trial, x }).packed));
    },
  },

  packing: {
    name: "unpacking inverts packing",
    statement: "Unpacking is the inverse of packing, at any length.",
    equation: "unpack(pack(c)) = c",
    formats: ["nf4", "fp4", "int4"],
    check(trial) {
      const q = once(trial);
      const codes = q.codes();
      const packed = packNibbles(codes, codebookFor[q.format].values.indexOf(0));
      return exactly(sameBytes(packed, q.packed) && sameBytes(unpackNibbles(packed, trial.x.length), codes));
    },
  },

  doubleQuantization: {
    name: "double quantization moves absmax alone, by half a gap at most",
    statement:
      "Double quantization leaves the codes, and moves no absmax, hence no element, by more than half the widest " +
      "gap of the 8-bit map times the absmax of its block of absmax.",
    equation: "|â_b − a_b| ≤ ½ gap · c1, |x̂̂_i − x̂_i| ≤ ½ gap · c1",
    formats: formats.filter((format) => format !== "int8-rows"),
    check({ x, ...options }) {
      const [plain, double] = [false, true].map((doubleQuant) => quantize(x, { ...options, doubleQuant }));
      if (double.storedAbsmax instanceof Float32Array) return exactly(false);
      const { absmax: c1, offset } = double.storedAbsmax;
      const bound = (b: number) => {
        const c = c1[Math.floor(b / 256)];
        return (WIDEST_GAP / 2) * c + ROUNDING * (c + Math.abs(offset));
      };
      const [a, â, y, ŷ] = [plain.absmax, double.absmax, plain.toArray(), double.toArray()];
      return together(
        exactly(sameBytes(plain.packed, double.packed)),
        forAll(a.length, (b) => within(distance(â[b], a[b]), bound(b))),
        forAll(y.length, (i) =>
          within(distance(ŷ[i], y[i]), bound(Math.floor(i / plain.blockSize)) + ROUNDING * Math.abs(y[i])),
        ),
      );
    },
  },
} as const satisfies Record<string, FormatLaw>;

export const guard: Guard<QuantizationTrial, FormatLaw> = {
  validate(trial, who) {
    if (!(trial?.x instanceof Float32Array))
      throw new QuantizationError(`${who}: expected x, a Float32Array, in the trial; got ${typeof trial?.x}`);
  },
  exception: (law, { format = "nf4" }) =>
    law.formats.includes(format)
      ? null
      : `applies to ${law.formats.join(", ")}; got format ${JSON.stringify(format)}`,
  error: QuantizationError,
};

/** Of the signed 8-bit dynamic map: a 64th of its uppermost decade, from 0.1 to 1. */
const WIDEST_GAP = 0.9 / 64;

/** The trial's numbers, quantized without double quantization. */
const once = ({ x, ...options }: QuantizationTrial): QuantizedTensor =>
  quantize(x, { ...options, doubleQuant: false });

/** The gap of ascending `values` in which s lies; the outermost one for s beyond the ends. */
function gapAround(values: Float32Array, s: number): number {
  const above = values.findIndex((value) => value >= s);
  const k = above < 0 ? values.length - 1 : Math.max(above, 1);
  return values[k] - values[k - 1];
}

function scaleBlocks(x: Float32Array, blockSize: number, factor: (block: number) => number): Float32Array {
  return x.map((value, i) => value * factor(Math.floor(i / blockSize)));
}

/** |a − b|; NaN is infinitely far from everything. */
function distance(a: number, b: number): number {
  const d = Math.abs(a - b);
  return Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

function same(q: QuantizedTensor, p: QuantizedTensor): boolean {
  const { absmax } = p;
  return sameBytes(q.packed, p.packed) && q.absmax.every((value, b) => value === absmax[b]);
}
