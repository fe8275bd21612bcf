/** @file What the paper prints, and its claims with their places. */

/** Appendix E. */
export const PUBLISHED = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
];

interface Printed {
  readonly claim: string;
  readonly paper: string;
  /** How it is decided here, or why it does not hold. */
  readonly note?: string;
}
const printed = <Name extends string>(claims: Record<Name, Printed>): Record<Name, Printed> => claims;

export const claims = printed({
  values: { claim: "NF4 has these sixteen values", paper: "appendix E" },
  equalUse: {
    claim: "NF4 is information-theoretically optimal: each value is used equally often, 4 bits of entropy",
    paper: "§3",
    note: "the quotients of a block are not normal; in larger blocks it is less",
  },
  leastError: {
    claim: "On normal numbers NF4 has a smaller error than Int4, FP4, E2M1 and E3M0",
    paper: "better than 4-bit integers and 4-bit floats (abstract, §3)",
    note: "dB in blocks of 64",
  },
  bits: {
    claim: "Double quantization takes the constants from 0.5 to 0.127 bits a weight",
    paper: "0.5, 0.127 (§3)",
    note: "bytes of a real tensor",
  },
  free: {
    claim: "Double quantization does not add to the error",
    paper: "without degrading performance (§3)",
    note: "holds below 1 %",
  },
  stored: {
    claim: "Stored and not tuned, NF4 + DQ loses less than Int4, E2M1 and E3M0",
    paper: "perplexity 27.41 against 34.34, 31.07, 29.48 (table 2)",
    note: "paired by four rows; E3M0 is worst here and not in the paper: its error on such weights is the largest above",
  },
  recovers: {
    claim: "Tuned on 4 bits (NF4 + DQ), adapters reach what they reach on the full base",
    paper: "53.1 against 53.0 (table 4); 88.8 against 88.8 (table 3, Int8)",
  },
  fp4: { claim: "After tuning, NF4 + DQ is better than FP4", paper: "53.1 against 52.2 (table 4)" },
  dqTuned: { claim: "Double quantization costs nothing after tuning", paper: "no loss (§3, table 4)" },
  full: { claim: "Full fine-tuning of 65B takes more than 780 GB", paper: "more than 780 GB (§1)" },
  fits: {
    claim: "QLoRA tunes 65B on a single card of 48 GB",
    paper: "48 GB (abstract)",
    note: "one row of 512 tokens",
  },
  saves: { claim: "Double quantization saves about 3 GB on 65B", paper: "approximately 3 GB (§3)" },
  paging: {
    claim: "A paged optimizer computes the same",
    paper: "§3",
    note: "three steps of full fine-tuning, with a quarter of the state in memory",
  },
});
