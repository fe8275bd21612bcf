/**
 * @file Y = A B for float32 matrices with any strides (all strides here in bytes).
 *
 * The columns of B are cut into strips of 16, the last of 16, 8 or 4, and packed: a strip [k, width] lies in one piece,
 * padded with zeros. A is read in place when its rows are contiguous, else from a copy whose rows are. A tile of Y,
 * 2×16 (4×8, 8×4 on narrow strips), is summed in registers over some steps of k, and added to Y.
 *
 * Every element of Y is summed in the same order whatever the tile, strip or thread it falls to.
 */

import { argument, chunks, pointer, share, start, thread } from "./board";

/** Where each thread puts a tile that does not fit into Y as it is: 32 floats. */
const TILES: usize = 2048;

/** acc + (the float at `x`) · b */
// @ts-ignore: decorator
@inline
function accumulate(acc: v128, x: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(x, b));
}

/** Writes or adds 4 sums. */
// @ts-ignore: decorator
@inline
function put(y: usize, sums: v128, first: bool): void {
  v128.store(y, first ? sums : f32x4.add(v128.load(y), sums));
}

/** `rows` 1 or 2. */
// @ts-ignore: decorator
@inline
function tile16(rows: i32, a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, k: i32, y: usize, yRow: usize, first: bool): void {
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  let a1 = a + aRow;
  for (let l = 0; l < k; l++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    const x0 = v128.load_splat<f32>(a);
    c0 = accumulate(c0, x0, b0);
    c1 = accumulate(c1, x0, b1);
    c2 = accumulate(c2, x0, b2);
    c3 = accumulate(c3, x0, b3);
    a += aCol;
    if (rows > 1) {
      const x1 = v128.load_splat<f32>(a1);
      c4 = accumulate(c4, x1, b0);
      c5 = accumulate(c5, x1, b1);
      c6 = accumulate(c6, x1, b2);
      c7 = accumulate(c7, x1, b3);
      a1 += aCol;
    }
    b += bRow;
  }
  put(y, c0, first);
  put(y + 16, c1, first);
  put(y + 32, c2, first);
  put(y + 48, c3, first);
  if (rows > 1) {
    y += yRow;
    put(y, c4, first);
    put(y + 16, c5, first);
    put(y + 32, c6, first);
    put(y + 48, c7, first);
  }
}

/** `rows` 1 or 4. */
// @ts-ignore: decorator
@inline
function tile8(rows: i32, a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, k: i32, y: usize, yRow: usize, first: bool): void {
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  let a1 = a + aRow;
  let a2 = a1 + aRow;
  let a3 = a2 + aRow;
  for (let l = 0; l < k; l++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load_splat<f32>(a);
    c0 = accumulate(c0, x0, b0);
    c1 = accumulate(c1, x0, b1);
    a += aCol;
    if (rows > 1) {
      const x1 = v128.load_splat<f32>(a1);
      c2 = accumulate(c2, x1, b0);
      c3 = accumulate(c3, x1, b1);
      a1 += aCol;
      const x2 = v128.load_splat<f32>(a2);
      c4 = accumulate(c4, x2, b0);
      c5 = accumulate(c5, x2, b1);
      a2 += aCol;
      const x3 = v128.load_splat<f32>(a3);
      c6 = accumulate(c6, x3, b0);
      c7 = accumulate(c7, x3, b1);
      a3 += aCol;
    }
    b += bRow;
  }
  put(y, c0, first);
  put(y + 16, c1, first);
  if (rows > 1) {
    y += yRow;
    put(y, c2, first);
    put(y + 16, c3, first);
    y += yRow;
    put(y, c4, first);
    put(y + 16, c5, first);
    y += yRow;
    put(y, c6, first);
    put(y + 16, c7, first);
  }
}

/** `rows` 1 or 8. */
// @ts-ignore: decorator
@inline
function tile4(rows: i32, a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, k: i32, y: usize, yRow: usize, first: bool): void {
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  const a2Row = aRow * 2;
  const a3Row = aRow * 3;
  let a4 = a + aRow * 4;
  for (let l = 0; l < k; l++) {
    const b0 = v128.load(b);
    c0 = accumulate(c0, v128.load_splat<f32>(a), b0);
    if (rows > 1) {
      c1 = accumulate(c1, v128.load_splat<f32>(a + aRow), b0);
      c2 = accumulate(c2, v128.load_splat<f32>(a + a2Row), b0);
      c3 = accumulate(c3, v128.load_splat<f32>(a + a3Row), b0);
      c4 = accumulate(c4, v128.load_splat<f32>(a4), b0);
      c5 = accumulate(c5, v128.load_splat<f32>(a4 + aRow), b0);
      c6 = accumulate(c6, v128.load_splat<f32>(a4 + a2Row), b0);
      c7 = accumulate(c7, v128.load_splat<f32>(a4 + a3Row), b0);
      a4 += aCol;
    }
    a += aCol;
    b += bRow;
  }
  put(y, c0, first);
  if (rows > 1) {
    put(y + yRow, c1, first);
    put(y + yRow * 2, c2, first);
    put(y + yRow * 3, c3, first);
    y += yRow * 4;
    put(y, c4, first);
    put(y + yRow, c5, first);
    put(y + yRow * 2, c6, first);
    put(y + yRow * 3, c7, first);
  }
}

/** `rows` rows of a strip of `width` columns, tile by tile. */
function multiplyStrip(rows: i32, width: i32, a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, k: i32, y: usize, yRow: usize, first: bool): void {
  if (width == 16) {
    for (; rows >= 2; rows -= 2, a += aRow * 2, y += yRow * 2) tile16(2, a, aRow, aCol, b, bRow, k, y, yRow, first);
    if (rows) tile16(1, a, aRow, aCol, b, bRow, k, y, yRow, first);
  } else if (width == 8) {
    for (; rows >= 4; rows -= 4, a += aRow * 4, y += yRow * 4) tile8(4, a, aRow, aCol, b, bRow, k, y, yRow, first);
    for (; rows; rows--, a += aRow, y += yRow) tile8(1, a, aRow, aCol, b, bRow, k, y, yRow, first);
  } else {
    for (; rows >= 8; rows -= 8, a += aRow * 8, y += yRow * 8) tile4(8, a, aRow, aCol, b, bRow, k, y, yRow, first);
    for (; rows; rows--, a += aRow, y += yRow) tile4(1, a, aRow, aCol, b, bRow, k, y, yRow, first);
  }
}

/** Width of the strip that starts at column `column` of m. */
// @ts-ignore: decorator
@inline
function widthAt(column: i32, m: i32): i32 {
  const left = m - column;
  return left > 8 ? 16 : left > 4 ? 8 : 4;
}

/**
 * Rows [from, to) and strips [fromStrip, toStrip) of Y, summed over `steps` of k at a time; `adds`: to what Y holds. When
 * B is not packed it is read in place: its columns are contiguous, and what a strip reads to the right of them goes to
 * lanes that nobody keeps.
 */
function multiply(
  a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, isPacked: bool, y: usize, yRow: usize, yCol: usize,
  k: i32, m: i32, steps: i32, adds: bool, from: i32, to: i32, fromStrip: i32, toStrip: i32,
): void {
  const own = TILES + (<usize>thread << 7);
  for (let l = 0; l < k; l += steps) {
    const kSteps = min(steps, k - l);
    const first = l == 0 && !adds;
    for (let strip = fromStrip; strip < toStrip; strip++) {
      const column = strip << 4;
      const width = widthAt(column, m);
      const columns = min(width, m - column);
      const step = isPacked ? <usize>width << 2 : bRow;
      const bTile = b + (<usize>column << 2) * (isPacked ? <usize>k : 1) + <usize>l * step;
      const aStrip = a + <usize>from * aRow + <usize>l * aCol;
      const yStrip = y + <usize>from * yRow + <usize>column * yCol;
      if (columns == width && yCol == 4) {
        multiplyStrip(to - from, width, aStrip, aRow, aCol, bTile, step, kSteps, yStrip, yRow, first);
        continue;
      }
      const tileRows = 32 / width;
      for (let i = 0; i < to - from; i += tileRows) {
        const rows = min(tileRows, to - from - i);
        multiplyStrip(rows, width, aStrip + <usize>i * aRow, aRow, aCol, bTile, step, kSteps, own, <usize>width << 2, true);
        for (let r = 0; r < rows; r++) {
          const source = own + ((<usize>(r * width)) << 2);
          const target = yStrip + <usize>(i + r) * yRow;
          for (let c = 0; c < columns; c++) {
            const at = target + <usize>c * yCol;
            const sum = load<f32>(source + (<usize>c << 2));
            store<f32>(at, first ? sum : load<f32>(at) + sum);
          }
        }
      }
    }
  }
}

/** Writes the transpose of the 4×4 block at `x`, whose rows are `xRow` apart, to `y`, whose rows are `yRow` apart. */
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

/** The strip of B [k, m] that starts at column `column`, to `packed`. */
function packStrip(b: usize, bRow: usize, bCol: usize, k: i32, m: i32, column: i32, packed: usize): void {
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

/** Rows [from, to) of A [n, k], copied so that they are contiguous and `row` apart. */
function copyRows(a: usize, aRow: usize, aCol: usize, k: i32, from: i32, to: i32, copy: usize, row: usize): void {
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

/**
 * Packs B and copies A, before `multiplyTiles`. Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 bCol, 6 n, 7 k, 8 m,
 * 9 packed, 10 copy, 11 distance of its rows, 12 chunks for B; the rest of the chunks are for A.
 */
export function packOperands(chunk: i32): void {
  const k = argument(7);
  const bChunks = argument(12);
  if (chunk < bChunks) {
    const m = argument(8);
    const strips = (m + 15) >> 4;
    const end = share(chunk + 1, bChunks, strips);
    for (let strip = share(chunk, bChunks, strips); strip < end; strip++) {
      const packed = pointer(9) + (<usize>strip * <usize>k << 6);
      packStrip(pointer(3), pointer(4), pointer(5), k, m, strip << 4, packed);
    }
  } else {
    const aChunks = chunks() - bChunks;
    const part = chunk - bChunks;
    const groups = (argument(6) + 3) >> 2;
    const from = share(part, aChunks, groups) << 2;
    const to = min(argument(6), share(part + 1, aChunks, groups) << 2);
    copyRows(pointer(0), pointer(1), pointer(2), k, from, to, pointer(10), pointer(11));
  }
}

/**
 * Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 whether b is packed, 6 y, 7 yRow, 8 yCol, 9 n, 10 k, 11 m, 12 steps of k
 * in a sum, 13 whether to add to y, 14 blocks of rows, 15 blocks of strips: a chunk is one of each.
 */
export function multiplyTiles(chunk: i32): void {
  const n = argument(9);
  const m = argument(11);
  const rowBlocks = argument(14);
  const stripBlocks = argument(15);
  const groups = (n + 7) >> 3;
  const strips = (m + 15) >> 4;
  const i = chunk / stripBlocks;
  const j = chunk % stripBlocks;
  multiply(
    pointer(0), pointer(1), pointer(2), pointer(3), pointer(4), argument(5) != 0, pointer(6), pointer(7), pointer(8),
    argument(10), m, argument(12), argument(13) != 0,
    share(i, rowBlocks, groups) << 3, min(n, share(i + 1, rowBlocks, groups) << 3),
    share(j, stripBlocks, strips), share(j + 1, stripBlocks, strips),
  );
}

/**
 * Many small products, a chunk of them on one thread. Arguments: 0 a, 1 aRow, 2 aCol, 3 b, 4 bRow, 5 bCol, 6 y, 7 yRow,
 * 8 yCol, 9 n, 10 k, 11 m, 12 steps of k in a sum, 13 products, 14 offsets of their As (bytes), 15 of their Bs, 16 of
 * their Ys, 17 workspace, 18 its bytes for each thread, 19 whether A is copied, 20 the distance of the copy's rows,
 * 21 its bytes, 22 whether B is packed.
 */
export function multiplyBatch(chunk: i32): void {
  const aRow = pointer(1);
  const aCol = pointer(2);
  const bRow = pointer(4);
  const bCol = pointer(5);
  const n = argument(9);
  const k = argument(10);
  const m = argument(11);
  const products = argument(13);
  const copy = pointer(17) + <usize>thread * pointer(18);
  const copies = argument(19) != 0;
  const copyRow = pointer(20);
  const packed = copy + pointer(21);
  const packs = argument(22) != 0;
  const strips = (m + 15) >> 4;
  const begin = start(chunk, products);
  const end = start(chunk + 1, products);
  let aBefore: usize = 0;
  let bBefore: usize = 0;
  for (let p = begin; p < end; p++) {
    const a = pointer(0) + load<usize>(pointer(14) + (<usize>p << 2));
    const b = pointer(3) + load<usize>(pointer(15) + (<usize>p << 2));
    const y = pointer(6) + load<usize>(pointer(16) + (<usize>p << 2));
    // A matrix that is repeated along the batch is copied once.
    if (copies && (p == begin || a != aBefore)) copyRows(a, aRow, aCol, k, 0, n, copy, copyRow);
    if (packs && (p == begin || b != bBefore)) {
      for (let s = 0; s < strips; s++) packStrip(b, bRow, bCol, k, m, s << 4, packed + (<usize>s * <usize>k << 6));
    }
    aBefore = a;
    bBefore = b;
    multiply(
      copies ? copy : a, copies ? copyRow : aRow, copies ? 4 : aCol, packs ? packed : b, bRow, packs,
      y, pointer(7), pointer(8), k, m, argument(12), false, 0, n, 0, strips,
    );
  }
}
