/** @file Training: optimizers against their formulas, resume bit for bit, refusals. Numbers of PyTorch: the oracles. */

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { dropout, mseLoss, noGrad, parameter, type Tensor, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  AutogradError,
  CheckpointError,
  copy,
  loadSafetensors,
  makeTemporaryFolder,
  type NDArray,
  type Random,
  random,
  saveSafetensors,
  scope,
  tensorBytes,
} from "lowrank/core";
import {
  AdamW,
  clipGradientNorm,
  cloneModule,
  constant,
  cosine,
  evaluated,
  type FitResult,
  fit,
  gradientNorm,
  Linear,
  linearDecay,
  Module,
  type Optimizer,
  SGD,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filled, seed, values } from "../support/arbitraries.ts";

const training = suite("training");

/** Two layers with dropout between, whose generator is part of the state. */
class Net extends Module {
  first: Linear;
  second: Linear;
  readonly rng: Random;

  constructor(from: number) {
    super();
    this.first = new Linear(4, 8, { rng: random(from) });
    this.second = new Linear(8, 2, { rng: random(from + 1) });
    this.rng = random(from + 2);
  }

  forward(x: Tensor): Tensor {
    const h = this.first.forward(x).tanh();
    return this.second.forward(this.training ? dropout(h, 0.3, this.rng) : h);
  }
}

const folder = makeTemporaryFolder("lowrank-fit");
training.after(() => rmSync(folder, { recursive: true }));

const batchOf = (step: number): { x: Tensor; y: Tensor } => ({
  x: tensor(random(step).normal(12, 0, 1), [3, 4]),
  y: tensor(random(step + 1000).normal(6, 0, 1), [3, 2]),
});

function run(net: Net, steps: number, path?: string): number[] {
  const optimizer = new AdamW(
    [{ params: net.first.parameters(), lr: 0.02 }, { params: net.second.parameters() }],
    { lr: 0.01 },
  );
  const { losses } = fit(net, {
    steps,
    optimizer,
    batch: batchOf,
    loss: ({ x, y }) => mseLoss(net.forward(x), y),
    schedule: linearDecay({ warmup: 3, total: 20 }),
    maxGradNorm: 1,
    progress: false,
    checkpoint: path === undefined ? undefined : { path, every: 5 },
  });
  return [...losses];
}

const weights = (net: Net): Float32Array[] => net.parameters().map((p) => p.toArray());

training("a run cut after k steps and resumed is the uninterrupted run, bit for bit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 11 }), seed, (cut, from) => {
      const whole = new Net(from);
      const losses = run(whole, 12);
      const path = join(folder, `${cut}-${from}.safetensors`);
      run(new Net(from), cut, path);
      const resumed = new Net(from + 5); // other weights: all must come from the file
      if (cut === 0) return void assert.not(existsSync(path));
      assert.equal(run(resumed, 12, path), losses);
      assert.equal(weights(resumed), weights(whole));
      rmSync(path);
    }),
    { numRuns: 40 },
  );
});

training("a checkpoint of another run, or cut short, is refused and changes nothing", () => {
  const path = join(folder, "other.safetensors");
  run(new Net(1), 5, path);
  class Wider extends Net {
    readonly third = new Linear(2, 2, { rng: random(9) });
  }
  const wider = new Wider(1);
  const before = weights(wider);
  assert.throws(
    () => run(wider, 6, path),
    (e: Error) => e instanceof CheckpointError && /missing: third.weight/.test(e.message),
  );
  assert.equal(weights(wider), before);
  writeFileSync(path, new Uint8Array([1, 2, 3]));
  assert.throws(
    () => run(new Net(1), 6, path),
    (e: Error) => e instanceof CheckpointError,
  );
});

training("SGD without momentum is w − η (g + λ w), exactly for dyadic numbers", () => {
  fc.assert(
    fc.property(fc.integer({ min: -64, max: 64 }), fc.integer({ min: -64, max: 64 }), (w, g) => {
      const p = parameter(tensor([w]));
      p.mul(g).sum().backward();
      new SGD([p], { lr: 0.25, weightDecay: 0.5 }).step();
      assert.is(p.item(), w - 0.25 * (g + 0.5 * w));
    }),
  );
});

training(
  "AdamW's first step moves each weight by the rate, against the sign of its gradient, after decay",
  () => {
    fc.assert(
      fc.property(filled(2), seed, (shape, from) => {
        const p = parameter(values(shape, from, 0.5, 1));
        const [before, g] = [p.toArray(), values(shape, from + 1, 0.5, 1)];
        p.mul(g).sum().backward();
        new AdamW([p], { lr: 0.1, weightDecay: 0.5, eps: 0 }).step();
        // m̂/√v̂ = g/|g| at t = 1. Three float32 operations on numbers below 2.
        p.toArray().forEach((w, i) => {
          const expected = before[i] * (1 - 0.1 * 0.5) - 0.1 * Math.sign(g.toArray()[i]);
          assert.ok(Math.abs(w - expected) <= 6 * 2 ** -24 * 2, `${w} is not ${expected}`);
        });
      }),
    );
  },
);

training("clipping scales to the given norm, or not at all", () => {
  fc.assert(
    fc.property(filled(2), seed, fc.double({ min: 0.01, max: 10, noNaN: true }), (shape, from, most) => {
      const p = parameter(values(shape, from, 0.1, 1));
      p.mul(values(shape, from + 1, 0.1, 1))
        .sum()
        .backward();
      const before = (p.grad as Tensor).toArray();
      const norm = clipGradientNorm([p], most);
      if (norm + 1e-6 <= most) assert.equal((p.grad as Tensor).toArray(), before);
      else assert.ok(Math.abs(gradientNorm([p]) - most) <= most * 1e-4); // the 1e-6 in the factor, norms ≥ 0.01
    }),
  );
});

training("schedules start at their warm-up, pass 1, and end at 0", () => {
  for (const make of [linearDecay, cosine]) {
    const at = make({ warmup: 4, total: 20 });
    assert.equal(
      [0, 2, 4, 20].map((step) => at(step)),
      [0, 0.5, 1, 0],
    );
    for (let step = 4; step < 20; step++) assert.ok(at(step + 1) < at(step));
  }
  assert.is(linearDecay({ total: 20 })(25), 0);
  assert.equal([0, 1, 2, 99].map(constant({ warmup: 2 })), [0, 0.5, 1, 1]);
  assert.throws(() => cosine({ warmup: 5, total: 4 }), /0 ≤ warmup ≤ total/);
});

training("optimizers refuse what would train nothing or anything wrong", () => {
  const p = parameter(tensor([1]));
  assert.throws(
    () => new AdamW([]),
    (e: Error) => e instanceof ArgumentError && /at least one parameter/.test(e.message),
  );
  assert.throws(() => new AdamW([p], { lr: -1 }), /lr ≥ 0/);
  assert.throws(() => new AdamW([p], { betas: [0.9, 1] }), /betas, two numbers in \[0, 1\)/);
  assert.throws(() => new AdamW([p, p]), /each parameter in one group/);
  p.requiresGrad = false;
  assert.throws(() => new SGD([p], { lr: 1 }), /requires a gradient/);
});

training("fit stops at a loss that is no number, naming the step", () => {
  const net = new Net(1);
  assert.throws(
    () =>
      fit(net, {
        steps: 3,
        optimizer: new SGD(net.parameters(), { lr: 1 }),
        batch: (step) => step,
        loss: (step) =>
          net
            .forward(batchOf(step).x)
            .sum()
            .mul(step === 1 ? Number.NaN : 1),
        progress: false,
      }),
    /the loss of step 1 is NaN/,
  );
});

// fit is its loop.

/** Runs with settings of every kind, and the same written out with nothing of fit's. */
function both(settings: {
  from: number;
  steps: number;
  clip: number | undefined;
  schedule: ((step: number) => number) | undefined;
  every: number;
  optimizer: (net: Net) => Optimizer<{ lr: number }>;
}): void {
  const { from, steps, clip, schedule, every, optimizer: make } = settings;
  const lossOf = (net: Net, step: number): Tensor => {
    const { x, y } = batchOf(step);
    return mseLoss(net.forward(x), y);
  };
  const value = (net: Net): number => lossOf(net, 99).item();

  const [net, log] = [new Net(from), [] as unknown[]];
  const optimizer = make(net);
  const rates = optimizer.groups.map(({ lr }) => lr);
  const { losses, evaluations } = fit(net, {
    steps,
    optimizer,
    batch: (step) => step,
    loss: (step) => lossOf(net, step),
    schedule,
    maxGradNorm: clip,
    beforeStep: (step) =>
      void log.push(["before", step, gradientNorm(net.parameters()), net.first.weight.toArray()]),
    afterStep: (step) =>
      void log.push(["after", step, gradientNorm(net.parameters()), net.first.weight.toArray()]),
    onStep: ({ step, loss, gradNorm }) =>
      void log.push(["on", step, loss, gradNorm, gradientNorm(net.parameters())]),
    evaluate: { every, run: () => value(net) },
    progress: false,
  });
  assert.equal(
    optimizer.groups.map(({ lr }) => lr),
    rates,
  );

  const [net2, log2] = [new Net(from), [] as unknown[]];
  const optimizer2 = make(net2);
  const losses2: number[] = [];
  const evaluations2: { step: number; value: number }[] = [];
  for (let step = 0; step < steps; step++) {
    net2.train();
    optimizer2.groups.forEach((group, i) => {
      group.lr = rates[i] * (schedule?.(step) ?? 1);
    });
    const loss = lossOf(net2, step);
    loss.backward();
    const norm = clip === undefined ? null : clipGradientNorm(net2.parameters(), clip);
    log2.push(["before", step, gradientNorm(net2.parameters()), net2.first.weight.toArray()]);
    optimizer2.step();
    log2.push(["after", step, gradientNorm(net2.parameters()), net2.first.weight.toArray()]);
    optimizer2.zeroGrad();
    losses2.push(loss.item());
    log2.push(["on", step, loss.item(), norm, 0]);
    if ((step + 1) % every === 0 || step + 1 === steps) {
      net2.eval();
      evaluations2.push({ step: step + 1, value: noGrad(() => value(net2)) });
    }
  }
  assert.equal(losses, losses2);
  assert.equal(evaluations, evaluations2);
  assert.equal(log, log2);
  assert.equal(weights(net), weights(net2));
  assert.is(net.rng.state().position, net2.rng.state().position);
}

training(
  "fit takes the steps of its loop written out: rates, clipping, dropout, evaluation, hooks in their order",
  () => {
    const optimizer = fc.constantFrom(
      (net: Net) => new SGD(net.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 0.01 }),
      (net: Net) =>
        new AdamW([{ params: net.first.parameters(), lr: 0.02 }, { params: net.second.parameters() }], {
          lr: 0.01,
        }),
    );
    const schedule = fc.constantFrom(
      undefined,
      linearDecay({ warmup: 2, total: 9 }),
      cosine({ total: 9 }),
      (step: number) => 1 / (1 + step),
    );
    const settings = fc.record({
      from: seed,
      steps: fc.integer({ min: 0, max: 9 }),
      clip: fc.constantFrom(undefined, 0, 0.1, 1, 100),
      schedule,
      every: fc.integer({ min: 1, max: 10 }),
      optimizer,
    });
    fc.assert(fc.property(settings, both), { numRuns: 60 });
  },
);

/** A fit of a line, with options changed. */
function lineFit(options: object = {}): { net: Linear; run: () => FitResult; optimizer: SGD } {
  const net = new Linear(2, 1, { rng: random(1) });
  const optimizer = new SGD(net.parameters(), { lr: 0.1 });
  const x = tensor(random(2).normal(8), [4, 2]);
  const loss = (): Tensor => net.forward(x).sub(1).square().mean();
  const all = { steps: 6, optimizer, batch: (step: number) => step, loss, progress: false, ...options };
  return { net, run: () => fit(net, all as never), optimizer };
}

training("whatever throws, rates and modes are afterwards what they were", () => {
  const oops = (): never => {
    throw new Error("oops");
  };
  const hooks = ["batch", "loss", "schedule", "beforeStep", "afterStep", "onStep"];
  for (const options of [...hooks.map((name) => ({ [name]: oops })), { evaluate: { every: 1, run: oops } }]) {
    for (const training of [true, false]) {
      const { net, run, optimizer } = lineFit({ schedule: () => 0.5, ...options });
      net.train(training);
      assert.throws(run, /oops/);
      assert.is(optimizer.groups[0].lr, 0.1);
      assert.is(net.training, training);
    }
  }
  const { net, run } = lineFit();
  net.eval();
  run();
  assert.is(net.training, false);
});

training("options that are misspelt, missing or senseless are refused before anything is done", () => {
  const { optimizer } = lineFit();
  const run = (): number => 0;
  const cases: [object, RegExp][] = [
    [{ max_grad_norm: 1 }, /expected maxGradNorm \(there is no option max_grad_norm here\)/],
    [{ maxGradnorm: 1 }, /expected maxGradNorm/],
    [{ learning_rate: 1 }, /expected the rate in the optimizer/],
    [{ epochs: 1 }, /expected steps/],
    [{ onstep: () => {} }, /expected onStep/],
    [{ patience: 1 }, /expected evaluate: \{ patience \}/],
    [{ checkpoint: { path: "a", every: 0 } }, /every a positive integer/],
    [{ checkpoint: { file: "a", every: 1 } }, /expected path/],
    [{ checkpoint: { path: "a", save_steps: 1 } }, /expected every/],
    [{ evaluate: { every: 0, run } }, /every a positive integer/],
    [{ evaluate: { run } }, /every a positive integer/],
    [{ evaluate: { every: 1 } }, /run, a function/],
    [{ evaluate: { every: 1, run, keepbest: true } }, /expected keepBest/],
    [{ evaluate: { every: 1, run, keepBest: "lowest" } }, /keepBest true or false/],
    [{ evaluate: { every: 1, run, best: "max" } }, /best "lowest" or "highest"/],
    [{ evaluate: { every: 1, run, patience: 0 } }, /patience a positive integer/],
    [{ optimizer: undefined }, /optimizer, such as new AdamW/],
    [{ optimizer: { step() {}, groups: optimizer.groups } }, /optimizer, such as new AdamW/],
    [{ batch: undefined }, /batch, a function/],
    [{ loss: 3 }, /loss, a function/],
    [{ steps: -1 }, /steps a non-negative integer/],
    [{ steps: undefined }, /steps a non-negative integer/],
    [{ maxGradNorm: -1 }, /maxGradNorm ≥ 0/],
    [{ maxGradNorm: Number.NaN }, /maxGradNorm ≥ 0/],
    [{ state: {} }, /state with stateDict/],
    [{ progress: 3 }, /progress true, false or a string/],
    [{ schedule: () => Number.NaN }, /a schedule of factors from 0; got schedule\(0\) NaN/],
    [{ schedule: () => -1 }, /a schedule of factors from 0/],
    [{ loss: () => 3 }, /loss to return a scalar tensor/],
    [{ evaluate: { every: 6, run: () => "3" } }, /a number or "stop" of evaluate.run/],
  ];
  for (const [options, message] of cases) {
    const { run } = lineFit(options);
    assert.throws(run, (e: Error) => e instanceof ArgumentError && message.test(e.message), String(message));
  }
  assert.throws(
    () => fit(lineFit().net, undefined as never),
    (e: Error) => e instanceof ArgumentError,
  );
  assert.throws(() => fit({} as never, {} as never), /a module to train/);
});

training("asynchronous functions are refused, whichever they are", () => {
  const later = async (): Promise<never> => {
    throw new Error("unseen");
  };
  for (const name of ["batch", "loss", "beforeStep", "afterStep", "onStep"]) {
    assert.throws(
      lineFit({ [name]: later }).run,
      (e: Error) =>
        e instanceof ArgumentError && e.message.startsWith(`fit: ${name}: expected a synchronous function`),
    );
  }
  assert.throws(lineFit({ evaluate: { every: 1, run: later } }).run, /expected a synchronous function/);
  assert.throws(() => evaluated(new Linear(1, 1), later), /expected a synchronous function/);
});

training(
  "an optimizer whose parameters get no gradient, and a gradient that is no number, stop the run",
  () => {
    const other = new Linear(2, 1);
    assert.throws(
      lineFit({ optimizer: new SGD(other.parameters(), { lr: 1 }) }).run,
      (e: Error) =>
        e instanceof AutogradError && /no parameter of this optimizer has a gradient/.test(e.message),
    );
    const w = parameter(tensor([0]));
    class Root extends Module {
      readonly w = w;
    }
    const before = w.toArray();
    assert.throws(
      () =>
        fit(new Root(), {
          steps: 2,
          optimizer: new SGD([w], { lr: 1 }),
          batch: () => 0,
          loss: () => w.sqrt().sum(), // its derivative at 0 is infinite
          maxGradNorm: 1,
          progress: false,
        }),
      /the norm of the gradients of step 0 is Infinity/,
    );
    assert.equal(w.toArray(), before);
  },
);

training("parameters that the loss depends on and nobody trains are warned of", () => {
  class Hides extends Module {
    readonly found = parameter(tensor([1]));
    readonly #secret = parameter(tensor([1, 2, 3]));
    loss(): Tensor {
      return this.found.mul(this.#secret).square().sum();
    }
  }
  const said: string[] = [];
  const before = console.warn;
  console.warn = (text: string) => void said.push(text);
  try {
    const model = new Hides();
    const optimizer = new SGD(model.parameters(), { lr: 0.1 });
    fit(model, { steps: 2, optimizer, batch: () => 0, loss: () => model.loss(), progress: false });
  } finally {
    console.warn = before;
  }
  assert.is(said.length, 1);
  assert.match(said[0], /neither in the model nor in the optimizer, and do not train: \[3\]/);
});

training("gradients of several batches add up to that of all, in a loss that is their sum", () => {
  const net = new Net(1).eval();
  const grads = (fn: () => void): Float32Array[] => {
    net.zeroGrad();
    fn();
    return net.parameters().map((p) => (p.grad as Tensor).toArray());
  };
  const lossAt = (step: number): Tensor => mseLoss(net.forward(batchOf(step).x), batchOf(step).y);
  const added = grads(() => {
    for (const step of [1, 2, 3]) lossAt(step).backward();
  });
  const whole = grads(() => lossAt(1).add(lossAt(2)).add(lossAt(3)).backward());
  added.forEach((g, i) => {
    g.forEach((value, j) => {
      assert.ok(Math.abs(value - whole[i][j]) <= 1e-5 * (1 + Math.abs(value)));
    });
  });
});

// Stopping early, and keeping the best.

/** A run whose evaluations are given; its weights count the steps, and so does its state. */
function valued(
  values: readonly (number | "stop")[],
  options: object = {},
  path?: string,
  steps = values.length,
  crash = Infinity,
) {
  class Counter extends Module {
    readonly w = parameter(tensor([0]));
    readonly frozen = parameter(tensor([5]));
  }
  const model = new Counter();
  model.frozen.requiresGrad = false;
  let taken = -1;
  const state = {
    steps: 0,
    stateDict: () => new Map([["steps", tensor([state.steps]).value]]),
    loadStateDict(saved: Map<string, NDArray>): void {
      const steps = saved.get("steps")?.data[0] ?? Number.NaN;
      if (!(steps >= 0)) throw new CheckpointError("state: expected a number of steps");
      state.steps = steps;
    },
  };
  const run = (): FitResult =>
    fit(model, {
      steps,
      optimizer: new SGD([model.w], { lr: 1 }),
      batch: (step) => (taken = step),
      loss: () => model.w.mul(-1).sum(), // each step adds 1
      onStep: ({ step }) => {
        if (step === crash) throw new Error("crash");
      },
      afterStep: () => void state.steps++,
      state,
      evaluate: { every: 1, run: () => values[taken], ...options },
      checkpoint: path === undefined ? undefined : { path, every: 1 },
      progress: false,
    });
  return { model, run, state };
}

const evaluationValues = fc.array(
  fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, Infinity, 0.1)),
  {
    minLength: 1,
    maxLength: 10,
  },
);

training(
  "the best weights come back, patience ends the run, and a resumed run is the uninterrupted one",
  () => {
    fc.assert(
      fc.property(
        evaluationValues,
        fc.constantFrom("lowest" as const, "highest" as const),
        fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        fc.boolean(),
        fc.nat(10),
        (values, best, patience, keepBest, crash) => {
          const options = { best, patience, keepBest };
          // By hand.
          const better = (a: number, b: number): boolean => (best === "lowest" ? a < b : a > b);
          let [top, ended] = [-1, values.length];
          for (let i = 0; i < values.length; i++) {
            if (!Number.isNaN(values[i]) && (top < 0 || better(values[i], values[top]))) top = i;
            if (patience !== undefined && i - top >= patience) {
              ended = i + 1;
              break;
            }
          }
          const { model, run, state } = valued(values, options);
          const result = run();
          assert.is(result.losses.length, ended);
          assert.is(result.stopped, patience !== undefined && ended - 1 - top >= patience);
          assert.equal(result.best, top < 0 ? null : { step: top + 1, value: values[top] });
          assert.is(model.w.item(), keepBest && top >= 0 ? top + 1 : ended);
          assert.is(state.steps, model.w.item());
          assert.is(model.frozen.item(), 5);

          const path = join(folder, `best-${Math.random()}.safetensors`);
          const first = valued(values, options, path, values.length, crash);
          if (crash < ended) assert.throws(first.run, /crash/);
          else first.run();
          for (let again = 0; again < 2; again++) {
            const second = valued(values, options, path); // the second time the run is at its end already
            const { seconds: _, ...resumed } = second.run();
            const { seconds: __, ...whole } = result;
            assert.equal(resumed, whole);
            assert.is(second.model.w.item(), model.w.item());
            assert.is(second.state.steps, state.steps);
          }
          if (keepBest && top >= 0)
            assert.throws(valued(values, { best, patience }, path).run, /without keepBest/);
          rmSync(path, { force: true });
        },
      ),
      { numRuns: 60 },
    );
  },
);

training("a best state that is damaged or missing is refused before anything is changed", () => {
  const path = join(folder, "damaged.safetensors");
  assert.throws(valued([3, 2, 1, 4], { keepBest: true }, path, 4, 3).run, /crash/);
  const saved = loadSafetensors(path);
  const write = (change: (name: string) => { values: number[] } | null): void =>
    saveSafetensors(
      path,
      Array.from(saved.tensors, ([name, one]) => {
        const changed = change(name);
        const given = changed?.values ?? [...one.floats()];
        return changed && changed.values.length === 0
          ? null
          : ([name, tensorBytes("F32", [given.length], given)] as const);
      }).filter((entry) => entry !== null),
      { metadata: saved.metadata },
    );
  for (const [values, message] of [
    [[], /without them/],
    [[-1], /expected a number of steps/],
  ] as const) {
    write((name) => (name === "bestState.steps" ? { values: [...values] } : null));
    const { model, run, state } = valued([3, 2, 1, 4], { keepBest: true }, path);
    assert.throws(run, (e: Error) => e instanceof CheckpointError && message.test(e.message));
    assert.equal([model.w.item(), state.steps], [0, 0]);
  }
});

training("a run that is resumed with fewer steps than it has taken says so, and is returned whole", () => {
  const path = join(folder, "longer.safetensors");
  const whole = valued([3, 2, 1, 4], {}, path).run();
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (message: unknown) => said.push(message);
  try {
    const { seconds: _, ...shorter } = valued([3, 2, 1, 4], {}, path, 2).run();
    const { seconds: __, ...longer } = whole;
    assert.equal(shorter, longer);
    valued([3, 2, 1, 4], {}, path, 4).run();
  } finally {
    console.warn = warn;
  }
  assert.is(said.length, 1);
  assert.match(String(said[0]), /of a run of 4 steps; expected at most 2/);
});

training('onStep and evaluate.run end a run with "stop"; nothing else does', () => {
  for (const said of ["stop", "halt", true, 1, undefined]) {
    const { run } = lineFit({
      onStep: ({ step }: { step: number }) => (step === 2 ? said : undefined),
      evaluate: { every: 2, run: () => 1 },
    });
    const { losses, stopped, evaluations } = run();
    assert.is(losses.length, said === "stop" ? 3 : 6);
    assert.is(stopped, said === "stop");
    assert.equal(
      evaluations.map(({ step }) => step),
      said === "stop" ? [2, 3] : [2, 4, 6], // and one after the last step
    );
  }
  const { model, run } = valued([3, 2, "stop", 1], { keepBest: true });
  const { losses, best, stopped } = run();
  assert.equal([losses.length, best, stopped, model.w.item()], [3, { step: 2, value: 2 }, true, 2]);
});

training("what is copied in hooks and evaluations stays; what is computed there does not", () => {
  const kept: Record<string, (Tensor | NDArray | Module)[]> = {};
  const computed: Tensor[] = [];
  const holder = lineFit();
  const keep = (name: string) => (): number => {
    const { weight } = holder.net;
    kept[name] = [
      copy(weight.value),
      weight.clone(),
      parameter(weight),
      cloneModule(holder.net),
      scope(() => weight.clone()),
    ];
    computed.push(weight.mul(2));
    return 0;
  };
  const names = ["beforeStep", "afterStep", "onStep"];
  const hooks = Object.fromEntries(names.map((name) => [name, keep(name)]));
  fit(holder.net, {
    steps: 1,
    optimizer: holder.optimizer,
    batch: () => 0,
    loss: () => holder.net.weight.sum(),
    evaluate: { every: 1, run: keep("run") },
    progress: false,
    ...hooks,
  });
  for (const name of [...names, "run"]) {
    for (const thing of kept[name]) {
      const values =
        thing instanceof Module
          ? (thing as Linear).weight.value.data
          : "data" in thing
            ? thing.data
            : thing.value.data;
      assert.is(values.length, 2, name);
      assert.ok(values.every((value) => Number.isFinite(value) && value !== 0));
    }
  }
  for (const tensor of computed) assert.throws(() => tensor.value.data, /released/);
});

training.run();
