/** @file The cards of the guided tour: a sentence or two, one action on the real controls, and when it is done. */
import type { Controls } from "../../engine/types.ts";
import type { Lab } from "../state/lab.ts";
import { lastMeasured, stepOf } from "../state/run.ts";

export interface Card {
  /** The part of the page that is lit: the `data-part` of its element. */
  readonly part: string;
  readonly text: string;
  /** What the button says. */
  readonly action: string;
  readonly act: (lab: Lab) => unknown;
  /** Whether what the card asks for has happened, by its button or by the controls themselves. */
  readonly isDone: (lab: Lab) => boolean;
}

const start: Partial<Controls> = {
  target: "moby-dick",
  method: "lora",
  rank: 4,
  alpha: 8,
  format: "float32",
};

/** A run of one's own with these controls that has made so many steps. */
const has = (lab: Lab, controls: Partial<Controls>, steps: number): boolean => {
  const run = lab.current.value;
  const fits = (Object.keys(controls) as (keyof Controls)[]).every(
    (key) => run.controls[key] === controls[key],
  );
  return run.number > 0 && fits && stepOf(run) >= steps;
};

/** Sets the controls and trains. */
const train =
  (controls: Partial<Controls>) =>
  (lab: Lab): void => {
    lab.pause();
    lab.set(controls);
    lab.play();
  };

export const cards: readonly Card[] = [
  {
    part: "texts",
    text: "LoRA puts a product BA beside each weight matrix, and B starts at zero. So nothing has changed yet: the model and its adapted copy write the same text.",
    action: "Begin at step 0",
    act: (lab) => {
      lab.set(start);
      lab.reset();
    },
    isDone: (lab) => lab.current.value.number > 0 && stepOf(lab.current.value) === 0,
  },
  {
    part: "norms",
    text: "Press Step once. B moves; A does not yet: its gradient is (α/r) BᵀGxᵀ, and B was zero.",
    action: "Step",
    act: (lab) => lab.step(),
    isDone: (lab) => has(lab, {}, 1),
  },
  {
    part: "matrices",
    text: "Press Step again. B is no longer zero, so A has a gradient as well. ΔW = (α/r) BA begins to show stripes: it is a product of two thin matrices.",
    action: "Step",
    act: (lab) => lab.step(),
    isDone: (lab) => has(lab, {}, 2),
  },
  {
    part: "loss",
    text: "Now let it train. The loss on text that it is not trained on falls with that of the batches.",
    action: "Start",
    act: (lab) => lab.play(),
    isDone: (lab) => has(lab, {}, 30),
  },
  {
    part: "texts",
    text: "The adapted model leaves the base's words behind. Its weights are still all there: only what stands beside them has changed.",
    action: "Train on",
    act: (lab) => lab.play(),
    isDone: (lab) => lastMeasured(lab.current.value).writes !== lab.current.value.opened.before.writes,
  },
  {
    part: "spectra",
    text: "What r limits: of the 64 or 128 singular values that ΔW could have, at most r = 4 have left zero, in every matrix.",
    action: "Train on",
    act: (lab) => lab.play(),
    isDone: (lab) => has(lab, {}, 40),
  },
  {
    part: "spectra",
    text: "With r = 1 each matrix can change in one direction only. Compare its loss with that of r = 4.",
    action: "r = 1",
    act: train({ ...start, rank: 1 }),
    isDone: (lab) => has(lab, { rank: 1 }, 30),
  },
  {
    part: "loss",
    text: "With r = 64 it trains sixteen times as many numbers as with r = 4. See how little the loss gains from them.",
    action: "r = 64",
    act: train({ ...start, rank: 64 }),
    isDone: (lab) => has(lab, { rank: 64 }, 30),
  },
  {
    part: "forgetting",
    text: "Now train every weight instead. Compare the two paths: how far down, and how far to the right.",
    action: "Full fine-tuning",
    act: train({ ...start, method: "full" }),
    isDone: (lab) => has(lab, { method: "full" }, 30),
  },
  {
    part: "codebook",
    text: "W₀ is not trained, so it can be kept in 4 bits: sixteen values, close together where most weights are.",
    action: "NF4",
    act: train({ ...start, format: "nf4" }),
    isDone: (lab) => has(lab, { format: "nf4" }, 20),
  },
  {
    part: "bytes",
    text: "The frozen weights need an eighth of the bytes now; gradients and optimizer only count what is trained. The meter and the formula say the same.",
    action: "One step more",
    act: (lab) => lab.step(),
    isDone: (lab) => has(lab, { format: "nf4" }, 21),
  },
  {
    part: "merge",
    text: "In float32 again: (W₀ + ΔW)x is W₀x + ΔWx, so the adapter can be added into the weights. The output is the same but for rounding, and no time is lost.",
    action: "Train and merge",
    act: async (lab) => {
      lab.pause();
      lab.set(start);
      for (let i = 0; i < 10 && !has(lab, start, 10); i++) await lab.step();
      await lab.merge();
    },
    isDone: (lab) => lab.current.value.merged.value?.isMerged === true,
  },
  {
    part: "merge",
    text: "And out again: every byte of the base is back. This is why one base can serve many tasks, each a small file.",
    action: "Unmerge",
    act: (lab) => lab.unmerge(),
    isDone: (lab) => lab.current.value.merged.value?.restored === true,
  },
];
