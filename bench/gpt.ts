// One training step of a small GPT in every library, from the same weights on the same batch. Before anything is
// timed, losses and gradients are compared, then the losses of the first steps, which show that the optimizers agree.

import type { Contestant, Training } from "./contestant.ts";
import { initialWeights, randomBatch, SMALL_GPT } from "./gpt-problem.ts";
import { type Runner, takeTurns } from "./measure.ts";
import { type Outcome, reason } from "./outcome.ts";

/** Steps before the first timed one; they warm up, and their losses are compared. */
const FIRST_STEPS = 3;

/**
 * Largest ‖g − g₀‖ / ‖g₀‖ of a parameter. Sums of K ≤ 1,024 float32 terms err by about √K·ε = 2·10⁻⁶; twenty of them
 * in a row, added up, stay below 10⁻⁴. A missing term or a wrong factor shows as 10⁻² and more.
 */
const GRADIENT_TOLERANCE = 1e-4;
const LOSS_TOLERANCE = 1e-5;
/** Adam divides by √v, so it blows up the rounding of gradients near zero; losses see little of that. */
const LATER_LOSS_TOLERANCE = 1e-4;

interface Trace {
  loss: number;
  gradients: ReadonlyMap<string, Float32Array>;
  later: number[]; // losses of the first steps
}

async function trace(training: Training): Promise<Trace> {
  const { loss, gradients } = await training.gradients();
  const later: number[] = [];
  for (let i = 0; i < FIRST_STEPS; i++) later.push((await training.step()).loss);
  return { loss, gradients, later };
}

const relative = (actual: number, expected: number) => Math.abs(actual - expected) / Math.abs(expected);

/** ‖actual − expected‖ / ‖expected‖ */
function distance(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const squares = (at: (i: number) => number) => expected.reduce((sum, _, i) => sum + at(i) ** 2, 0);
  return Math.sqrt(squares((i) => actual[i] - expected[i]) / squares((i) => expected[i]));
}

/** The largest error of a gradient, or what disagrees with the anchor's trace, in words. */
function compare(actual: Trace, anchor: Trace): { error: number } | { failure: string } {
  if (!(relative(actual.loss, anchor.loss) <= LOSS_TOLERANCE)) {
    return { failure: `the loss is ${actual.loss} instead of ${anchor.loss}` };
  }
  let error = 0;
  for (const [name, expected] of anchor.gradients) {
    const gradient = actual.gradients.get(name);
    const apart = gradient ? distance(gradient, expected) : Number.POSITIVE_INFINITY;
    if (!(apart <= GRADIENT_TOLERANCE))
      return { failure: `the gradient of ${name} is off by ${apart} of its norm` };
    error = Math.max(error, apart);
  }
  const step = anchor.later.findIndex(
    (loss, i) => !(relative(actual.later[i], loss) <= LATER_LOSS_TOLERANCE),
  );
  if (step >= 0) {
    return {
      failure: `the loss of step ${step + 1} is ${actual.later[step]} instead of ${anchor.later[step]}`,
    };
  }
  return { error };
}

/**
 * Every contestant's training step: compared with the anchor, then timed in turns. The anchor is the last contestant
 * that trains: PyTorch where it is installed.
 */
export async function benchGpt(
  contestants: readonly Contestant[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Outcome[]> {
  const [weights, batch] = [initialWeights(SMALL_GPT, 1), randomBatch(SMALL_GPT, 2)];
  const trainings: Training[] = [];
  const runners: Runner[] = [];
  const outcomes: Outcome[] = [];
  let anchor: Trace | undefined;

  for (const contestant of contestants.toReversed()) {
    if (!contestant.training) continue;
    const { name } = contestant;
    progress(`checking ${name}`);
    try {
      const training = await contestant.training(SMALL_GPT, weights, batch);
      trainings.push(training);
      const found = await trace(training);
      anchor ??= found;
      const verdict = compare(found, anchor);
      if ("failure" in verdict) {
        outcomes.unshift({ name, failure: `wrong result, not timed: ${verdict.failure}` });
      } else {
        outcomes.unshift({ name, error: verdict.error });
        runners.unshift({ name, sample: async () => (await training.step()).seconds });
      }
    } catch (error) {
      outcomes.unshift({ name, failure: reason(error) });
    }
  }

  const timings = await takeTurns(runners, rounds, progress);
  for (const training of trainings) training.dispose();
  for (const [i, { name }] of runners.entries()) outcomes.find((o) => o.name === name)!.timing = timings[i];
  return outcomes;
}
