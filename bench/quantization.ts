// NF4 in blocks of 64: how fast numbers become codes and codes become numbers, on one thread, and what a linear layer
// in codes takes longer than the same layer in numbers. Both are checked before they are timed.

import { tensor } from "lowrank/autograd";
import { array, random, scope, withDevice } from "lowrank/core";
import { Linear } from "lowrank/nn";
import { QuantizedLinear, quantizationLaws, quantize } from "lowrank/quant";
import { clock } from "./contestant.ts";
import { type Runner, takeTurns } from "./measure.ts";
import type { Outcome } from "./outcome.ts";

/** Numbers to quantize: 16 MiB of float32s, more than caches of cores hold. */
export const NUMBERS = 2 ** 22;
export const LAYER = { inFeatures: 1024, outFeatures: 1024, batch: 64 };

const OPTIONS = { format: "nf4", blockSize: 64 } as const;
const WARM_UP_RUNS = 5;

/** Float32 bytes a second, in GB. */
export const gigabytes = (seconds: number): number => (4 * NUMBERS) / seconds / 1e9;

interface Work {
  readonly name: string;
  /** What is wrong with its result, if anything. */
  check(): string | undefined;
  run(): void;
}

async function time(
  works: readonly Work[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Outcome[]> {
  const failures: Outcome[] = [];
  const runners: Runner[] = [];
  for (const { name, check, run } of works) {
    progress(`checking ${name}`);
    const wrong = check();
    if (wrong) failures.push({ name, failure: `wrong result, not timed: ${wrong}` });
    else {
      clock(WARM_UP_RUNS, run);
      runners.push({ name, sample: async () => clock(1, run) });
    }
  }
  const timings = await takeTurns(runners, rounds, progress);
  return [...runners.map(({ name }, i) => ({ name, timing: timings[i], error: 0 })), ...failures];
}

/** `quantize` and `dequantize` of normal numbers. Both are plain loops: they have one thread, whatever the device. */
export function benchCodes(rounds: number, progress: (text: string) => void): Promise<Outcome[]> {
  const x = random(1).normal(NUMBERS);
  const q = quantize(x, OPTIONS);
  const into = new Float32Array(NUMBERS);
  const { halfGap, fixedPoint } = quantizationLaws;
  const breaks = (law: typeof halfGap | typeof fixedPoint) => () =>
    law.check({ x, ...OPTIONS }).holds ? undefined : `not true: ${law.statement}`;
  return time(
    [
      { name: "quantize", check: breaks(halfGap), run: () => void quantize(x, OPTIONS) },
      { name: "dequantize", check: breaks(fixedPoint), run: () => void q.dequantizeInto(into) },
    ],
    rounds,
    progress,
  );
}

/** The forward pass of a linear layer on the cpu device: W in NF4, and its dequantized copy. */
export function benchForward(rounds: number, progress: (text: string) => void): Promise<Outcome[]> {
  const { inFeatures, outFeatures, batch } = LAYER;
  const quantized = QuantizedLinear.from(new Linear(inFeatures, outFeatures, { rng: random(2) }), OPTIONS);
  const dense = quantized.dense();
  const x = tensor(array(random(3).normal(batch * inFeatures), [batch, inFeatures]));
  const forward = (layer: { forward(x: typeof x): typeof x }) =>
    withDevice("cpu", () => scope(() => layer.forward(x).toArray()));
  const differ = (): string | undefined => {
    const [y, z] = [quantized, dense].map(forward);
    const at = y.findIndex((value, i) => value !== z[i]);
    return at < 0 ? undefined : `entry ${at} is ${y[at]} instead of ${z[at]}`;
  };
  return time(
    [
      { name: "dense", check: () => undefined, run: () => void forward(dense) },
      { name: "NF4", check: differ, run: () => void forward(quantized) },
    ],
    rounds,
    progress,
  );
}
