/**
 * @file The two 16-bit float formats: float16 and bfloat16 to float32 and back. Their codes are the 16 bits as an
 * unsigned integer.
 *
 *     format      sign  exponent  fraction   largest    smallest normal   spacing at 1
 *     float32       1       8        23      3.4e38        2^-126            2^-23
 *     bfloat16      1       8         7      3.4e38        2^-126            2^-7       float32's upper half
 *     float16       1       5        10      65504         2^-14             2^-10      IEEE 754 binary16
 *
 * Widening is exact. Narrowing rounds to the nearest code, ties to the one whose last bit is 0 (IEEE 754-2019,
 * §4.3.1). Beyond the largest finite value the result is infinity. Subnormals and the sign of zero are kept, and a
 * NaN stays a NaN with the part of its payload that fits, so narrowing undoes widening for each of the 65,536 codes.
 */

/** Float32 or float64 values. */
type Floats = Float32Array | Float64Array;

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The value of a bfloat16 code. */
export function bfloat16ToNumber(code: number): number {
  scratchBits[0] = code << 16;
  return scratch[0];
}

/** The bfloat16 code nearest to `x`. */
export function numberToBfloat16(x: number): number {
  return bfloat16OfBits(stickyBits(x));
}

/** The value of a float16 code. */
export function float16ToNumber(code: number): number {
  scratchBits[0] = float32BitsOfFloat16(code);
  return scratch[0];
}

/** The float16 code nearest to `x`. */
export function numberToFloat16(x: number): number {
  return float16OfBits(stickyBits(x));
}

/** The values of bfloat16 codes, exactly. */
export function widenBfloat16(codes: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) bits[i] = codes[i] << 16;
  return new Float32Array(bits.buffer);
}

/** The nearest bfloat16 codes. */
export function narrowToBfloat16(values: Floats): Uint16Array<ArrayBuffer> {
  return narrow(values, bfloat16OfBits);
}

/** The values of float16 codes, exactly. */
export function widenFloat16(codes: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) bits[i] = float32BitsOfFloat16(codes[i]);
  return new Float32Array(bits.buffer);
}

/** The nearest float16 codes. */
export function narrowToFloat16(values: Floats): Uint16Array<ArrayBuffer> {
  return narrow(values, float16OfBits);
}

/** The values rounded to bfloat16, in an array of the same type: the values that storing them as bfloat16 leaves. */
export function roundToBfloat16<T extends Floats>(values: T): T {
  return widenInto(values, narrowToBfloat16(values), widenBfloat16);
}

/** The values rounded to float16, in an array of the same type: the values that storing them as float16 leaves. */
export function roundToFloat16<T extends Floats>(values: T): T {
  return widenInto(values, narrowToFloat16(values), widenFloat16);
}

function narrow(values: Floats, codeOfBits: (bits: number) => number): Uint16Array<ArrayBuffer> {
  const codes = new Uint16Array(values.length);
  if (values instanceof Float32Array) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < codes.length; i++) codes[i] = codeOfBits(bits[i]);
  } else {
    for (let i = 0; i < codes.length; i++) codes[i] = codeOfBits(stickyBits(values[i]));
  }
  return codes;
}

function widenInto<T extends Floats>(
  like: T,
  codes: Uint16Array,
  widen: (c: Uint16Array) => Float32Array,
): T {
  const wide = widen(codes);
  return (like instanceof Float32Array ? wide : Float64Array.from(wide)) as T;
}

/**
 * The bits of a float32 that rounds to the same 16 bits as the double `x`. Rounding `x` to the nearest float32 first,
 * and that to 16 bits, could round twice in the same direction. So the float32 here is `x` rounded to odd: truncated
 * towards zero, with the last bit set when anything was lost (Boldo & Melquiond, 2008, "Emulation of FMA and
 * correctly rounded sums: proved algorithms using rounding to odd", needs two bits to spare; 24 - 11 are).
 */
function stickyBits(x: number): number {
  scratch[0] = x;
  const rounded = scratch[0];
  if (rounded === x || Number.isNaN(x)) return scratchBits[0];
  const wentOutward = Math.abs(rounded) > Math.abs(x);
  return (scratchBits[0] - (wentOutward ? 1 : 0)) | 1;
}

function bfloat16OfBits(bits: number): number {
  const upper = bits >>> 16;
  if ((bits & 0x7fffffff) > 0x7f800000) return (upper & 0x7f) === 0 ? upper | 0x40 : upper; // NaN
  const half = 0x7fff + (upper & 1); // one less than half when the code is even: a tie stays
  return (bits + half) >>> 16; // a carry out of the fraction raises the exponent, at the end to infinity
}

function float16OfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    const payload = (magnitude >>> 13) & 0x3ff;
    return sign | 0x7c00 | (payload === 0 ? 0x200 : payload); // NaN
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // from 65520, halfway past the largest, on: infinity
  if (magnitude < 0x33000000) return sign; // below 2^-25, half the smallest subnormal: zero
  if (magnitude < 0x38800000) {
    // Subnormal: significand · 2^(exponent - 150) = code · 2^-24
    const significand = (magnitude & 0x7fffff) | 0x800000;
    return sign | roundShift(significand, 126 - (magnitude >>> 23));
  }
  return sign | roundShift(magnitude - 0x38000000, 13); // exponent bias 127 → 15: 112 << 23 off; a carry is right
}

/** n / 2^shift to the nearest integer, ties to even; 13 ≤ shift ≤ 24, n < 2^30. */
function roundShift(n: number, shift: number): number {
  const quotient = n >>> shift;
  const half = 1 << (shift - 1);
  return (n + half - 1 + (quotient & 1)) >>> shift;
}

function float32BitsOfFloat16(code: number): number {
  const sign = (code & 0x8000) << 16;
  const exponent = (code >>> 10) & 0x1f;
  const fraction = code & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinity, NaN
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // brings the leading 1 to bit 10; value fraction · 2^-24
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
