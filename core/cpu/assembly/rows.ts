/** @file Functions of whole rows or columns: sums and extremes, softmax, normalization, and their backward passes. */

import { argument, float, pointer, start } from "./board";
import { expNegative, select } from "./math";

/** Elements that are summed in float32 before the sum is added to a float64. */
const BLOCK: i32 = 1024;

/** A mask of the first `count` of four lanes. */
// @ts-ignore: decorator
@inline
function lanes(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Writes the first `count` lanes of x, 1 to 3. */
// @ts-ignore: decorator
@inline
function storeLanes(y: usize, x: v128, count: i32): void {
  v128.store_lane<f32>(y, x, 0);
  if (count > 1) v128.store_lane<f32>(y, x, 1, 4);
  if (count > 2) v128.store_lane<f32>(y, x, 2, 8);
}

/** The sum of the four lanes, in float64. */
// @ts-ignore: decorator
@inline
function total(x: v128): f64 {
  return (<f64>f32x4.extract_lane(x, 0) + <f64>f32x4.extract_lane(x, 1)) +
    (<f64>f32x4.extract_lane(x, 2) + <f64>f32x4.extract_lane(x, 3));
}

/** x; 0 where y is 0. */
// @ts-ignore: decorator
@inline
function masked(x: v128, y: v128): v128 {
  return v128.andnot(x, f32x4.eq(y, f32x4.splat(0)));
}

// The terms of a sum, functions of an element x of one row, an element y of another and a constant c.

class Value { @inline f(x: v128, y: v128, c: v128): v128 { return x; } }
class Product { @inline f(x: v128, y: v128, c: v128): v128 { return f32x4.mul(x, y); } }
/** x y; 0 where y is 0, even if x is infinite or NaN. */
class MaskedProduct { @inline f(x: v128, y: v128, c: v128): v128 { return masked(f32x4.mul(x, y), y); } }
class SquaredDistance {
  @inline f(x: v128, y: v128, c: v128): v128 {
    const d = f32x4.sub(x, c);
    return f32x4.mul(d, d);
  }
}
class Distance { @inline f(x: v128, y: v128, c: v128): v128 { return f32x4.sub(x, c); } }
class ExpDistance { @inline f(x: v128, y: v128, c: v128): v128 { return expNegative(f32x4.sub(x, c)); } }

/** Σ f(x, y, c) over n elements. */
function sumOf<F>(x: usize, y: usize, c: f32, n: i32): f64 {
  const f = changetype<F>(0);
  const constant = f32x4.splat(c);
  let sum: f64 = 0;
  let left = n;
  while (left >= 4) {
    const block = min(left, BLOCK) & ~3;
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    const whole = x + (<usize>(block & ~15) << 2);
    const end = x + (<usize>block << 2);
    for (; x < whole; x += 64, y += 64) {
      s0 = f32x4.add(s0, f.f(v128.load(x), v128.load(y), constant));
      s1 = f32x4.add(s1, f.f(v128.load(x, 16), v128.load(y, 16), constant));
      s2 = f32x4.add(s2, f.f(v128.load(x, 32), v128.load(y, 32), constant));
      s3 = f32x4.add(s3, f.f(v128.load(x, 48), v128.load(y, 48), constant));
    }
    for (; x < end; x += 16, y += 16) s0 = f32x4.add(s0, f.f(v128.load(x), v128.load(y), constant));
    sum += total(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    left -= block;
  }
  if (left > 0) sum += total(v128.and(f.f(v128.load(x), v128.load(y), constant), lanes(left)));
  return sum;
}

class Add { @inline f(a: v128, b: v128): v128 { return f32x4.add(a, b); } @inline neutral(): f32 { return 0; } }
class Max { @inline f(a: v128, b: v128): v128 { return f32x4.max(a, b); } @inline neutral(): f32 { return -Infinity; } }
class Min { @inline f(a: v128, b: v128): v128 { return f32x4.min(a, b); } @inline neutral(): f32 { return Infinity; } }

/** The largest or smallest of n elements. */
function extremeOf<F>(x: usize, n: i32): f32 {
  const f = changetype<F>(0);
  let m = f32x4.splat(f.neutral());
  const end = x + (<usize>(n & ~3) << 2);
  for (; x < end; x += 16) m = f.f(m, v128.load(x));
  if (n & 3) m = f.f(m, select(lanes(n & 3), v128.load(x), f32x4.splat(f.neutral())));
  m = f.f(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  m = f.f(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2));
  return f32x4.extract_lane(m, 0);
}

/**
 * Reduces each row of x [rows, n], in pieces of `piece` elements, to y [rows, pieces].
 * Arguments: 0 x, 1 y, 2 rows, 3 n, 4 piece, 5 function (sum, max, min).
 */
export function reduceRows(chunk: i32): void {
  const n = argument(3);
  const piece = argument(4);
  const pieces = (n + piece - 1) / piece;
  const items = argument(2) * pieces;
  const end = start(chunk + 1, items);
  for (let item = start(chunk, items); item < end; item++) {
    const skip = (item % pieces) * piece;
    const length = min(piece, n - skip);
    const x = pointer(0) + ((<usize>(item / pieces) * <usize>n + <usize>skip) << 2);
    let value: f32;
    switch (argument(5)) {
      case 0: value = <f32>sumOf<Value>(x, x, 0, length); break;
      case 1: value = extremeOf<Max>(x, length); break;
      default: value = extremeOf<Min>(x, length);
    }
    store<f32>(pointer(1) + (<usize>item << 2), value);
  }
}

/**
 * y[c] = f over the n rows j of x[j, c], for `columns` columns; `row` is the row stride in bytes. Eight rows at a
 * time.
 */
function reduceDown<F>(x: usize, row: usize, n: i32, y: usize, columns: i32): void {
  const f = changetype<F>(0);
  const bytes = <usize>columns << 2;
  const whole = bytes & ~15;
  for (let at: usize = 0; at < bytes; at += 4) store<f32>(y + at, load<f32>(x + at));
  let j = 1;
  for (; j + 8 <= n; j += 8) {
    const x0 = x + <usize>j * row;
    const x4 = x0 + row * 4;
    for (let at: usize = 0; at < whole; at += 16) {
      const p = x0 + at;
      const q = x4 + at;
      const a = f.f(f.f(v128.load(p), v128.load(p + row)), f.f(v128.load(p + row * 2), v128.load(p + row * 3)));
      const b = f.f(f.f(v128.load(q), v128.load(q + row)), f.f(v128.load(q + row * 2), v128.load(q + row * 3)));
      v128.store(y + at, f.f(v128.load(y + at), f.f(a, b)));
    }
    for (let at = whole; at < bytes; at += 4) {
      let value = v128.load_splat<f32>(y + at);
      for (let r: usize = 0; r < 8; r++) value = f.f(value, v128.load_splat<f32>(x0 + r * row + at));
      v128.store_lane<f32>(y + at, value, 0);
    }
  }
  for (; j < n; j++) {
    const p = x + <usize>j * row;
    for (let at: usize = 0; at < whole; at += 16) v128.store(y + at, f.f(v128.load(y + at), v128.load(p + at)));
    for (let at = whole; at < bytes; at += 4) {
      v128.store_lane<f32>(y + at, f.f(v128.load_splat<f32>(y + at), v128.load_splat<f32>(p + at)), 0);
    }
  }
}

/**
 * Reduces x [outer, n, inner] over blocks of n to y [outer, blocks, inner]. Arguments: 0 x, 1 its outer stride in
 * bytes, 2 its row stride, 3 y, 4 its outer stride, 5 its block stride, 6 outer, 7 n, 8 inner, 9 rows in a block, 10
 * function, 11 columns in a piece: the columns of a block are cut into pieces of so many.
 */
export function reduceColumns(chunk: i32): void {
  const n = argument(7);
  const inner = argument(8);
  const block = argument(9);
  const piece = argument(11);
  const blocks = (n + block - 1) / block;
  const pieces = (inner + piece - 1) / piece;
  const items = argument(6) * blocks * pieces;
  const end = start(chunk + 1, items);
  const row = pointer(2);
  for (let item = start(chunk, items); item < end; item++) {
    const o = <usize>(item / pieces / blocks);
    const b = item / pieces % blocks;
    const column = (item % pieces) * piece;
    const columns = min(piece, inner - column);
    const rows = min(block, n - b * block);
    const x = pointer(0) + o * pointer(1) + <usize>(b * block) * row + (<usize>column << 2);
    const y = pointer(3) + o * pointer(4) + <usize>b * pointer(5) + (<usize>column << 2);
    switch (argument(10)) {
      case 0: reduceDown<Add>(x, row, rows, y, columns); break;
      case 1: reduceDown<Max>(x, row, rows, y, columns); break;
      default: reduceDown<Min>(x, row, rows, y, columns);
    }
  }
}

/** y = f(x, c) for n elements, where f is one of the terms above. */
function mapRow<F>(x: usize, y: usize, c: f32, n: i32): void {
  const f = changetype<F>(0);
  const constant = f32x4.splat(c);
  const end = x + (<usize>(n & ~3) << 2);
  for (; x < end; x += 16, y += 16) v128.store(y, f.f(v128.load(x), constant, constant));
  if (n & 3) storeLanes(y, f.f(v128.load(x), constant, constant), n & 3);
}

/**
 * y = softmax(x) for each row, or its logarithm. Arguments: 0 x, 1 y, 2 rows, 3 n, 4 whether to take the logarithm,
 * 5 queries, 6 the query of the first row: the last queries − 1 − query elements of a row are masked and become 0.
 */
export function softmax(chunk: i32): void {
  const n = argument(3);
  const wantsLog = argument(4) != 0;
  const queries = argument(5);
  const end = start(chunk + 1, argument(2));
  for (let r = start(chunk, argument(2)); r < end; r++) {
    const x = pointer(0) + (<usize>r * <usize>n << 2);
    const y = pointer(1) + (<usize>r * <usize>n << 2);
    const seen = n - queries + 1 + (argument(6) + r) % queries;
    let max = extremeOf<Max>(x, seen);
    if (max == -Infinity) max = 0;
    if (wantsLog) {
      // x − max − log Σ: two roundings of small numbers rather than one of a sum that may be large.
      const logSum = <f32>Math.log(sumOf<ExpDistance>(x, x, max, seen));
      mapRow<Distance>(x, y, max, seen);
      mapRow<Distance>(y, y, logSum, seen);
    } else {
      mapRow<ExpDistance>(x, y, max, seen);
      mapRow<Product>(y, y, <f32>(1 / sumOf<Value>(y, y, 0, seen)), seen);
    }
    for (let at = y + (<usize>seen << 2); at < y + (<usize>n << 2); at += 4) store<f32>(at, 0);
  }
}

/** dX = Y ∘ (dY − Σ dY ∘ Y). Arguments: 0 y, 1 dY, 2 dX, 3 rows, 4 n. */
export function softmaxGrad(chunk: i32): void {
  const n = argument(4);
  const bytes = <usize>n << 2;
  const whole = bytes & ~15;
  const end = start(chunk + 1, argument(3));
  for (let r = start(chunk, argument(3)); r < end; r++) {
    const y = pointer(0) + <usize>r * bytes;
    const g = pointer(1) + <usize>r * bytes;
    const dX = pointer(2) + <usize>r * bytes;
    const dot = f32x4.splat(<f32>sumOf<MaskedProduct>(g, y, 0, n));
    for (let at: usize = 0; at < whole; at += 16) {
      const Y = v128.load(y + at);
      v128.store(dX + at, masked(f32x4.mul(Y, f32x4.sub(v128.load(g + at), dot)), Y));
    }
    if (n & 3) {
      const Y = v128.load(y + whole);
      storeLanes(dX + whole, masked(f32x4.mul(Y, f32x4.sub(v128.load(g + whole), dot)), Y), n & 3);
    }
  }
}

/** x̂ = (x − mean) r with r = 1/√(var + ε). Arguments: 0 x, 1 x̂, 2 r, 3 rows, 4 n, 5 whether to centre, 6 ε. */
export function normalize(chunk: i32): void {
  const n = argument(4);
  const bytes = <usize>n << 2;
  const whole = bytes & ~15;
  const end = start(chunk + 1, argument(3));
  for (let row = start(chunk, argument(3)); row < end; row++) {
    const x = pointer(0) + <usize>row * bytes;
    const xHat = pointer(1) + <usize>row * bytes;
    const centre = argument(5) ? <f32>(sumOf<Value>(x, x, 0, n) / n) : 0;
    const r = <f32>(1 / Math.sqrt(sumOf<SquaredDistance>(x, x, centre, n) / n + <f64>float(6)));
    const mean = f32x4.splat(centre);
    const scale = f32x4.splat(r);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(xHat + at, f32x4.mul(f32x4.sub(v128.load(x + at), mean), scale));
    }
    if (n & 3) storeLanes(xHat + whole, f32x4.mul(f32x4.sub(v128.load(x + whole), mean), scale), n & 3);
    store<f32>(pointer(2) + (<usize>row << 2), r);
  }
}

/**
 * dX = r (dX̂ − mean(dX̂) − x̂ mean(dX̂ ∘ x̂)). Arguments: 0 x̂, 1 r, 2 dX̂, 3 dX, 4 rows, 5 n, 6 whether to centre.
 */
export function normalizeGrad(chunk: i32): void {
  const n = argument(5);
  const bytes = <usize>n << 2;
  const whole = bytes & ~15;
  const end = start(chunk + 1, argument(4));
  for (let row = start(chunk, argument(4)); row < end; row++) {
    const xHat = pointer(0) + <usize>row * bytes;
    const g = pointer(2) + <usize>row * bytes;
    const dX = pointer(3) + <usize>row * bytes;
    const r = v128.load_splat<f32>(pointer(1) + (<usize>row << 2));
    const mean = f32x4.splat(argument(6) ? <f32>(sumOf<Value>(g, g, 0, n) / n) : 0);
    const dot = f32x4.splat(<f32>(sumOf<Product>(g, xHat, 0, n) / n));
    for (let at: usize = 0; at < whole; at += 16) {
      const d = f32x4.sub(f32x4.sub(v128.load(g + at), mean), f32x4.mul(v128.load(xHat + at), dot));
      v128.store(dX + at, f32x4.mul(r, d));
    }
    if (n & 3) {
      const d = f32x4.sub(f32x4.sub(v128.load(g + whole), mean), f32x4.mul(v128.load(xHat + whole), dot));
      storeLanes(dX + whole, f32x4.mul(r, d), n & 3);
    }
  }
}
