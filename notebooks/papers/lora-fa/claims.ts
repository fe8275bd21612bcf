/** @file What LoRA-FA's abstracts say, in statements that numbers can decide. Its tables were not at hand. */

const [first, later] = ["abstract of the first version", "abstract of the later version"];

export const claims = {
  inputs: {
    claim: "The layers' inputs need not be kept for backward",
    paper: `no full-rank input activations (${first})`,
  },
  flat: {
    claim: "What LoRA-FA keeps hardly grows with the rank",
    paper: "memory is not sensitive to the rank (PEFT's README)",
  },
  overall: {
    claim: "Training needs up to 1.4 times less memory than with LoRA",
    paper: `up to 1.4 times (${first})`,
  },
  peak: {
    claim: "and so does the peak, with all temporaries",
    paper: "up to 1.4 times (the same)",
    note: "x is still there at the peak, whoever needs it: this library gives the arrays of a forward pass back when the step ends. Where each is freed after its last use, the ratios above count",
  },
  correction: {
    claim: "The corrected step of B moves W by G projected onto the rows of A",
    paper: `a closed-form correction (${later})`,
  },
  span: { claim: "ΔW stays in a space of low rank: the rows of A", paper: `as in LoRA (${first})` },
  near: { claim: "Near shift: as good as LoRA", paper: `close to LoRA (${first})` },
  far: { claim: "Far shift: as good as LoRA of the same rank", paper: `close to LoRA (${first})` },
  full: {
    claim: "Far shift: as good as full fine-tuning",
    paper: `close to full fine-tuning (${first})`,
  },
  better: {
    claim: "Far shift: the correction makes LoRA-FA better",
    paper: `added in the later version`,
  },
} as const;

/** PEFT's benchmark MetaMathQA: Llama-3.2-3B, r = 32 on queries and values. */
export const benchmark = {
  trained: { LoRA: 9_175_040, "LoRA-FA": 3_670_016 },
  peakBytes: { LoRA: 22_292_725_760, "LoRA-FA": 22_240_296_960 },
} as const;

/** One loss against another, in words for each verdict. */
export const inWords = {
  supported: "is better than",
  "on a par": "is on a par with",
  contradicted: "is behind",
  "cannot tell": "cannot yet be told from",
} as const;

/** What is drawn and not said in a claim. */
export const captions = {
  byRank:
    "LoRA's line is flat because the layers' inputs, 7 d numbers, outweigh A x. LoRA-FA keeps A x alone, 4 r numbers.",
  ratio:
    "With few tokens the weights weigh most, and LoRA-FA saves little. The abstract's 1.4 is reached with many tokens for the width.",
} as const;

export const notes = {
  counted: "at least 1.35 counts as 1.4; temporaries are not counted",
  far: "a frozen A decides once and for all which directions of the input an update can see",
  near: "even a style needs directions of the input that a frozen A of this rank did not happen to draw",
  full: "the distance of LoRA itself, and that of the frozen A on top of it",
  ridge: "1e-8 is added to the diagonal of A Aᵀ, as in PEFT",
} as const;
