/**
 * @file The two 8-bit float formats of checkpoints (Micikevicius et al., 2022, arXiv:2209.05433), to float32. Their codes are the
 * 8 bits as an unsigned integer.
 *
 *     format   sign  exponent  fraction   largest   smallest    infinity, NaN
 *     E5M2        1      5         2       57344      2^-16     as in IEEE 754: it is float16's upper byte
 *     E4M3        1      4         3         448      2^-9      no infinity; NaN only where all bits but the sign are 1
 *
 * Widening is exact.
 */

import { float16ToNumber } from "./float16.ts";

/** The value of an E5M2 code. */
const float8e5m2ToNumber = (code: number): number => float16ToNumber(code << 8);

/** The value of an E4M3 code. */
function float8e4m3ToNumber(code: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const [exponent, fraction] = [(code >> 3) & 0xf, code & 7];
  if (exponent === 0xf && fraction === 7) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

const table = (value: (code: number) => number): Float32Array =>
  Float32Array.from({ length: 256 }, (_, code) => value(code));
const [e5m2, e4m3] = [table(float8e5m2ToNumber), table(float8e4m3ToNumber)];

/** The values of E5M2 codes, exactly. */
export const widenFloat8e5m2 = (codes: Uint8Array): Float32Array<ArrayBuffer> =>
  Float32Array.from(codes, (code) => e5m2[code]);

/** The values of E4M3 codes, exactly. */
export const widenFloat8e4m3 = (codes: Uint8Array): Float32Array<ArrayBuffer> =>
  Float32Array.from(codes, (code) => e4m3[code]);
