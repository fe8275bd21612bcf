/**
 * @file Packing: copies B into strips of columns and A into contiguous rows, as the tiles read them. All strides are in
 * bytes.
 */

import { widthAt } from "./tiles";

/** Writes the transpose of the 4×4 block at `x`, whose row stride is `xRow`, to `y`, whose row stride is `yRow`. */
// @ts-ignore: decorator
@inline
function transpose4(x: usize, xRow: usize, y: usize, yRow: usize): void {
  const x0 = v128.load(x);
  const x1 = v128.load(x + xRow);
  const x2 = v128.load(x + xRow * 2);
  const x3 = v128.load(x + xRow * 3);
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  v128.store(y, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(y + yRow, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(y + yRow * 2, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(y + yRow * 3, v128.shuffle<i64>(high01, high23, 1, 3));
}

/** Packs the strip of B [k, m] that starts at column `column`. */
export function packStrip(b: usize, bRow: usize, bCol: usize, k: i32, m: i32, column: i32, packed: usize): void {
  const width = widthAt(column, m);
  const row = <usize>width << 2;
  b += <usize>column * bCol;
  if (bCol == 4 && column + 16 <= m) {
    for (let end = packed + <usize>k * row; packed < end; packed += 64, b += bRow) {
      v128.store(packed, v128.load(b));
      v128.store(packed, v128.load(b, 16), 16);
      v128.store(packed, v128.load(b, 32), 32);
      v128.store(packed, v128.load(b, 48), 48);
    }
    return;
  }
  for (let c = 0; c < width; c += 4) {
    const columns = min(4, m - column - c);
    const source = b + <usize>c * bCol;
    const target = packed + (<usize>c << 2);
    let l = 0;
    if (columns == 4 && bCol == 4) {
      for (; l < k; l++) v128.store(target + <usize>l * row, v128.load(source + <usize>l * bRow));
    } else if (columns == 4 && bRow == 4) {
      for (; l + 4 <= k; l += 4) transpose4(source + (<usize>l << 2), bCol, target + <usize>l * row, row);
    }
    for (; l < k; l++) {
      const from = source + <usize>l * bRow;
      const to = target + <usize>l * row;
      for (let i = 0; i < 4; i++) {
        store<f32>(to + (<usize>i << 2), i < columns ? load<f32>(from + <usize>i * bCol) : 0);
      }
    }
  }
}

/** Copies rows [from, to) of A [n, k], so that they are contiguous and start `row` bytes apart. */
export function copyRows(a: usize, aRow: usize, aCol: usize, k: i32, from: i32, to: i32, copy: usize, row: usize): void {
  let l = 0;
  if (aRow == 4) {
    for (; l + 4 <= k; l += 4) {
      const source = a + <usize>l * aCol;
      const target = copy + (<usize>l << 2);
      let i = from;
      for (; i + 4 <= to; i += 4) transpose4(source + (<usize>i << 2), aCol, target + <usize>i * row, row);
      for (; i < to; i++) {
        for (let j: usize = 0; j < 4; j++) {
          store<f32>(target + <usize>i * row + (j << 2), load<f32>(source + (<usize>i << 2) + j * aCol));
        }
      }
    }
  }
  for (let i = from; i < to; i++) {
    for (let j = l; j < k; j++) {
      store<f32>(copy + <usize>i * row + (<usize>j << 2), load<f32>(a + <usize>i * aRow + <usize>j * aCol));
    }
  }
}
