/** @file What DoRA's paper says, in statements that numbers can decide, and where it says so. */

const table1 = "78.4 against 74.7 % (table 1, LLaMA-7B)";
const half = "77.5 against 74.7 % (table 1, LLaMA-7B)";

export const claims = {
  direction: { claim: "Backward gives (m/‖v‖)(I − v vᵀ/‖v‖²) G for a row", paper: "equation 6" },
  length: { claim: "and ⟨G, v⟩/‖v‖ for its length, with the constant too", paper: "equation 7" },
  constant: { claim: "With a constant norm it gives (m/C) G", paper: "equation 11" },
  toyBoth: { claim: "Goal “both”: DoRA is better than LoRA at every rank", paper: table1 },
  toyLow: { claim: "Goal “a low-rank update”: the same, from rank 4 on", paper: table1 },
  toyHalf: { claim: "Goal “both”: DoRA at half of LoRA's rank is still better", paper: half },
  merged: {
    claim: "Merged, the model computes no more than the base",
    paper: "no additional inference overhead (abstract)",
  },
  far: { claim: "Far shift: DoRA is better than LoRA at the same rank", paper: table1 },
  near: { claim: "Near shift: the same", paper: table1 },
  half: { claim: "Far shift: DoRA at half of LoRA's rank is no worse", paper: half },
  quality: {
    claim: "Far shift: the constant norm costs no quality",
    paper: "78.3 → 78.1 (LLaMA-7B), 77.3 → 77.4 (VL-BART) (table 7)",
  },
  fullFalls: { claim: "Full fine-tuning: ΔM falls as ΔD rises", paper: "correlation −0.62 (figure 2)" },
  loraRises: { claim: "LoRA: ΔM rises with ΔD", paper: "0.83" },
  doraFalls: { claim: "DoRA: ΔM falls as ΔD rises", paper: "−0.31" },
  doraLower: { claim: "DoRA's correlation is lower than LoRA's", paper: "−0.31 against 0.83" },
  kept: { claim: "Without the constant, backward keeps V′ of every layer", paper: "§4.3" },
} as const;

/** Figure 2's correlations of full fine-tuning, LoRA and DoRA. */
export const paperCorrelations = ["−0.62", "0.83", "−0.31"] as const;

/** Table 7: memory that the constant norm saves, in percent. */
export const paperSavings = [
  { y: 24.4, name: "paper: LLaMA-7B" },
  { y: 12.4, name: "paper: VL-BART" },
] as const;

/** DoRA against LoRA at the same rank on text, in words for each verdict. */
export const inWords = {
  supported: "is better than LoRA of the same rank",
  "on a par": "is on a par with LoRA of the same rank",
  contradicted: "is behind LoRA of the same rank",
  "cannot tell": "cannot yet be told from LoRA of the same rank",
} as const;

export const notes = {
  far: "the toy says when a length of its own helps a row; LoRA changes the lengths, too, see the sentence above",
  near: "here LoRA of this rank has the directions that the task needs: lengths of their own have nothing to add",
  half: "half of the rank is half of the directions; at r = 3, with 11 % fewer numbers than LoRA at r = 4, it is 0.011 behind on the page compare",
  rising: "both changes grow in the course of training, see above",
} as const;

export const captions = {
  saving:
    "How much is saved is a matter of the batch. The paper's two numbers lie on this curve; at how many tokens they were measured, it does not say.",
} as const;
