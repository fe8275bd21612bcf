/**
 * @file Rounding to the nearest value of a codebook. The midpoints between neighbours decide, in float32; a
 * number on a midpoint is rounded to the smaller value. A table of cells spares most numbers the search.
 */

import type { Codebook } from "../codebooks.ts";

/** What rounding to a codebook needs, derived from it once. */
export interface Rounding {
  /** Codes in ascending order of their values: the code of rank k is order[k]. */
  readonly order: Uint8Array; // [2^bits]
  /** Midpoints between the values of rank k and k + 1, ascending; the last is Infinity. */
  readonly midpoints: Float32Array; // [2^bits]
  /** The code of 0. */
  readonly zero: number;
  /** The code of -0: that of 0, unless the codebook has both (FP4). */
  readonly minusZero: number;
  /**
   * [-1, 1] is cut into equal cells, `half` of them in [0, 1): s lies in cell ⌊(s + 1) · half⌋. An entry is the
   * code of all numbers in the cell or, if a midpoint lies in it, UNSURE + the least rank in it.
   */
  readonly cells: Uint16Array;
  readonly half: number;
}

/** Entries of cells from here on are ranks to search from, not codes. */
export const UNSURE = 256;

/** The code of s, given the entry of its cell. */
export function nearestCode(rounding: Rounding, s: number, entry: number): number {
  if (entry < UNSURE) return entry;
  if (Object.is(s, -0)) return rounding.minusZero;
  return rounding.order[rankOf(rounding.midpoints, s, entry - UNSURE)];
}

/** The number of midpoints below s, given that there are at least `rank`. */
function rankOf(midpoints: Float32Array, s: number, rank: number): number {
  while (s > midpoints[rank]) rank++;
  return rank;
}

const CELLS_PER_CODE = 256;
/** More than rounding can add to (s + 1) · half: each cell is taken to be wider by this. */
const MARGIN = 2 ** -30;

const cache = new WeakMap<Codebook, Rounding>();

/** The rounding of `codebook`, cached. */
export function roundingOf(codebook: Codebook): Rounding {
  let rounding = cache.get(codebook);
  if (!rounding) {
    rounding = derive(codebook);
    cache.set(codebook, rounding);
  }
  return rounding;
}

function derive({ bits, values }: Codebook): Rounding {
  const order = Uint8Array.from(Array.from(values, (_, code) => code).sort((c, d) => values[c] - values[d]));
  const midpoints = new Float32Array(values.length).fill(Infinity);
  for (let k = 0; k + 1 < values.length; k++) {
    midpoints[k] = Math.fround(values[order[k]] + values[order[k + 1]]) / 2;
  }

  const half = (CELLS_PER_CODE << bits) / 2;
  const cells = new Uint16Array(2 * half + 1);
  let rank = 0;
  for (let cell = 0; cell <= 2 * half; cell++) {
    rank = rankOf(midpoints, cell / half - 1 - MARGIN, rank);
    const last = rankOf(midpoints, (cell + 1) / half - 1, rank);
    cells[cell] = last === rank ? order[rank] : UNSURE + rank;
  }

  const zero = values.indexOf(0);
  const negative = values.findIndex((value) => Object.is(value, -0));
  return { order, midpoints, zero, minusZero: negative < 0 ? zero : negative, cells, half };
}
