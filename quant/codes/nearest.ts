/**
 * @file Rounding to the nearest value of a codebook. The midpoints between neighbours decide, in float32; a
 * number on a midpoint takes the smaller value. A table of cells saves most numbers the search.
 */

import type { Codebook } from "../codebooks.ts";

export interface Rounding {
  /** Codes in ascending order of their values: the code of rank k is order[k]. */
  readonly order: Uint8Array; // [2^bits]
  /** Midpoints between the values of rank k and k + 1, ascending, and at last Infinity. */
  readonly midpoints: Float32Array; // [2^bits]
  /** The code of 0; and of -0, which is another where a codebook has both (FP4). */
  readonly zero: number;
  readonly minusZero: number;
  /**
   * [-1, 1] cut into equal cells, `half` of them in [0, 1): s lies in cell ⌊(s + 1) · half⌋. An entry is the
   * code of all numbers in the cell or, where a midpoint runs through it, UNSURE + the least rank in it.
   */
  readonly cells: Uint16Array;
  readonly half: number;
}

export const UNSURE = 256;

/** The code of s, where `entry` is that of its cell. */
export function nearestCode(rounding: Rounding, s: number, entry: number): number {
  if (entry < UNSURE) return entry;
  if (Object.is(s, -0)) return rounding.minusZero;
  return rounding.order[rankOf(rounding.midpoints, s, entry - UNSURE)];
}

/** How many midpoints lie below s, if at least `rank` do. */
function rankOf(midpoints: Float32Array, s: number, rank: number): number {
  while (s > midpoints[rank]) rank++;
  return rank;
}

const CELLS_PER_CODE = 256;
/** More than what rounding can add to (s + 1) · half: a cell counts as wider by that much. */
const MARGIN = 2 ** -30;

const known = new WeakMap<Codebook, Rounding>();

/** The rounding of `codebook`, worked out once. */
export function roundingOf(codebook: Codebook): Rounding {
  let rounding = known.get(codebook);
  if (!rounding) {
    rounding = derive(codebook);
    known.set(codebook, rounding);
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
