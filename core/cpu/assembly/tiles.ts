/**
 * @file Tiles of Y = A B: a few rows and columns whose sums stay in registers. Each function sums a tile over `k`
 * steps and writes it (`first`) or adds it to Y; `multiplyStrip` lays tiles along the rows of a strip of B. All
 * strides are in bytes.
 */

/** acc + (the float at `x`) · b */
// @ts-ignore: decorator
@inline
function accumulate(acc: v128, x: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(x, b));
}

/** Writes four sums to Y if they are the first, else adds them. */
// @ts-ignore: decorator
@inline
function put(y: usize, sums: v128, first: bool): void {
  v128.store(y, first ? sums : f32x4.add(v128.load(y), sums));
}

/** A tile of 1 or 2 rows and 16 columns. `rows` is a constant in every call, so one function compiles to two loops. */
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

/** A tile of 1 or 4 rows and 8 columns. */
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

/** A tile of 1 or 8 rows and 4 columns. */
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

/** Computes `rows` rows of a strip of `width` columns, tile by tile. */
export function multiplyStrip(rows: i32, width: i32, a: usize, aRow: usize, aCol: usize, b: usize, bRow: usize, k: i32, y: usize, yRow: usize, first: bool): void {
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
export function widthAt(column: i32, m: i32): i32 {
  const left = m - column;
  return left > 8 ? 16 : left > 4 ? 8 : 4;
}
