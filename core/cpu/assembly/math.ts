/**
 * @file Elementary functions on four float32s at once, without branches. Errors are within 2 ulp where not stated
 * otherwise; NaN stays NaN, and results that overflow or underflow are ±∞, denormal or 0, as they should be.
 */

// @ts-ignore: decorator
@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** a b + c, rounded twice. */
// @ts-ignore: decorator
@inline
export function mulAdd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
}

// @ts-ignore: decorator
@inline
export function select(condition: v128, then: v128, otherwise: v128): v128 {
  return v128.bitselect(then, otherwise, condition);
}

/**
 * eˣ = 2ⁿ eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2; the polynomial for eʳ is that of Cephes' expf.
 * 2ⁿ is applied as two factors, since n reaches from −151 to 128.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // The order of the arguments lets NaN through.
  x = f32x4.pmax(f32x4.pmin(x, splat(89)), splat(-105));
  // Adding 1.5·2²³ rounds to an integer, which is then found in the low bits.
  const shifted = mulAdd(x, splat(1.44269504088896341), splat(12582912));
  const n = f32x4.sub(shifted, splat(12582912));
  let r = f32x4.sub(x, f32x4.mul(n, splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, splat(-2.12194440e-4)));
  let p = mulAdd(r, splat(1.9875691500e-4), splat(1.3981999507e-3));
  p = mulAdd(p, r, splat(8.3334519073e-3));
  p = mulAdd(p, r, splat(4.1665795894e-2));
  p = mulAdd(p, r, splat(1.6666665459e-1));
  p = mulAdd(p, r, splat(5.0000001201e-1));
  p = f32x4.add(mulAdd(p, f32x4.mul(r, r), r), splat(1));
  const integer = i32x4.sub(shifted, i32x4.splat(0x4b400000));
  const half = i32x4.shr_s(integer, 1);
  const one = i32x4.splat(0x3f800000);
  const scale1 = i32x4.add(i32x4.shl(half, 23), one);
  const scale2 = i32x4.add(i32x4.shl(i32x4.sub(integer, half), 23), one);
  return f32x4.mul(f32x4.mul(p, scale1), scale2);
}

/** eˣ for x ≤ 0; results below 2⁻¹²⁶ become 0. NaN stays NaN. */
// @ts-ignore: decorator
@inline
export function expNegative(x: v128): v128 {
  const shifted = mulAdd(f32x4.pmax(x, splat(-87.33654)), splat(1.44269504088896341), splat(12582912));
  const n = f32x4.sub(shifted, splat(12582912));
  let r = f32x4.sub(x, f32x4.mul(n, splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, splat(-2.12194440e-4)));
  let p = mulAdd(r, splat(1.9875691500e-4), splat(1.3981999507e-3));
  p = mulAdd(p, r, splat(8.3334519073e-3));
  p = mulAdd(p, r, splat(4.1665795894e-2));
  p = mulAdd(p, r, splat(1.6666665459e-1));
  p = mulAdd(p, r, splat(5.0000001201e-1));
  p = f32x4.add(mulAdd(p, f32x4.mul(r, r), r), splat(1));
  const scale = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(0x3f800000));
  return v128.andnot(f32x4.mul(p, scale), f32x4.lt(x, splat(-87.33654)));
}

/** ln x = e ln 2 + ln m with √½ ≤ m < √2; Cephes' logf for ln m. */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, splat(1.17549435e-38));
  const bits = select(tiny, f32x4.mul(x, splat(8388608)), x);
  const exponent = i32x4.shr_s(i32x4.sub(bits, i32x4.splat(0x3f3504f3)), 23);
  const m = i32x4.sub(bits, i32x4.shl(exponent, 23));
  const e = f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(tiny, splat(23)));
  const f = f32x4.sub(m, splat(1));
  const z = f32x4.mul(f, f);
  let p = mulAdd(f, splat(7.0376836292e-2), splat(-1.1514610310e-1));
  p = mulAdd(p, f, splat(1.1676998740e-1));
  p = mulAdd(p, f, splat(-1.2420140846e-1));
  p = mulAdd(p, f, splat(1.4249322787e-1));
  p = mulAdd(p, f, splat(-1.6668057665e-1));
  p = mulAdd(p, f, splat(2.0000714765e-1));
  p = mulAdd(p, f, splat(-2.4999993993e-1));
  p = mulAdd(p, f, splat(3.3333331174e-1));
  p = f32x4.mul(f32x4.mul(p, f), z);
  p = mulAdd(e, splat(-2.12194440e-4), p);
  p = f32x4.sub(p, f32x4.mul(z, splat(0.5)));
  let y = mulAdd(e, splat(0.693359375), f32x4.add(f, p));
  y = select(f32x4.eq(x, splat(Infinity)), x, y);
  y = select(f32x4.eq(x, splat(0)), splat(-Infinity), y);
  y = select(f32x4.lt(x, splat(0)), splat(NaN), y);
  return select(f32x4.ne(x, x), x, y);
}

/** ln(1 + x) for 0 ≤ x ≤ 1: ln u · x / (u − 1) with u = 1 + x as rounded, so that the rounding cancels. */
// @ts-ignore: decorator
@inline
function log1pSmall(x: v128): v128 {
  const u = f32x4.add(x, splat(1));
  const d = f32x4.sub(u, splat(1));
  return select(f32x4.eq(d, splat(0)), x, f32x4.mul(log(u), f32x4.div(x, d)));
}

// @ts-ignore: decorator
@inline
export function softplus(x: v128): v128 {
  const tail = log1pSmall(exp(f32x4.neg(f32x4.abs(x))));
  return f32x4.add(f32x4.max(x, splat(0)), tail);
}

/** 1 / (1 + e⁻ˣ), from e = e^−|x| ≤ 1 so that nothing overflows and small results keep their digits. */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const e = expNegative(f32x4.neg(f32x4.abs(x)));
  return f32x4.div(select(f32x4.lt(x, splat(0)), e, splat(1)), f32x4.add(e, splat(1)));
}

// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  return f32x4.mul(x, sigmoid(x));
}

/** s + x s (1 − s), with s = sigmoid(x) and 1 − s = sigmoid(−x). */
// @ts-ignore: decorator
@inline
export function siluGrad(x: v128): v128 {
  const e = expNegative(f32x4.neg(f32x4.abs(x)));
  const r = f32x4.div(splat(1), f32x4.add(e, splat(1)));
  const isNegative = f32x4.lt(x, splat(0));
  const s = f32x4.mul(select(isNegative, e, splat(1)), r);
  const rest = f32x4.mul(select(isNegative, splat(1), e), r);
  return f32x4.mul(s, mulAdd(x, rest, splat(1)));
}

/** Cephes' tanhf: a polynomial below 0.625, 1 − 2/(e^2|x| + 1) above. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = mulAdd(z, splat(-5.70498872745e-3), splat(2.06390887954e-2));
  p = mulAdd(p, z, splat(-5.37397155531e-2));
  p = mulAdd(p, z, splat(1.33314422036e-1));
  p = mulAdd(p, z, splat(-3.33332819422e-1));
  const small = mulAdd(f32x4.mul(p, z), x, x);
  const magnitude = f32x4.abs(x);
  const e = expNegative(f32x4.mul(magnitude, splat(-2)));
  // (1 − e) / (1 + e), e = e^−2|x|
  const large = f32x4.div(f32x4.sub(splat(1), e), f32x4.add(splat(1), e));
  const signed = v128.or(large, v128.and(x, i32x4.splat(0x80000000)));
  return select(f32x4.lt(magnitude, splat(0.625)), small, signed);
}

/**
 * gelu(x) ≈ x/2 (1 + tanh u), u = √(2/π)(x + 0.044715 x³). Since (1 + tanh u)/2 = sigmoid(2u), this is
 * x sigmoid(2u): one exponential, and no cancellation where tanh u → −1.
 */
// @ts-ignore: decorator
@inline
export function geluTanh(x: v128): v128 {
  return f32x4.mul(x, sigmoid(twoU(x)));
}

/** 2u = 2√(2/π) x (1 + 0.044715 x²) */
// @ts-ignore: decorator
@inline
function twoU(x: v128): v128 {
  const z = f32x4.mul(x, x);
  return f32x4.mul(x, mulAdd(z, splat(0.0713548162726), splat(1.59576912161)));
}

/** s + x s (1 − s) 2u′, with s = sigmoid(2u) and 2u′ = 2√(2/π)(1 + 3·0.044715 x²). */
// @ts-ignore: decorator
@inline
export function geluTanhGrad(x: v128): v128 {
  // Beyond ±64 the second term is 0 and its factors would overflow; x − x turns ±∞ into NaN.
  const bounded = f32x4.pmax(f32x4.pmin(x, splat(64)), splat(-64));
  const v = twoU(bounded);
  const e = expNegative(f32x4.neg(f32x4.abs(v)));
  const r = f32x4.div(splat(1), f32x4.add(e, splat(1)));
  const s = f32x4.mul(select(f32x4.lt(v, splat(0)), e, splat(1)), r);
  const slope = mulAdd(f32x4.mul(bounded, bounded), splat(0.214064448818), splat(1.59576912161));
  const product = f32x4.mul(f32x4.mul(bounded, slope), f32x4.mul(e, f32x4.mul(r, r))); // s (1 − s) = e r²
  return f32x4.add(f32x4.add(s, product), f32x4.sub(x, x));
}

/** ln erfc t for t ≥ 0.93, the polynomial in N. Juffa's erff. */
// @ts-ignore: decorator
@inline
function erfcExponent(t: v128): v128 {
  const s = f32x4.mul(t, t);
  let p = mulAdd(t, splat(-1.72853470e-5), splat(3.83197126e-4));
  const q = mulAdd(t, splat(-3.88396438e-3), splat(2.42546219e-2));
  p = mulAdd(p, s, q);
  p = mulAdd(p, t, splat(-1.06777877e-1));
  p = mulAdd(p, t, splat(-6.34846687e-1));
  p = mulAdd(p, t, splat(-1.28717512e-1));
  return f32x4.sub(f32x4.mul(p, t), t);
}

/** erf x for |x| < 0.93, an odd polynomial (N. Juffa's erff). */
// @ts-ignore: decorator
@inline
function erfSmall(x: v128): v128 {
  const s = f32x4.mul(x, x);
  let p = mulAdd(s, splat(-5.96761703e-4), splat(4.99119423e-3));
  p = mulAdd(p, s, splat(-2.67681349e-2));
  p = mulAdd(p, s, splat(1.12819925e-1));
  p = mulAdd(p, s, splat(-3.76125336e-1));
  p = mulAdd(p, s, splat(1.28379166e-1));
  return mulAdd(p, x, x);
}

// @ts-ignore: decorator
@inline
export function erf(x: v128): v128 {
  // From 10.5 on the polynomial in the exponent is no longer small, and erf x is 1 long before.
  const t = f32x4.pmin(f32x4.abs(x), splat(10));
  const large = f32x4.sub(splat(1), expNegative(erfcExponent(t)));
  const signed = v128.or(large, v128.and(x, i32x4.splat(0x80000000)));
  return select(f32x4.gt(t, splat(0.927734375)), signed, erfSmall(x));
}

/** Φ(x) = erfc(−x/√2)/2, the normal distribution function; small values keep their digits. */
// @ts-ignore: decorator
@inline
function phi(x: v128): v128 {
  const scaled = f32x4.mul(x, splat(0.70710678118654752));
  const t = f32x4.pmin(f32x4.abs(scaled), splat(10));
  const tail = f32x4.mul(splat(0.5), expNegative(erfcExponent(t)));
  const large = select(f32x4.lt(x, splat(0)), tail, f32x4.sub(splat(1), tail));
  const small = mulAdd(erfSmall(scaled), splat(0.5), splat(0.5));
  return select(f32x4.gt(t, splat(0.927734375)), large, small);
}

// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  return f32x4.mul(x, phi(x));
}

/** Φ(x) + x φ(x), φ(x) = e^{−x²/2}/√(2π). */
// @ts-ignore: decorator
@inline
export function geluGrad(x: v128): v128 {
  const density = f32x4.mul(expNegative(f32x4.mul(f32x4.mul(x, x), splat(-0.5))), splat(0.39894228040143268));
  return mulAdd(x, density, phi(x));
}

/** −1, 0 or 1 with the sign of zero kept. */
// @ts-ignore: decorator
@inline
export function sign(x: v128): v128 {
  const one = v128.or(v128.and(x, i32x4.splat(0x80000000)), splat(1));
  return select(v128.or(f32x4.lt(x, splat(0)), f32x4.gt(x, splat(0))), one, x);
}

/** To 8 significant bits, ties to even. */
// @ts-ignore: decorator
@inline
export function bfloat16(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), odd);
  return select(f32x4.ne(x, x), x, v128.and(rounded, i32x4.splat(0xffff0000)));
}
