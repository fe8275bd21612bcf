/** @file Numbers that LoRA's paper prints (Hu et al., 2021, arXiv:2106.09685), to stand beside ours; counts are in counts.ts. */

/** Table 7: W_q of block 48 of GPT-3, d = 12,288. */
export const table7 = [
  { r: 4, normW: 61.95, normDelta: 6.91, byDelta: 0.32, byW: 21.67, byRandom: 0.02, factor: 21.5 },
  { r: 64, normW: 61.95, normDelta: 3.57, byDelta: 1.9, byW: 37.71, byRandom: 0.33, factor: 2 },
] as const;
