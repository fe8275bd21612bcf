/**
 * @file The laws of quantization, each a sentence and a predicate that says whether it holds for given
 * numbers. They are meant for numbers whose blocks are all zeros or have an absmax between 10^-30 and 10^30,
 * where nothing that matters is lost below or beyond the range of float32.
 */

import { bookOf, type Format, formats, type QuantizedTensor } from "../layer/quantized-tensor.ts";
import { packNibbles, unpackNibbles } from "../pack.ts";
import { type QuantizeOptions, quantize } from "../quantize.ts";

export interface QuantizationLaw {
  readonly statement: string;
  /** The formats of which it is true. */
  readonly formats: readonly Format[];
  holds(x: Float32Array, options: QuantizeOptions): boolean;
}

/** Those that have both -1 and 1, so that the largest element of a block, whatever its sign, is exact. */
const symmetric = formats.filter((format) => format !== "int8");

/** Relative rounding of float32, and the handful of operations between a number and its dequantized self. */
const ROUNDING = 8 * 2 ** -24;

export const quantizationLaws = {
  /**
   * The 8-bit dynamic map is left out: it ends at -0.993, so that a block may shrink when quantized again.
   */
  fixedPoint: {
    statement: "quantize ∘ dequantize ∘ quantize = quantize",
    formats: symmetric,
    holds(x, options) {
      const q = quantize(x, single(options));
      return same(q, quantize(q.toArray(), single(options)));
    },
  },

  zeroExact: {
    statement: "zero is exact, with double quantization too",
    formats,
    holds(x, options) {
      const y = quantize(x, options).toArray();
      return x.every((value, i) => value !== 0 || y[i] === 0);
    },
  },

  halfGap: {
    statement:
      "an element is off by at most half the gap between the values around it, times its block's absmax",
    formats,
    holds(x, options) {
      const q = quantize(x, single(options));
      const { absmax } = q;
      const y = q.toArray();
      const values = bookOf[q.format].values.slice().sort();
      return x.every((value, i) => {
        const a = absmax[Math.floor(i / q.blockSize)];
        return Math.abs(y[i] - value) <= (gapAround(values, value / a) / 2 + ROUNDING) * a;
      });
    },
  },

  absmaxExact: {
    statement: "the elements of largest magnitude in a block are exact",
    formats: symmetric,
    holds(x, options) {
      const q = quantize(x, single(options));
      const { absmax } = q;
      const y = q.toArray();
      return x.every((value, i) => Math.abs(value) !== absmax[Math.floor(i / q.blockSize)] || y[i] === value);
    },
  },

  orderPreserved: {
    statement: "within a block, x ≤ y implies dequantized x ≤ dequantized y",
    formats,
    holds(x, options) {
      const q = quantize(x, single(options));
      const y = q.toArray();
      for (let from = 0; from < x.length; from += q.blockSize) {
        const ascending = [...x.keys()].slice(from, from + q.blockSize).sort((i, j) => x[i] - x[j]);
        if (ascending.some((i, k) => k > 0 && y[ascending[k - 1]] > y[i])) return false;
      }
      return true;
    },
  },

  powersOfTwo: {
    statement: "blocks scaled by powers of two keep their codes, and their constants scale along, exactly",
    formats,
    holds(x, options) {
      const q = quantize(x, single(options));
      const factor = (b: number) => 2 ** ((b % 7) - 3);
      const scaled = quantize(scaleBlocks(x, q.blockSize, factor), single(options));
      const { absmax } = scaled;
      // A short block of zeros is the exception: its constant is 10^-38 whatever the scale.
      const along = q.absmax.every((value, b) => absmax[b] === value * factor(b) || value < 1e-30);
      return sameBytes(q.packed, scaled.packed) && along;
    },
  },

  /**
   * For numbers near a midpoint the rounding of the product decides; dequantized numbers are far from all
   * midpoints.
   */
  positiveScaling: {
    statement: "dequantized blocks scaled by any positive factors keep their codes",
    formats: symmetric,
    holds(x, options) {
      const q = quantize(x, single(options));
      const scaled = scaleBlocks(q.toArray(), q.blockSize, (b) => 3 ** ((b % 7) - 3));
      return sameBytes(q.packed, quantize(scaled, single(options)).packed);
    },
  },

  packing: {
    statement: "unpacking is the inverse of packing, at any length",
    formats: ["nf4", "fp4", "int4"],
    holds(x, options) {
      const q = quantize(x, single(options));
      const codes = q.codes();
      const packed = packNibbles(codes, bookOf[q.format].values.indexOf(0));
      return sameBytes(packed, q.packed) && sameBytes(unpackNibbles(packed, x.length), codes);
    },
  },

  doubleQuantization: {
    statement:
      "double quantization leaves the codes, and moves no absmax, hence no element, by more than half the widest " +
      "gap of the 8-bit map times the nested absmax",
    formats: formats.filter((format) => format !== "int8-rows"),
    holds(x, options) {
      const [once, twice] = [false, true].map((doubleQuant) => quantize(x, { ...options, doubleQuant }));
      if (twice.constants instanceof Float32Array) return false;
      const { absmax: nested, offset } = twice.constants;
      const bound = (b: number) => {
        const c1 = nested[Math.floor(b / 256)];
        return (WIDEST_GAP / 2) * c1 + ROUNDING * (c1 + Math.abs(offset));
      };
      const [a, â, y, ŷ] = [once.absmax, twice.absmax, once.toArray(), twice.toArray()];
      return (
        sameBytes(once.packed, twice.packed) &&
        a.every((value, b) => Math.abs(â[b] - value) <= bound(b)) &&
        y.every(
          (value, i) =>
            Math.abs(ŷ[i] - value) <= bound(Math.floor(i / once.blockSize)) + ROUNDING * Math.abs(value),
        )
      );
    },
  },
} satisfies Record<string, QuantizationLaw>;

/** Of the signed 8-bit dynamic map: a 64th of its uppermost decade, from 0.1 to 1. */
const WIDEST_GAP = 0.9 / 64;

const single = (options: QuantizeOptions): QuantizeOptions => ({ ...options, doubleQuant: false });

/** The gap of ascending `values` in which s lies; the outermost one for s beyond the ends. */
function gapAround(values: Float32Array, s: number): number {
  const above = values.findIndex((value) => value >= s);
  const k = above < 0 ? values.length - 1 : Math.max(above, 1);
  return values[k] - values[k - 1];
}

function scaleBlocks(x: Float32Array, blockSize: number, factor: (block: number) => number): Float32Array {
  return x.map((value, i) => value * factor(Math.floor(i / blockSize)));
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

function same(q: QuantizedTensor, p: QuantizedTensor): boolean {
  const { absmax } = p;
  return sameBytes(q.packed, p.packed) && q.absmax.every((value, b) => value === absmax[b]);
}
