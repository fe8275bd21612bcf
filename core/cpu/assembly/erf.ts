/** @file The error function and what is made of it, on four float32s at once: erf, gelu x Φ(x), and its derivative. */

import { abs, at, expNegative, HALF, mulAdd, ONE, polynomial5, select, withSignOf, ZERO } from "./math";

/** N. Juffa's erff: ln erfc t = t p(t) − t for 0.93 < t < 10, and erf x = x + x p(x²) below 0.93. */
const ERFC = memory.data<f32>([
  -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
]);
const ERF = memory.data<f32>([
  -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1,
]);
/** Where the first formula replaces the second; and a bound at which erf is 1 and the polynomial is still accurate. */
const ERF_RANGE = memory.data<f32>([0.927734375, 10]);

/** erfc t */
// @ts-ignore: decorator
@inline
function erfcLarge(t: v128): v128 {
  const p = mulAdd(polynomial5(ERFC, t), t, at(ERFC, 6));
  return expNegative(f32x4.sub(f32x4.mul(p, t), t));
}

/** erf x */
// @ts-ignore: decorator
@inline
export function erf(x: v128): v128 {
  const t = f32x4.pmin(abs(x), at(ERF_RANGE, 1));
  const large = withSignOf(f32x4.sub(at(ONE), erfcLarge(t)), x);
  return select(f32x4.gt(t, at(ERF_RANGE, 0)), large, mulAdd(polynomial5(ERF, f32x4.mul(x, x)), x, x));
}

const NORMAL = memory.data<f32>([0.70710678118654752, 0.39894228040143268]); // 1/√2, 1/√(2π)

/** Φ(x) = erfc(−x/√2)/2, the normal distribution function. Small values keep their digits. */
// @ts-ignore: decorator
@inline
function phi(x: v128): v128 {
  const scaled = f32x4.mul(x, at(NORMAL, 0));
  const t = f32x4.pmin(abs(scaled), at(ERF_RANGE, 1));
  const tail = f32x4.mul(at(HALF), erfcLarge(t));
  const large = select(f32x4.lt(x, at(ZERO)), tail, f32x4.sub(at(ONE), tail));
  const small = mulAdd(polynomial5(ERF, f32x4.mul(scaled, scaled)), scaled, scaled);
  return select(f32x4.gt(t, at(ERF_RANGE, 0)), large, mulAdd(small, at(HALF), at(HALF)));
}

/** x Φ(x) */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  return f32x4.mul(x, phi(x));
}

/** The derivative of gelu: Φ(x) + x φ(x), with φ(x) = e^{−x²/2}/√(2π). */
// @ts-ignore: decorator
@inline
export function geluGrad(x: v128): v128 {
  const density = f32x4.mul(expNegative(f32x4.mul(f32x4.mul(x, x), f32x4.neg(at(HALF)))), at(NORMAL, 1));
  return mulAdd(x, density, phi(x));
}
