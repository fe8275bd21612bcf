/**
 * @file Elementary functions on four float32s at once, without branches: exp, log, tanh, the sigmoid and what is made
 * of them. Errors are within 2 ulp unless a function says otherwise; NaN stays NaN, and results that overflow or
 * underflow are ±∞, denormal or 0, as they should be.
 *
 * Constants are in memory, because engines load one in one instruction but need three to build it: that halves the
 * time.
 */

/** Constant number `index` of a list, in all four lanes. */
// @ts-ignore: decorator
@inline
export function at(constants: usize, index: usize = 0): v128 {
  return v128.load32_splat(constants + (index << 2));
}

/** a b + c, rounded twice. */
// @ts-ignore: decorator
@inline
export function mulAdd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
}

// Polynomials; the coefficient of the highest power is first. Even and odd powers are summed separately (Estrin's
// scheme): every operation waits for the one before it, and this makes the chain of operations shorter.

/** c₀ x + c₁, with the coefficients number `index` and `index` + 1. */
// @ts-ignore: decorator
@inline
function linear(c: usize, index: usize, x: v128): v128 {
  return mulAdd(x, at(c, index), at(c, index + 1));
}

// @ts-ignore: decorator
@inline
function polynomial4(c: usize, x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  return mulAdd(mulAdd(x2, at(c, 0), linear(c, 1, x)), x2, linear(c, 3, x));
}

// @ts-ignore: decorator
@inline
export function polynomial5(c: usize, x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  return mulAdd(mulAdd(linear(c, 0, x), x2, linear(c, 2, x)), x2, linear(c, 4, x));
}

// @ts-ignore: decorator
@inline
function polynomial8(c: usize, x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  const high = mulAdd(mulAdd(x2, at(c, 0), linear(c, 1, x)), x2, linear(c, 3, x));
  return mulAdd(high, f32x4.mul(x2, x2), mulAdd(linear(c, 5, x), x2, linear(c, 7, x)));
}

/** In each lane `then` where the condition's bits are 1, `otherwise` where they are 0. */
// @ts-ignore: decorator
@inline
export function select(condition: v128, then: v128, otherwise: v128): v128 {
  return v128.bitselect(then, otherwise, condition);
}

export const ZERO = memory.data<f32>([0]);
export const HALF = memory.data<f32>([0.5]);
export const ONE = memory.data<f32>([1]);
const INFINITE = memory.data<f32>([Infinity]);
const SIGN_BIT = memory.data<u32>([0x80000000]);

const LOG2_E = memory.data<f32>([1.44269504088896341]);
/** ln 2 in two parts, of which the first has so few digits that its multiples are exact. */
const LN_2 = memory.data<f32>([0.693359375, -2.12194440e-4]);
/** 1.5·2²³: adding it rounds to an integer, which is then in the low bits. */
const ROUNDER = memory.data<f32>([12582912]);

// @ts-ignore: decorator
@inline
export function abs(x: v128): v128 {
  return v128.andnot(x, at(SIGN_BIT));
}

/** −|x| */
// @ts-ignore: decorator
@inline
function negativeAbs(x: v128): v128 {
  return v128.or(x, at(SIGN_BIT));
}

// @ts-ignore: decorator
@inline
export function withSignOf(magnitude: v128, x: v128): v128 {
  return v128.or(magnitude, v128.and(x, at(SIGN_BIT)));
}

/** (eʳ − 1 − r)/r² for |r| ≤ ln 2 / 2, from Cephes' expf. */
const EXP = memory.data<f32>([
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
]);
/** Beyond these eˣ is ∞ or 0. */
const EXP_RANGE = memory.data<f32>([89, -105]);
/** ln 2⁻¹²⁶: below it eˣ is not a normal number. */
const NORMAL_EXP = memory.data<f32>([-87.33654]);

/** eʳ, where x = n ln 2 + r. */
// @ts-ignore: decorator
@inline
function expRest(x: v128, n: v128): v128 {
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, at(LN_2, 0))), f32x4.mul(n, at(LN_2, 1)));
  return f32x4.add(mulAdd(polynomial5(EXP, r), f32x4.mul(r, r), r), at(ONE));
}

/** eˣ = 2ⁿ eʳ with n = round(x / ln 2). 2ⁿ is applied as two factors, since n reaches from −151 to 128. */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // In this order of arguments pmin and pmax keep NaN.
  x = f32x4.pmax(f32x4.pmin(x, at(EXP_RANGE, 0)), at(EXP_RANGE, 1));
  const shifted = mulAdd(x, at(LOG2_E), at(ROUNDER));
  const rest = expRest(x, f32x4.sub(shifted, at(ROUNDER)));
  const n = i32x4.sub(shifted, at(ROUNDER));
  const half = i32x4.shr_s(n, 1);
  const scale1 = i32x4.add(i32x4.shl(half, 23), at(ONE));
  const scale2 = i32x4.add(i32x4.shl(i32x4.sub(n, half), 23), at(ONE));
  return f32x4.mul(f32x4.mul(rest, scale1), scale2);
}

/** eˣ for x ≤ 0; results below 2⁻¹²⁶ become 0. */
// @ts-ignore: decorator
@inline
export function expNegative(x: v128): v128 {
  const shifted = mulAdd(f32x4.pmax(x, at(NORMAL_EXP)), at(LOG2_E), at(ROUNDER));
  const rest = expRest(x, f32x4.sub(shifted, at(ROUNDER)));
  const scale = i32x4.add(i32x4.shl(shifted, 23), at(ONE));
  return v128.andnot(f32x4.mul(rest, scale), f32x4.lt(x, at(NORMAL_EXP)));
}

/** (ln(1 + f) − f + f²/2)/f³ for √½ ≤ 1 + f < √2, from Cephes' logf. */
const LOG = memory.data<f32>([
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
]);
/** The smallest normal number, 2²³ and 23: smaller numbers are multiplied by 2²³ first, and 23 is subtracted from e. */
const LEAST = memory.data<f32>([1.17549435e-38, 8388608, 23]);
const SQRT_HALF_BITS = memory.data<u32>([0x3f3504f3]);

/** e ln 2 + ln(1 + f) for √½ ≤ 1 + f < √2. */
// @ts-ignore: decorator
@inline
function logOf(e: v128, f: v128): v128 {
  const z = f32x4.mul(f, f);
  const p = mulAdd(e, at(LN_2, 1), f32x4.mul(f32x4.mul(polynomial8(LOG, f), f), z));
  return mulAdd(e, at(LN_2, 0), f32x4.add(f, f32x4.sub(p, f32x4.mul(z, at(HALF)))));
}

// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  const isTiny = f32x4.lt(x, at(LEAST, 0));
  const bits = select(isTiny, f32x4.mul(x, at(LEAST, 1)), x);
  const exponent = i32x4.shr_s(i32x4.sub(bits, at(SQRT_HALF_BITS)), 23);
  const f = f32x4.sub(i32x4.sub(bits, i32x4.shl(exponent, 23)), at(ONE));
  let y = logOf(f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(isTiny, at(LEAST, 2))), f);
  y = select(f32x4.eq(x, at(INFINITE)), x, y);
  y = select(f32x4.eq(x, at(ZERO)), f32x4.neg(at(INFINITE)), y);
  // NaN where x is negative or NaN.
  return v128.or(y, v128.not(f32x4.ge(x, at(ZERO))));
}

const SQRT_2 = memory.data<f32>([1.41421356237309505]);

/** ln(1 + x) for 0 ≤ x ≤ 1: ln u · x / (u − 1) with u = 1 + x as rounded, so that the rounding cancels. */
// @ts-ignore: decorator
@inline
function log1pSmall(x: v128): v128 {
  const u = f32x4.add(x, at(ONE));
  const d = f32x4.sub(u, at(ONE));
  const isHigh = f32x4.gt(u, at(SQRT_2));
  const f = select(isHigh, f32x4.sub(f32x4.mul(u, at(HALF)), at(ONE)), d);
  const y = f32x4.mul(logOf(v128.and(isHigh, at(ONE)), f), f32x4.div(x, d));
  return select(f32x4.eq(d, at(ZERO)), x, y);
}

// @ts-ignore: decorator
@inline
export function softplus(x: v128): v128 {
  return f32x4.add(f32x4.max(x, at(ZERO)), log1pSmall(exp(negativeAbs(x))));
}

/** 1 / (1 + e⁻ˣ), from e = e^−|x| ≤ 1 so that nothing overflows and small results keep their digits. */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const e = expNegative(negativeAbs(x));
  return f32x4.div(select(f32x4.lt(x, at(ZERO)), e, at(ONE)), f32x4.add(e, at(ONE)));
}

// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  return f32x4.mul(x, sigmoid(x));
}

/** s + x s (1 − s), with s = sigmoid(x) and s (1 − s) = e / (1 + e)². */
// @ts-ignore: decorator
@inline
export function siluGrad(x: v128): v128 {
  const e = expNegative(negativeAbs(x));
  const r = f32x4.div(at(ONE), f32x4.add(e, at(ONE)));
  const s = f32x4.mul(select(f32x4.lt(x, at(ZERO)), e, at(ONE)), r);
  return mulAdd(x, f32x4.mul(e, f32x4.mul(r, r)), s);
}

/** (tanh x − x)/x³ as a polynomial in x², for |x| < 0.625, from Cephes' tanhf. */
const TANH = memory.data<f32>([
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
]);
const TANH_SMALL = memory.data<f32>([0.625]);
const MINUS_TWO = memory.data<f32>([-2]);

/** (1 − e)/(1 + e) with e = e^−2|x|, and a polynomial where that would cancel. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const z = f32x4.mul(x, x);
  const small = mulAdd(f32x4.mul(polynomial4(TANH, z), z), x, x);
  const e = expNegative(f32x4.mul(abs(x), at(MINUS_TWO)));
  const large = f32x4.div(f32x4.sub(at(ONE), e), f32x4.add(at(ONE), e));
  return select(f32x4.lt(abs(x), at(TANH_SMALL)), small, withSignOf(large, x));
}

/** 2√(2/π) times 0.044715, 1 and 3·0.044715. */
const GELU = memory.data<f32>([0.0713548162726, 1.59576912161, 0.214064448818]);
const GELU_RANGE = memory.data<f32>([64, -64]);

/** 2u = 2√(2/π) x (1 + 0.044715 x²) */
// @ts-ignore: decorator
@inline
function twoU(x: v128): v128 {
  return f32x4.mul(x, mulAdd(f32x4.mul(x, x), at(GELU, 0), at(GELU, 1)));
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

/** s + x s (1 − s) 2u′, with s = sigmoid(2u), s (1 − s) = e / (1 + e)² and 2u′ = 2√(2/π)(1 + 3·0.044715 x²). */
// @ts-ignore: decorator
@inline
export function geluTanhGrad(x: v128): v128 {
  // Beyond ±64 the second term is 0, but its factors would overflow. The x − x at the end is NaN for ±∞.
  const bounded = f32x4.pmax(f32x4.pmin(x, at(GELU_RANGE, 0)), at(GELU_RANGE, 1));
  const v = twoU(bounded);
  const e = expNegative(negativeAbs(v));
  const r = f32x4.div(at(ONE), f32x4.add(e, at(ONE)));
  const s = f32x4.mul(select(f32x4.lt(v, at(ZERO)), e, at(ONE)), r);
  const slope = mulAdd(f32x4.mul(bounded, bounded), at(GELU, 2), at(GELU, 1));
  const second = f32x4.mul(f32x4.mul(bounded, slope), f32x4.mul(e, f32x4.mul(r, r)));
  return f32x4.add(f32x4.add(s, second), f32x4.sub(x, x));
}

/** −1, 0 or 1 with the sign of zero kept. */
// @ts-ignore: decorator
@inline
export function sign(x: v128): v128 {
  const isNonZero = v128.or(f32x4.lt(x, at(ZERO)), f32x4.gt(x, at(ZERO)));
  return select(isNonZero, withSignOf(at(ONE), x), x);
}

/** 1; half a unit of the last bit that is kept, minus 1; and the mask of the bits that are kept. */
const BFLOAT16 = memory.data<u32>([1, 0x7fff, 0xffff0000]);

/** x rounded to 8 significant bits, ties to even. */
// @ts-ignore: decorator
@inline
export function bfloat16(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), at(BFLOAT16, 0));
  const rounded = i32x4.add(i32x4.add(x, at(BFLOAT16, 1)), odd);
  return select(f32x4.ne(x, x), x, v128.and(rounded, at(BFLOAT16, 2)));
}
