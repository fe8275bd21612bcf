/** @file The settings of the page `lora-family`. */
export const choices = {
  rank: { quick: 4, about: "r of every method; of AdaLoRA its average at the end; VeRA's is 16 r", min: 1 },
  ratio: { quick: 4, about: "λ of LoRA+: the rate of B over that of A", min: 1 },
  steps: { quick: 20, full: 300, about: "steps of each training", min: 10 },
  rows: { quick: 4, full: 8, about: "rows of a batch", min: 1 },
  held: { quick: 64, full: 256, about: "held-out rows", min: 32 },
  kept: { quick: [1, 4, 16], full: [1, 2, 4, 8, 16, 32], about: "ranks that are kept in conversion", min: 1 },
  trials: { quick: 1, full: 4, about: "random layers of each kind on which every law is tried", min: 1 },
} as const;
