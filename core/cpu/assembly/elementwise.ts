/** @file Elementwise functions of one array and of two, and AdamW: one loop, compiled once for each function. */

import { argument, float, pointer, start } from "./board";
import * as normal from "./erf";
import * as math from "./math";

// A class without fields stands for a function, so that a generic loop can be compiled around it.
class Neg { @inline f(x: v128): v128 { return f32x4.neg(x); } }
class Abs { @inline f(x: v128): v128 { return f32x4.abs(x); } }
class Sign { @inline f(x: v128): v128 { return math.sign(x); } }
class Square { @inline f(x: v128): v128 { return f32x4.mul(x, x); } }
class Sqrt { @inline f(x: v128): v128 { return f32x4.sqrt(x); } }
class Rsqrt { @inline f(x: v128): v128 { return f32x4.div(f32x4.splat(1), f32x4.sqrt(x)); } }
class Reciprocal { @inline f(x: v128): v128 { return f32x4.div(f32x4.splat(1), x); } }
class Exp { @inline f(x: v128): v128 { return math.exp(x); } }
class Log { @inline f(x: v128): v128 { return math.log(x); } }
class Tanh { @inline f(x: v128): v128 { return math.tanh(x); } }
class Sigmoid { @inline f(x: v128): v128 { return math.sigmoid(x); } }
class Softplus { @inline f(x: v128): v128 { return math.softplus(x); } }
class Relu { @inline f(x: v128): v128 { return f32x4.max(x, f32x4.splat(0)); } }
class Step { @inline f(x: v128): v128 { return v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.splat(1)); } }
class Erf { @inline f(x: v128): v128 { return normal.erf(x); } }
class Gelu { @inline f(x: v128): v128 { return normal.gelu(x); } }
class GeluGrad { @inline f(x: v128): v128 { return normal.geluGrad(x); } }
class GeluTanh { @inline f(x: v128): v128 { return math.geluTanh(x); } }
class GeluTanhGrad { @inline f(x: v128): v128 { return math.geluTanhGrad(x); } }
class Silu { @inline f(x: v128): v128 { return math.silu(x); } }
class SiluGrad { @inline f(x: v128): v128 { return math.siluGrad(x); } }
class Floor { @inline f(x: v128): v128 { return f32x4.floor(x); } }
class Bfloat16 { @inline f(x: v128): v128 { return math.bfloat16(x); } }

/** y = f(x) for the groups [from, to) of 16 elements. Every array in the memory is padded to a multiple of 64 bytes. */
function map<F>(x: usize, y: usize, from: i32, to: i32): void {
  const f = changetype<F>(0);
  const end = x + (<usize>to << 6);
  y += <usize>from << 6;
  for (let at = x + (<usize>from << 6); at < end; at += 16, y += 16) v128.store(y, f.f(v128.load(at)));
}

/** y = f(x). Arguments: 0 x, 1 y, 2 number of elements, 3 function. */
export function unary(chunk: i32): void {
  const x = pointer(0);
  const y = pointer(1);
  const groups = (argument(2) + 15) >> 4;
  const from = start(chunk, groups);
  const to = start(chunk + 1, groups);
  switch (argument(3)) {
    case 0: return map<Neg>(x, y, from, to);
    case 1: return map<Abs>(x, y, from, to);
    case 2: return map<Sign>(x, y, from, to);
    case 3: return map<Square>(x, y, from, to);
    case 4: return map<Sqrt>(x, y, from, to);
    case 5: return map<Rsqrt>(x, y, from, to);
    case 6: return map<Reciprocal>(x, y, from, to);
    case 7: return map<Exp>(x, y, from, to);
    case 8: return map<Log>(x, y, from, to);
    case 9: return map<Tanh>(x, y, from, to);
    case 10: return map<Sigmoid>(x, y, from, to);
    case 11: return map<Softplus>(x, y, from, to);
    case 12: return map<Relu>(x, y, from, to);
    case 13: return map<Step>(x, y, from, to);
    case 14: return map<Erf>(x, y, from, to);
    case 15: return map<Gelu>(x, y, from, to);
    case 16: return map<GeluGrad>(x, y, from, to);
    case 17: return map<GeluTanh>(x, y, from, to);
    case 18: return map<GeluTanhGrad>(x, y, from, to);
    case 19: return map<Silu>(x, y, from, to);
    case 20: return map<SiluGrad>(x, y, from, to);
    case 21: return map<Floor>(x, y, from, to);
    case 22: return map<Bfloat16>(x, y, from, to);
  }
}

class Add { @inline f(a: v128, b: v128): v128 { return f32x4.add(a, b); } }
class Sub { @inline f(a: v128, b: v128): v128 { return f32x4.sub(a, b); } }
class Mul { @inline f(a: v128, b: v128): v128 { return f32x4.mul(a, b); } }
class Div { @inline f(a: v128, b: v128): v128 { return f32x4.div(a, b); } }
class Max { @inline f(a: v128, b: v128): v128 { return f32x4.max(a, b); } }
class Min { @inline f(a: v128, b: v128): v128 { return f32x4.min(a, b); } }
class Eq { @inline f(a: v128, b: v128): v128 { return v128.and(f32x4.eq(a, b), f32x4.splat(1)); } }
class Gt { @inline f(a: v128, b: v128): v128 { return v128.and(f32x4.gt(a, b), f32x4.splat(1)); } }
class Ge { @inline f(a: v128, b: v128): v128 { return v128.and(f32x4.ge(a, b), f32x4.splat(1)); } }
class Masked { @inline f(a: v128, b: v128): v128 { return v128.andnot(f32x4.mul(a, b), f32x4.eq(b, f32x4.splat(0))); } }

class First { @inline f(a: v128, b: v128): v128 { return a; } }

/** y = f(a, b) for one row of n elements. An operand that is not wide has one element for the whole row. */
function row<F>(a: usize, aWide: bool, b: usize, bWide: bool, y: usize, n: i32): void {
  const f = changetype<F>(0);
  if (n < 4) {
    for (let end = y + (<usize>n << 2); y < end; y += 4) {
      v128.store_lane<f32>(y, f.f(v128.load_splat<f32>(a), v128.load_splat<f32>(b)), 0);
      if (aWide) a += 4;
      if (bWide) b += 4;
    }
    return;
  }
  // The last four overlap those before them: computing an element twice is harmless.
  const last = (<usize>n << 2) - 16;
  if (aWide && bWide) {
    for (let at: usize = 0; at < last; at += 16) v128.store(y + at, f.f(v128.load(a + at), v128.load(b + at)));
    v128.store(y + last, f.f(v128.load(a + last), v128.load(b + last)));
  } else if (aWide) {
    const one = v128.load_splat<f32>(b);
    for (let at: usize = 0; at < last; at += 16) v128.store(y + at, f.f(v128.load(a + at), one));
    v128.store(y + last, f.f(v128.load(a + last), one));
  } else {
    const one = v128.load_splat<f32>(a);
    for (let at: usize = 0; at < last; at += 16) v128.store(y + at, f.f(one, v128.load(b + at)));
    v128.store(y + last, f.f(one, v128.load(b + last)));
  }
}

/** y = f(a, b) for the rows of a chunk. The operands' rows are found by their strides along three outer axes. */
function zip<F>(chunk: i32): void {
  const a = pointer(0);
  const b = pointer(1);
  const y = pointer(2);
  const n = argument(4);
  const aWide = argument(5) != 0;
  const bWide = argument(6) != 0;
  const n0 = argument(7);
  const n1 = argument(8);
  const n2 = argument(9);
  const rows = n0 * n1 * n2;
  if (rows == 1) {
    const from = start(chunk, (n + 15) >> 4) << 4;
    const to = min(n, start(chunk + 1, (n + 15) >> 4) << 4);
    const skip = <usize>from << 2;
    row<F>(aWide ? a + skip : a, aWide, bWide ? b + skip : b, bWide, y + skip, to - from);
    return;
  }
  const aStride0 = argument(10);
  const aStride1 = argument(11);
  const aStride2 = argument(12);
  const bStride0 = argument(13);
  const bStride1 = argument(14);
  const bStride2 = argument(15);
  const from = start(chunk, rows);
  const to = start(chunk + 1, rows);
  let i2 = from % n2;
  let i1 = (from / n2) % n1;
  let i0 = from / n2 / n1;
  for (let r = from; r < to; r++) {
    const aRow = a + (<usize>(i0 * aStride0 + i1 * aStride1 + i2 * aStride2) << 2);
    const bRow = b + (<usize>(i0 * bStride0 + i1 * bStride1 + i2 * bStride2) << 2);
    row<F>(aRow, aWide, bRow, bWide, y + (<usize>r * <usize>n << 2), n);
    if (++i2 < n2) continue;
    i2 = 0;
    if (++i1 < n1) continue;
    i1 = 0;
    i0++;
  }
}

/**
 * y = f(a, b). Arguments: 0 a, 1 b, 2 y, 3 function, 4 n, 5 and 6 whether a and b are wide, 7–9 three outer lengths,
 * 10–12 a's three strides, 13–15 b's. When all outer lengths are 1, there is one long row, of which each chunk
 * computes a part. With the function `First` the kernel copies a strided view.
 */
export function binary(chunk: i32): void {
  switch (argument(3)) {
    case 0: return zip<Add>(chunk);
    case 1: return zip<Sub>(chunk);
    case 2: return zip<Mul>(chunk);
    case 3: return zip<Div>(chunk);
    case 4: return zip<Max>(chunk);
    case 5: return zip<Min>(chunk);
    case 6: return zip<Eq>(chunk);
    case 7: return zip<Gt>(chunk);
    case 8: return zip<Ge>(chunk);
    case 9: return zip<First>(chunk);
    case 10: return zip<Masked>(chunk);
  }
}

/** Writes the first `count` lanes of x, at most four. */
// @ts-ignore: decorator
@inline
function put(y: usize, x: v128, count: i32): void {
  if (count >= 4) return v128.store(y, x);
  v128.store_lane<f32>(y, x, 0);
  if (count > 1) v128.store_lane<f32>(y, x, 1, 4);
  if (count > 2) v128.store_lane<f32>(y, x, 2, 8);
}

/**
 * One AdamW step on n elements, in place. Arguments: 0 W, 1 G, 2 M, 3 V, 4 n, then numbers: 5 β₁, 6 1 − β₁, 7 β₂, 8 1
 * − β₂, 9 1 − lr λ, 10 the rate, 11 ε. The last two contain the bias corrections, see core/cpu/adam.ts.
 */
export function adam(chunk: i32): void {
  const w = pointer(0);
  const g = pointer(1);
  const m = pointer(2);
  const v = pointer(3);
  const beta1 = f32x4.splat(float(5));
  const rest1 = f32x4.splat(float(6));
  const beta2 = f32x4.splat(float(7));
  const rest2 = f32x4.splat(float(8));
  const keep = f32x4.splat(float(9));
  const rate = f32x4.splat(float(10));
  const eps = f32x4.splat(float(11));
  const bytes = <usize>argument(4) << 2;
  for (let at: usize = 0; at < bytes; at += 16) {
    const G = v128.load(g + at);
    const M = f32x4.add(f32x4.mul(beta1, v128.load(m + at)), f32x4.mul(rest1, G));
    const V = f32x4.add(f32x4.mul(beta2, v128.load(v + at)), f32x4.mul(f32x4.mul(rest2, G), G));
    const step = f32x4.div(f32x4.mul(rate, M), f32x4.add(f32x4.sqrt(V), eps));
    const W = f32x4.sub(f32x4.mul(keep, v128.load(w + at)), step);
    const left = <i32>(bytes - at) >> 2;
    put(m + at, M, left);
    put(v + at, V, left);
    put(w + at, W, left);
  }
}
