/** @file Dequantizing 4-bit codes: a lookup in the table of 16 values is a shuffle of bytes. */

import { argument, pointer, start } from "./board";

/**
 * y = table[index] · scale for 16 indices, one a byte. The table is in four planes: p0 has the first byte of each
 * value, …
 */
// @ts-ignore: decorator
@inline
function look(index: v128, p0: v128, p1: v128, p2: v128, p3: v128, scale: v128, y: usize): void {
  const b0 = i8x16.swizzle(p0, index);
  const b1 = i8x16.swizzle(p1, index);
  const b2 = i8x16.swizzle(p2, index);
  const b3 = i8x16.swizzle(p3, index);
  const low = i8x16.shuffle(b0, b1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const lowEnd = i8x16.shuffle(b0, b1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const high = i8x16.shuffle(b2, b3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const highEnd = i8x16.shuffle(b2, b3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(y, f32x4.mul(i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11), scale));
  v128.store(y, f32x4.mul(i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15), scale), 16);
  v128.store(y, f32x4.mul(i16x8.shuffle(lowEnd, highEnd, 0, 8, 1, 9, 2, 10, 3, 11), scale), 32);
  v128.store(y, f32x4.mul(i16x8.shuffle(lowEnd, highEnd, 4, 12, 5, 13, 6, 14, 7, 15), scale), 48);
}

/**
 * y = table[code] · scale. Arguments: 0 codes, 1 the table's planes (64 bytes), 2 scales, 3 y, 4 groups of 32 codes,
 * 5 groups that share a scale, 6 groups of the first scale that precede these.
 */
export function dequantize(chunk: i32): void {
  const codes = pointer(0);
  const planes = pointer(1);
  const scales = pointer(2);
  const y = pointer(3);
  const groups = argument(4);
  const toScale = argument(5);
  const before = argument(6);
  const p0 = v128.load(planes);
  const p1 = v128.load(planes, 16);
  const p2 = v128.load(planes, 32);
  const p3 = v128.load(planes, 48);
  const end = start(chunk + 1, groups);
  for (let group = start(chunk, groups); group < end; group++) {
    const scale = v128.load32_splat(scales + (<usize>((before + group) / toScale) << 2));
    const pairs = v128.load(codes + (<usize>group << 4));
    const first = i8x16.shr_u(pairs, 4);
    const second = v128.and(pairs, i8x16.splat(15));
    const from = i8x16.shuffle(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const to = i8x16.shuffle(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const at = y + (<usize>group << 7);
    look(from, p0, p1, p2, p3, scale, at);
    look(to, p0, p1, p2, p3, scale, at + 64);
  }
}
