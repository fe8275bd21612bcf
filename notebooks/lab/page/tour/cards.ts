/** @file The cards of the guided tour: what to look at, one action on the real controls, when it is done, what it showed. */
import { firstControls, suggested } from "../../engine/controls.ts";
import type { Controls } from "../../engine/types.ts";
import { bytes, nats, number } from "../parts/format.ts";
import type { Lab } from "../state/lab.ts";
import { isAlive, lastMeasured, type Run, stepOf } from "../state/run.ts";

export interface Card {
  /** The part of the page that is lit: the `data-part` of its element. */
  readonly part: string;
  /** The control that its button works, lit as well. */
  readonly control: string;
  readonly text: string;
  /** What the button says. */
  readonly action: string;
  /** Stops at the next step when the visitor leaves the card. */
  readonly act: (lab: Lab, left: AbortSignal) => unknown;
  /** Whether what the card asks for has happened, by its button or by the controls themselves. */
  readonly isDone: (lab: Lab) => boolean;
  /** What has been seen then, with its numbers. */
  readonly found: (lab: Lab) => string;
}

/** All controls but a pasted text, so that the tour tells the same whatever was set before. */
const { text: _, ...start }: Controls = firstControls;
const quantized: Partial<Controls> = { ...start, format: "nf4" };
/** Steps after which two runs are compared. */
const COMPARED = 20;

const fits = ({ number, controls }: Run, wanted: Partial<Controls>): boolean =>
  number > 0 && (Object.keys(wanted) as (keyof Controls)[]).every((key) => controls[key] === wanted[key]);

/** Whether the current run is one of the visitor's own with these controls, and has made so many steps. */
const has = ({ current: { value: run } }: Lab, controls: Partial<Controls>, steps: number): boolean =>
  fits(run, controls) && stepOf(run) >= steps;

/** Trains with these controls until the runs can be compared; a run that was there already is shown. */
const train =
  (controls: Partial<Controls>) =>
  (lab: Lab): void => {
    lab.pause();
    const known = lab.runs.value.findLast((run) => fits(run, controls) && stepOf(run) >= COMPARED);
    if (known) lab.select(known);
    else {
      lab.set(controls);
      lab.play();
    }
  };

/** The latest run with these controls that was measured after `COMPARED` steps; the recorded one where there is none. */
function compared({ runs: { value: runs } }: Lab, controls: Partial<Controls>) {
  const measuredIn = (run: Run | undefined) => run?.measured.value.find(({ step }) => step === COMPARED);
  return measuredIn(runs.findLast((run) => fits(run, controls) && measuredIn(run))) ?? measuredIn(runs[0]);
}

/** Brings a run with these controls back, or trains one for ten steps, and merges it. */
async function merge(lab: Lab, controls: Partial<Controls>, left: AbortSignal): Promise<void> {
  lab.pause();
  const known = lab.runs.value.findLast((run) => fits(run, controls) && isAlive(run) && stepOf(run) > 0);
  if (known) lab.select(known);
  else lab.set(controls);
  for (let i = 0; i < 10 && !known && !left.aborted && !has(lab, controls, 10); i++) await lab.step();
  if (!left.aborted && fits(lab.current.value, controls)) await lab.merge();
}

export const cards: readonly Card[] = [
  {
    part: "texts",
    control: "reset",
    text: "LoRA puts a product BA beside each weight matrix, and B starts at zero. So nothing has changed yet: the model and its adapted copy write the same text.",
    action: "Begin at step 0",
    act: (lab) => {
      lab.set(start);
      lab.reset();
    },
    isDone: (lab) => lab.current.value.number > 0 && stepOf(lab.current.value) === 0,
    found: (lab) =>
      `Both texts are equal, and the loss is the base's: ${nats(lastMeasured(lab.current.value).learned)}.`,
  },
  {
    part: "norms",
    control: "step",
    text: "Press Step once. B moves; A does not yet: its gradient is (α/r) BᵀGxᵀ, and B was zero.",
    action: "Step",
    act: (lab) => lab.step(),
    isDone: (lab) => has(lab, {}, 1),
    found: (lab) => {
      const { gradA, gradB, B } = lab.current.value.steps.value[0].norms;
      return `Gradient of A: ${number(gradA)}. Gradient of B: ${number(gradB)}; B went from 0 to a length of ${number(B)}.`;
    },
  },
  {
    part: "matrices",
    control: "step",
    text: "Step again. B is not zero any more, so now A has a gradient as well. ΔW = (α/r) BA shows stripes, since it is a product of two thin matrices.",
    action: "Step",
    act: (lab) => lab.step(),
    isDone: (lab) => has(lab, {}, 2),
    found: (lab) =>
      `Gradient of A: ${number(lab.current.value.steps.value[1].norms.gradA)}. From here on both learn.`,
  },
  {
    part: "loss",
    control: "start",
    text: "Now let it train. Thin: the loss of each batch. Thick: the loss on text that it never trains on, which tells whether it learns.",
    action: "Start",
    act: (lab) => lab.play(),
    isDone: (lab) => has(lab, {}, COMPARED),
    found: ({ current: { value: run } }) =>
      `${nats(run.opened.before.learned)} before, ${nats(lastMeasured(run).learned)} after ${lastMeasured(run).step} steps, by training ${number((100 * run.opened.trainable) / run.opened.total)} % as many numbers as the base has.`,
  },
  {
    part: "texts",
    control: "start",
    text: "The adapted model leaves the base's words behind. Yet no weight of the base has changed, only what stands beside it.",
    action: "Train on",
    act: (lab) => lab.play(),
    isDone: (lab) =>
      has(lab, {}, 30) && lastMeasured(lab.current.value).writes !== lab.current.value.opened.before.writes,
    found: (lab) =>
      `Marked: what the adapted model writes after step ${lastMeasured(lab.current.value).step}.`,
  },
  {
    part: "spectra",
    control: "start",
    text: "What r limits: a matrix of this model has 64 or 128 singular values. However long it trains, at most r = 4 of those of ΔW leave zero.",
    action: "Train on",
    act: (lab) => lab.play(),
    isDone: (lab) => has(lab, {}, 40),
    found: (lab) => {
      const { spectra } = lastMeasured(lab.current.value);
      const above = spectra.map((values) => values.filter((σ) => σ > 1e-6 * values[0]).length);
      return `Above zero in every one of the ${spectra.length} matrices: ${Math.max(...above)}.`;
    },
  },
  {
    part: "spectra",
    control: "rank",
    text: "With r = 1 each matrix can change in one direction only.",
    action: "r = 1",
    act: train({ ...start, rank: 1 }),
    isDone: (lab) => has(lab, { rank: 1 }, COMPARED),
    found: (lab) => comparison(lab, ["r = 1", { ...start, rank: 1 }], ["r = 4", start]),
  },
  {
    part: "loss",
    control: "rank",
    text: "With r = 64 it trains sixteen times as many numbers as with r = 4. See how little the loss gains from them.",
    action: "r = 64",
    act: train({ ...start, rank: 64 }),
    isDone: (lab) => has(lab, { rank: 64 }, COMPARED),
    found: (lab) => comparison(lab, ["r = 64", { ...start, rank: 64 }], ["r = 4", start]),
  },
  {
    part: "merge",
    control: "merge-button",
    text: "Back to r = 4. W₀x + ΔWx is (W₀ + ΔW)x: after training, ΔW can be added into the weights. What is left is one matrix, as large as W₀.",
    action: "Merge",
    act: (lab, left) => merge(lab, start, left),
    isDone: (lab) => lab.current.value.merged.value?.isMerged === true,
    found: ({ current: { value: run } }) => {
      const merged = run.merged.value;
      if (!merged) return "";
      const { adapted, merged: after } = merged.perToken;
      return `The outputs differ by at most ${number(merged.difference)}, from rounding. A token took ${number(adapted)} ms, and takes ${number(after)} ms.`;
    },
  },
  {
    part: "merge",
    control: "unmerge-button",
    text: "And out again. The layer has kept the base's weights, so one base can serve many tasks, each of them a small file.",
    action: "Unmerge",
    act: async (lab, left) => {
      if (!lab.current.value.merged.value?.isMerged) await merge(lab, start, left);
      if (!left.aborted) await lab.unmerge();
    },
    isDone: (lab) => lab.current.value.merged.value?.restored === true,
    found: () => "Every byte of the base is what it was.",
  },
  {
    part: "forgetting",
    control: "method",
    text: "Now train every weight instead. Down is learning, to the right is forgetting: compare where the two paths go.",
    action: "Full fine-tuning",
    act: train({ ...start, method: "full", rate: suggested.full.rate }),
    isDone: (lab) => has(lab, { method: "full" }, COMPARED),
    found: (lab) => {
      const { before } = lab.current.value.opened;
      const parts = (
        [
          ["every weight", { method: "full" }],
          ["LoRA", start],
        ] as const
      ).map(([name, controls]) => {
        const at = compared(lab, controls);
        return (
          at &&
          `${name}, ${nats(before.learned - at.learned)} learned, ${nats(at.own - before.own)} forgotten`
        );
      });
      return `After ${COMPARED} steps: ${parts.filter(Boolean).join("; ")}.`;
    },
  },
  {
    part: "codebook",
    control: "format",
    text: "LoRA does not train W₀, so it need not be exact. In NF4 each weight is one of sixteen values, which lie close together where most weights are.",
    action: "NF4",
    act: train(quantized),
    isDone: (lab) => has(lab, { format: "nf4" }, COMPARED),
    found: (lab) => {
      const { before } = lab.current.value.opened;
      const exact = lab.started.value?.losses[start.target as string];
      const at = compared(lab, quantized);
      return `The base's loss is ${nats(before.learned)} in NF4${exact === undefined ? "" : `, ${nats(exact)} in float32`}; after ${COMPARED} steps, ${nats(at?.learned ?? before.learned)}.`;
    },
  },
  {
    part: "bytes",
    control: "step",
    text: "The frozen matrices take 4.5 bits a weight now, where they took 32. Gradients and optimizer only count what is trained.",
    action: "One step more",
    act: (lab) => (has(lab, { format: "nf4" }, COMPARED) ? lab.step() : train(quantized)(lab)),
    isDone: (lab) => has(lab, { format: "nf4" }, COMPARED + 1),
    found: ({ current: { value: run } }) => {
      const { measured, predicted } = lastMeasured(run).bytes;
      const total = (parts: Readonly<Record<string, number>>): string =>
        bytes(Object.values(parts).reduce((sum, part) => sum + part, 0));
      return `The meter counted ${total(measured)} in a step, and the formula says ${total(predicted)}. Most of it is saved for the backward pass.`;
    },
  },
  {
    part: "quantized-loss",
    control: "merge-4-button",
    text: "Merging into four bits is not free: W₀ + ΔW must be rounded to the sixteen values again.",
    action: "Merge into NF4",
    act: (lab, left) => merge(lab, quantized, left),
    isDone: (lab) =>
      fits(lab.current.value, { format: "nf4" }) && Boolean(lab.current.value.merged.value?.requantized),
    found: ({ current: { value: run } }) => {
      const again = run.merged.value?.requantized;
      if (!again) return "";
      return `The rounding moves the weights ${number(100 * again.erased)} % as far as training had; the loss goes from ${nats(again.exact)} to ${nats(again.loss)}.`;
    },
  },
];

type Compared = readonly [name: string, controls: Partial<Controls>];

/** "After 20 steps: 4.068 with r = 1, 4.017 with r = 4." */
function comparison(lab: Lab, ...both: readonly Compared[]): string {
  const parts = both.map(([name, controls]) => {
    const at = compared(lab, controls);
    return at && `${nats(at.learned)} with ${name}`;
  });
  return `Loss after ${COMPARED} steps: ${parts.filter(Boolean).join(", ")}.`;
}

/** What a visitor can answer after the tour, and what the tour has shown of it. */
export const answers: readonly (readonly [question: string, answer: string])[] = [
  [
    "Why does B start at zero?",
    "So that BA is zero and training begins exactly at the base: the two texts were equal. A must not be zero as well, or no gradient would reach either of the two; at the first step A's was zero, at the second it was not.",
  ],
  [
    "What does r limit?",
    "In how many directions ΔW can change a layer: x passes through r numbers, so at most r singular values left zero in every matrix. It does not limit how far ΔW goes in each of them.",
  ],
  [
    "Why does merging cost nothing?",
    "W₀x + ΔWx = (W₀ + ΔW)x, and W₀ + ΔW is one matrix as large as W₀. The outputs were the same but for rounding, the detour was gone, and unmerging gave every byte back.",
  ],
];
