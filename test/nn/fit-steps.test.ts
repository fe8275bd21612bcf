/** @file `fitSteps`: the steps of `fit` bit for bit, with a turn of the event loop between two, and left at any step. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { dropout, mseLoss, type Tensor, tensor } from "lowrank/autograd";
import { ArgumentError, makeTemporaryFolder, type Random, random } from "lowrank/core";
import { inject } from "lowrank/lora";
import {
  AdamW,
  evaluated,
  type FitOptions,
  type FitResult,
  type FitStep,
  fit,
  fitSteps,
  Linear,
  linearDecay,
  type Module,
  Module as Net,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { turn } from "../../nn/train/turn.ts";

const test = suite("fitSteps");

const folder = makeTemporaryFolder("lowrank-fit-steps");
test.after(() => rmSync(folder, { recursive: true }));

/** Two layers with dropout between, whose generator is part of the state. */
class Dropping extends Net {
  readonly first = new Linear(4, 8, { rng: random(1) });
  readonly second = new Linear(8, 2, { rng: random(2) });
  readonly rng: Random = random(3);

  forward(x: Tensor): Tensor {
    const h = this.first.forward(x).tanh();
    return this.second.forward(this.training ? dropout(h, 0.3, this.rng) : h);
  }
}

interface Case {
  readonly model: Module;
  readonly options: FitOptions<{ x: Tensor; y: Tensor }>;
}

/** What a run is made of. */
interface Settings {
  readonly method: "lora" | "dora" | null;
  readonly steps: number;
  readonly accumulate: number;
  readonly every: number;
  readonly keepBest: boolean;
  readonly patience: number;
  readonly stopAt: number;
}
const settings: fc.Arbitrary<Settings> = fc.record({
  method: fc.constantFrom(null, "lora" as const, "dora" as const),
  steps: fc.integer({ min: 0, max: 6 }),
  accumulate: fc.integer({ min: 1, max: 2 }),
  every: fc.integer({ min: 1, max: 4 }),
  keepBest: fc.boolean(),
  patience: fc.integer({ min: 1, max: 3 }),
  stopAt: fc.integer({ min: 0, max: 12 }),
});

/** The same run each time it is made. */
function made(
  { method, steps, accumulate, every, keepBest, patience, stopAt }: Settings,
  path?: string,
): Case {
  const base = new Dropping();
  const model = method === null ? base : inject(base, { method, rank: 2, target: "all-linear", seed: 4 });
  const forward = (x: Tensor): Tensor => (model as unknown as Dropping).forward(x);
  const part = (seed: number) => ({
    x: tensor(random(seed).normal(12), [3, 4]),
    y: tensor(random(seed + 1000).normal(6), [3, 2]),
  });
  const held = part(99);
  const options = {
    steps,
    accumulate,
    optimizer: new AdamW(model.parameters(), { lr: 0.02 }),
    batch: (step: number, index: number) => part(2 * step + index),
    loss: ({ x, y }: { x: Tensor; y: Tensor }) => mseLoss(forward(x), y),
    schedule: linearDecay({ warmup: 2, total: 8 }),
    maxGradNorm: 1,
    evaluate: { every, run: () => mseLoss(forward(held.x), held.y).item(), keepBest, patience },
    onStep: ({ step }: { step: number }) => (step === stopAt ? "stop" : null),
    progress: false,
    checkpoint: path === undefined ? undefined : { path, every },
  };
  return { model, options };
}

/** Every number of a model: parameters, generators, modes. */
const stateOf = (model: Module): unknown => ({
  values: Array.from(model.namedParameters(), ([name, { value }]) => [name, Array.from(value.data)]),
  modes: Array.from(model.namedModules(), ([name, { training }]) => [name, training]),
});

/** Runs to the end. */
async function allOf(run: AsyncGenerator<FitStep, FitResult>): Promise<[FitStep[], FitResult]> {
  const steps: FitStep[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done) return [steps, next.value];
    steps.push(next.value);
  }
}

const numbersOf = ({ losses, evaluations, best, stopped }: FitResult): unknown => ({
  losses,
  evaluations,
  best,
  stopped,
});

test("losses, evaluations, weights and checkpoints are those of fit, bit for bit", async () => {
  await fc.assert(
    fc.asyncProperty(settings, async (given) => {
      const [one, two] = [join(folder, "one.safetensors"), join(folder, "two.safetensors")];
      const [a, b] = [made(given, one), made(given, two)];
      const expected = fit(a.model, a.options);
      const [steps, result] = await allOf(fitSteps(b.model, b.options));
      assert.equal(numbersOf(result), numbersOf(expected));
      assert.equal(stateOf(b.model), stateOf(a.model));
      assert.equal(
        steps.map(({ loss }) => loss),
        expected.losses,
      );
      assert.equal(
        steps.map(({ step }) => step),
        expected.losses.map((_, step) => step),
      );
      assert.equal(
        steps.flatMap(({ evaluation }) => evaluation ?? []),
        expected.evaluations,
      );
      assert.is(existsSync(two), existsSync(one));
      rmSync(one, { force: true });
      rmSync(two, { force: true });
    }),
    { numRuns: 60 },
  );
});

test("a run that was left is continued from its checkpoint, and ends where fit ends", async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.integer({ min: 0, max: 5 }), async (given, leaveAt) => {
      const path = join(folder, "left.safetensors");
      const whole = made(given);
      const expected = fit(whole.model, whole.options);
      const left = made(given, path);
      for await (const { step } of fitSteps(left.model, left.options)) if (step === leaveAt) break;
      const again = made(given, path);
      const [, result] = await allOf(fitSteps(again.model, again.options));
      assert.equal(numbersOf(result), numbersOf(expected));
      assert.equal(stateOf(again.model), stateOf(whole.model));
      rmSync(path, { force: true });
    }),
    { numRuns: 40 },
  );
});

const plain: Settings = {
  method: "lora",
  steps: 5,
  accumulate: 1,
  every: 2,
  keepBest: false,
  patience: 3,
  stopAt: 12,
};

test("the loop left, by break or an error in its body or in a step, restores modes and rates", async () => {
  const ways: Readonly<Record<string, (step: number) => void>> = {
    break: () => {},
    "an error in the body": () => {
      throw new Error("body");
    },
  };
  for (const [name, leave] of Object.entries(ways)) {
    const { model, options } = made(plain);
    model.eval();
    const before = stateOf(model) as { modes: unknown };
    const rates = options.optimizer.groups.map(({ lr }) => lr);
    const error = await (async () => {
      for await (const { step } of fitSteps(model, options)) {
        if (step < 3) continue;
        assert.ok(model.training, "the model trains between the steps");
        assert.not.equal(
          options.optimizer.groups.map(({ lr }) => lr),
          rates,
        );
        leave(step);
        break;
      }
      return null;
    })().catch((reason: Error) => reason.message);
    assert.is(error, name === "break" ? null : "body");
    assert.equal((stateOf(model) as { modes: unknown }).modes, before.modes, name);
    assert.equal(
      options.optimizer.groups.map(({ lr }) => lr),
      rates,
      name,
    );
  }
  const { model, options } = made(plain);
  model.eval();
  const failing = {
    ...options,
    beforeStep: (step: number) => {
      if (step === 3) throw new Error("in step 3");
    },
  };
  const message = await allOf(fitSteps(model, failing)).catch((error: Error) => error.message);
  assert.is(message, "in step 3");
  assert.not(model.training);
  assert.is(options.optimizer.groups[0].lr, 0.02);
});

test("between two steps the event loop has a turn, with setImmediate or, as in a page, without", async () => {
  const { setImmediate: immediate } = globalThis;
  for (const isPage of [false, true]) {
    const { model, options } = made({ ...plain, patience: 10 });
    let [turns, running] = [0, true];
    const count = (): void => {
      turns++;
      if (running) immediate(count);
    };
    immediate(count);
    const seen: number[] = [];
    if (isPage) Reflect.deleteProperty(globalThis, "setImmediate");
    try {
      for await (const _ of fitSteps(model, options)) seen.push(turns);
    } finally {
      Object.assign(globalThis, { setImmediate: immediate });
      running = false;
    }
    assert.is(seen.length, 5);
    const turned = seen.slice(1).filter((turn, i) => turn > seen[i]).length;
    assert.ok(turned >= (isPage ? 3 : 4), `${turned} of 4: ${seen}`); // a message may come before the first count
  }
});

test("turns end: nothing keeps the program alive after them", async () => {
  await turn();
  const { setImmediate: immediate } = globalThis;
  Reflect.deleteProperty(globalThis, "setImmediate");
  try {
    await turn();
  } finally {
    Object.assign(globalThis, { setImmediate: immediate });
  }
  for (let i = 0; i < 20; i++) await turn(); // a port takes a turn to close
  const open = process.getActiveResourcesInfo().filter((name) => name === "MessagePort");
  assert.equal(open, []);
});

test("the body may evaluate the model between two steps, and changes no number", async () => {
  const [a, b] = [made({ ...plain, patience: 10 }), made({ ...plain, patience: 10 })];
  const { losses } = fit(a.model, a.options);
  const heard: number[] = [];
  const x = tensor(random(7).normal(12), [3, 4]);
  for await (const { loss } of fitSteps(b.model, b.options)) {
    heard.push(loss);
    evaluated(b.model, () => (b.model as unknown as Dropping).forward(x).toArray());
  }
  assert.equal(heard, losses);
});

test("wrong options are refused at the call, and nothing is changed by a run that is never begun", async () => {
  const { model, options } = made(plain);
  model.eval();
  assert.throws(
    () => fitSteps(model, { ...options, steps: -1 }),
    (error: Error) => error instanceof ArgumentError && /steps a non-negative integer/.test(error.message),
  );
  const run = fitSteps(model, options);
  assert.not(model.training);
  await run.return(undefined as never);
  assert.not(model.training);
});

test.run();
