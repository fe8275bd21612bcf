/** @file Numbers for tests. */

/** Numbers in [−1, 1] from a seed, or halves only: fast to make and to shrink past. */
export function numbers(seed: number, length: number, isCoarse = false): Float32Array {
  let state = (seed * 2 + 1) | 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return isCoarse ? Math.round((state / 2 ** 31) * 2) / 2 : state / 2 ** 31;
  });
}
