/** @file The settings of the page `compare`. */
export const choices = {
  method: {
    quick: "LoRA",
    oneOf: [
      "full fine-tuning",
      "BitFit",
      "LoRA",
      "rsLoRA",
      "LoRA+",
      "DoRA",
      "AdaLoRA",
      "LoRA-FA",
      "PiSSA",
      "VeRA",
    ],
    about: "the method of the visible training loop",
  },
  rank: { quick: 4, about: "r of every method; of AdaLoRA its average at the end; VeRA's is 16 r", min: 1 },
  ratio: { quick: 4, about: "λ of LoRA+: the rate of B over that of A", min: 1 },
  steps: { quick: 14, full: 120, about: "steps of each adaptation", min: 10 },
  rows: { quick: 4, about: "rows of a batch", min: 1 },
  seeds: { quick: 2, full: 5, about: "reported runs of each arm", min: 1 },
  search: { quick: 0, full: 3, about: "runs by which each rate is chosen; 0: rates that a search found" },
  held: { quick: 64, full: 512, about: "held-out rows that are reported", min: 32 },
  more: { quick: false, full: true, about: "the order check, the near shift, the second base" },
} as const;
