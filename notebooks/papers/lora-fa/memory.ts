/** @file What a training step keeps in memory with LoRA and with LoRA-FA, measured and as a formula. */
import { savedBytes, tensor } from "lowrank/autograd";
import { type Bytes, kernelCounts, random, scope } from "lowrank/core";
import { LoRA, LoraFA, viewWeight } from "lowrank/lora";
import { GPT2, Linear, type Module } from "lowrank/nn";
import { gpt2Fields } from "../../support/experiments/gpt2-fields.ts";
import { adamW } from "../../support/experiments/harness.ts";
import { noise, stepMemory } from "../../support/experiments/measured-step.ts";
import { sum } from "../../support/experiments/statistics.ts";
import { fullFineTuning } from "../../support/methods/baselines.ts";
import { checkpointBlocks } from "../../support/methods/checkpointed.ts";
import { adapters } from "./arms.ts";

/** Numbers that one layer [out, in] keeps for backward per token; its input has a gradient, parameters are not counted. */
export function keptPerToken(
  method: "full" | "lora" | "lora-fa",
  r: number,
  [out, into]: readonly [number, number],
) {
  const tokens = 10;
  const layer = new Linear(into, out, { bias: false, rng: random(1) });
  layer.requiresGrad_(method === "full");
  const W0 = viewWeight(layer);
  const x = tensor(random(2).normal(tokens * into), [tokens, into], { requiresGrad: true });
  const options = { rank: r, rng: random(3) };
  const part = method === "full" ? null : method === "lora" ? new LoRA(W0, options) : new LoraFA(W0, options);
  const W0x = W0.project(x);
  const y = part ? W0x.add(part.delta(W0, x)) : W0x;
  const parameters = [...layer.parameters(), ...(part?.parameters() ?? [])];
  return (savedBytes(y) / 4 - sum(parameters.map(({ size }) => size))) / tokens;
}

export interface Step {
  readonly method: "full" | "lora" | "lora-fa";
  readonly d: number;
  readonly rank: number;
  /** Rows of a batch, of `TIME` tokens each. */
  readonly rows: number;
  readonly checkpointed?: boolean;
  readonly dropout?: number;
}

export const LAYERS = 2;
export const TIME = 64;

/** Bytes of one training step of a GPT-2 of two blocks. */
export interface StepBytes extends Step {
  readonly memory: Readonly<Bytes>;
  /** Saved for backward. */
  readonly saved: number;
  /** Weights, adapters, gradients, optimizer and what is saved: all but temporaries. */
  readonly kept: number;
  readonly peak: number;
}

const prepared =
  ({ method, rank, checkpointed, dropout }: Step) =>
  (model: GPT2): Module => {
    const module = method === "full" ? fullFineTuning(model) : adapters(model, method, rank, { dropout });
    if (checkpointed) checkpointBlocks(model);
    return module;
  };

export function measure(step: Step): StepBytes {
  const { d, rows } = step;
  const { memory, peak } = stepMemory(prepared(step), { d, layers: LAYERS, time: TIME, rows });
  const { weights, adapters, gradients, optimizer, saved } = memory;
  return { ...step, memory, saved, kept: weights + adapters + gradients + optimizer + saved, peak };
}

/** LoRA and LoRA-FA of one size, and how many times less memory LoRA-FA keeps. */
export function compared(size: Omit<Step, "method">) {
  const [lora, fa] = (["lora", "lora-fa"] as const).map((method) => measure({ ...size, method }));
  return { lora, fa, ratio: lora.kept / fa.kept };
}

/** Bytes of the layers' inputs: d, d, d and 4 d numbers for each token and block. */
export const inputBytes = (d: number, tokens: number): number => 4 * 7 * d * LAYERS * tokens;

/** Bytes of A x of the four adapted layers of each block. */
export const projectionBytes = (rank: number, tokens: number): number => 4 * 4 * rank * LAYERS * tokens;

/** A model with a method on it, and a step that can be taken again and again. */
function stepper(step: Step) {
  const model = new GPT2(gpt2Fields({ d: step.d, layers: LAYERS, heads: 4, time: TIME }), { rng: random(1) });
  const optimizer = adamW(prepared(step)(model), 1e-3);
  const { ids, labels } = noise(TIME).batch(step.rows, random(2));
  return (): void =>
    scope(() => {
      model.loss(ids, labels).backward();
      optimizer.step();
      optimizer.zeroGrad();
    });
}

/** Matrix products that the device runs in one training step. */
export function products(step: Step): number {
  const take = stepper(step);
  const ran = (): number =>
    sum(Object.entries(kernelCounts()).flatMap(([name, calls]) => (/ matmul$/.test(name) ? [calls] : [])));
  take();
  const before = ran();
  take();
  return ran() - before;
}

/** Multiplications of one step in the linear layers of the blocks, in millions: forward, and each gradient. */
export function multiplications({ method, d, rank, rows }: Step): number {
  const shapes = [
    [3 * d, d],
    [d, d],
    [4 * d, d],
    [d, 4 * d],
  ]; // [out, in]
  const each = shapes.map(([out, into]) => {
    const W = out * into;
    if (method === "full") return 3 * W; // W x, Wᵀ g, g xᵀ
    const adapter = 3 * rank * (into + out); // A x, B z; their gradients to z and x; to B and A
    return 2 * W + adapter - (method === "lora-fa" ? rank * into : 0);
  });
  return (LAYERS * rows * TIME * sum(each)) / 1e6;
}

/** Milliseconds of a training step of each, taken in turns: the fastest decile of the turns. */
export function times(steps: readonly Step[], turns: number): number[] {
  const takes = steps.map(stepper);
  const seen = steps.map(() => [] as number[]);
  for (let turn = -2; turn < turns; turn++)
    takes.forEach((take, i) => {
      const start = performance.now();
      take();
      if (turn >= 0) seen[i].push(performance.now() - start);
    });
  return seen.map((all) => all.sort((a, b) => a - b)[Math.floor(turns / 10)]);
}

/** What the adapters keep at several ranks, and what was predicted: 7 d + 4 r and 4 r numbers for each token and block. */
export function keptByRank(d: number, ranks: readonly number[]) {
  const tokens = 2 * TIME;
  const one = 4 * LAYERS * tokens; // bytes of one number for each token and block
  const all = ranks.map((r) => ({ r, ...compared({ d, rank: r, rows: 2 }) }));
  const rest = all[0].fa.saved - projectionBytes(all[0].r, tokens); // what a frozen model keeps by itself
  const rows = all.map(({ r, lora, fa }) => ({
    r,
    LoRA: (lora.saved - rest) / one,
    "LoRA-FA": (fa.saved - rest) / one,
  }));
  const exact = all.every(
    ({ r, lora, fa }) =>
      lora.saved - fa.saved === inputBytes(d, tokens) && fa.saved - rest === projectionBytes(r, tokens),
  );
  const [narrow, wide] = [all[0], all[all.length - 1]];
  return { rows, exact, growth: 100 * (wide.fa.saved / narrow.fa.saved - 1) };
}
