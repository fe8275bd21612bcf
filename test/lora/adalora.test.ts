/** @file AdaLoRA's own laws: the budget, who is kept, what comes back, resuming; its regulariser and its factor. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { checkGradients, Tensor } from "lowrank/autograd";
import { AdapterError, ArgumentError, array, CheckpointError, qr, random, withPrecision } from "lowrank/core";
import {
  AdaLoRA,
  type Allocation,
  type AllocatorOptions,
  BudgetAllocator,
  type BudgetSchedule,
  budgetAt,
  inject,
  orthogonality,
  viewWeight,
} from "lowrank/lora";
import { AdamW, fit, Linear, Module, mseLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adapted, build, distance, drawn, draws, merged, randomize } from "../support/sites.ts";

const adalora = suite("adalora");
const size = fc.integer({ min: 1, max: 6 });
const seed = fc.nat(1_000_000);

/** Ranks of a few adapters and a schedule that fits them. */
const runs = fc
  .record({
    ranks: fc.array(size, { minLength: 1, maxLength: 4 }),
    warmup: fc.integer({ min: 0, max: 6 }),
    falling: fc.integer({ min: 1, max: 12 }),
    final: fc.integer({ min: 0, max: 6 }),
    interval: fc.integer({ min: 1, max: 4 }),
    percent: fc.nat(100),
    seed,
  })
  .map(({ ranks, warmup, falling, final, percent, ...rest }) => {
    const initial = ranks.reduce((sum, r) => sum + r, 0);
    const schedule = { warmup, final, totalSteps: warmup + falling + final, interval: rest.interval };
    return { ranks, initial, target: Math.round((percent / 100) * initial), schedule, seed: rest.seed };
  });

const adapterOf = (rank: number, [out, into] = [5, 6]): AdaLoRA =>
  new AdaLoRA(viewWeight(new Linear(into, out).requiresGrad_(false)), { rank, rng: random(rank) });

/** A step of training as the allocator sees one: new values and new gradients, drawn; no λ is zero. */
function move(adapters: readonly AdaLoRA[], from: number): void {
  for (const [k, adapter] of adapters.entries()) {
    for (const [i, parameter] of adapter.parameters().entries()) {
      parameter.zeroGrad();
      parameter.assign(drawn(from + 10 * k + i, parameter.shape, 0.5, 1));
      parameter.accumulate(new Tensor(drawn(from + 10 * k + i + 5, parameter.shape, 0.5, 1)));
    }
  }
}

const active = (adapters: readonly AdaLoRA[]): number =>
  adapters.reduce((sum, adapter) => sum + adapter.activeRank(), 0);

adalora("b(t) is b(0) in the warm-up, never rises, and is b(T) from T − t_f on", () => {
  fc.assert(
    fc.property(runs, ({ initial, target, schedule }) => {
      const { totalSteps, warmup, final } = schedule;
      const budgets = Array.from({ length: totalSteps + 1 }, (_, t) =>
        budgetAt(t, schedule, initial, target),
      );
      for (const [t, b] of budgets.entries()) {
        assert.ok(Number.isInteger(b));
        if (t <= warmup) assert.is(b, initial);
        else assert.ok(b <= budgets[t - 1]);
        if (t >= totalSteps - final) assert.is(b, target);
      }
    }),
  );
});

adalora("b(t) with T 3000, t_i 500, t_f 1500, from 864 to 576, as in the authors' code", () => {
  const schedule = { totalSteps: 3000, warmup: 500, final: 1500 };
  const at = [500, 501, 1000, 1250, 1500, 3000].map((t) => budgetAt(t, schedule, 864, 576));
  assert.equal(at, [864, 863, 612, 580, 576, 576]);
});

adalora(
  "every step that masks leaves exactly b(t) singular values, others none less; the end meets b(T)",
  () => {
    fc.assert(
      fc.property(runs, ({ ranks, target, schedule, seed }) => {
        const { totalSteps, warmup, final, interval } = schedule;
        const adapters = ranks.map((r) => adapterOf(r));
        const allocator = new BudgetAllocator(adapters, { ...schedule, target });
        for (let t = 1; t <= totalSteps; t++) {
          move(adapters, seed + 1000 * t);
          const masks = t > warmup && (t >= totalSteps - final || t % interval === 0);
          assert.is(allocator.allocate(t) !== null, masks);
          assert.is(active(adapters), masks ? allocator.budget(t) : allocator.initial);
        }
        assert.is(active(adapters), target); // T ≥ T − t_f masks always
      }),
    );
  },
);

adalora("those kept are the ones of highest score in the whole model", () => {
  fc.assert(
    fc.property(runs, ({ ranks, target, seed }) => {
      const adapters = ranks.map((r) => adapterOf(r));
      const options: AllocatorOptions = { totalSteps: 2, warmup: 0, final: 0, target, measure: "magnitude" };
      move(adapters, seed);
      const before = adapters.flatMap(({ lambda }) => Array.from(lambda.value.data, Math.abs));
      new BudgetAllocator(adapters, options).allocate(2);
      const after = adapters.flatMap(({ lambda }) => Array.from(lambda.value.data, Math.abs));
      const least = Math.min(...after.filter((λ) => λ > 0));
      const most = Math.max(0, ...before.filter((_, i) => after[i] === 0));
      assert.ok(most <= least);
      assert.is(after.filter((λ) => λ > 0).length, target);
    }),
  );
});

adalora("a score is (Ī Ū of λ) + the means of Ī Ū over its column of P and its row of Q", () => {
  const adapter = adapterOf(1, [2, 2]);
  const set = (name: "P" | "lambda" | "Q", w: number[], g: number[]): void => {
    adapter[name].assign(w);
    adapter[name].zeroGrad();
    adapter[name].accumulate(new Tensor(array(g, adapter[name].shape)));
  };
  const allocator = new BudgetAllocator([adapter], {
    ...{ totalSteps: 4, warmup: 0, final: 1, target: 0, betas: [0.5, 0.75] },
  });
  set("P", [1, -2], [3, 1]); //     I = 3, 2
  set("lambda", [4], [-2]); //      I = 8
  set("Q", [0, 1], [5, -4]); //     I = 0, 4
  // Ī = I/2, Ū = |I − Ī|/4 = I/8, Ī Ū = I²/16: 64/16 + (9 + 4)/2/16 + 16/2/16
  const first = allocator.allocate(1) as Allocation;
  assert.is(first.threshold, 64 / 16 + 13 / 32 + 16 / 32);
  set("P", [0, 0], [0, 0]);
  set("lambda", [0], [1]);
  set("Q", [0, 0], [1, 1]);
  // I = 0: Ī ← Ī/2 = I₁/4, Ū ← 3/4 Ū + Ī/4 = 3/32 I₁ + I₁/16 = 5/32 I₁: Ī Ū = 5/128 I₁²
  const second = allocator.allocate(2) as Allocation;
  assert.is(second.threshold, (5 / 128) * (64 + 13 / 2 + 16 / 2));
});

adalora("a masked triplet keeps its vectors, and comes back when its score rises", () => {
  const adapter = adapterOf(2);
  const allocator = new BudgetAllocator([adapter], { totalSteps: 9, warmup: 0, final: 1, target: 1 });
  const grow = (strong: 0 | 1): void => {
    move([adapter], 1);
    const [out, into] = [5, 6];
    const weights = (i: number): number => (i === strong ? 100 : 0.01);
    (adapter.lambda.grad as Tensor).assign([weights(0), weights(1)]);
    (adapter.P.grad as Tensor).assign(Array.from({ length: out * 2 }, (_, i) => weights(i % 2)));
    (adapter.Q.grad as Tensor).assign(
      Array.from({ length: 2 * into }, (_, i) => weights(Math.floor(i / into))),
    );
  };
  grow(0);
  const [P, Q] = [adapter.P.toArray(), adapter.Q.toArray()];
  for (let t = 1; t < 8; t++) allocator.allocate(t); // by step 7 the budget is 1
  assert.is(adapter.lambda.value.data[1], 0);
  assert.is.not(adapter.lambda.value.data[0], 0);
  assert.equal([adapter.P.toArray(), adapter.Q.toArray()], [P, Q]);
  for (let i = 0; i < 9; i++) {
    grow(1);
    allocator.observe();
  }
  allocator.allocate(8);
  assert.is(adapter.lambda.value.data[0], 0);
  assert.is.not(adapter.lambda.value.data[1], 0);
});

adalora("from T − t_f on the kept triplets are the same, whatever the gradients say", () => {
  fc.assert(
    fc.property(runs, ({ ranks, target, schedule, seed }) => {
      const { totalSteps, final } = schedule;
      const adapters = ranks.map((r) => adapterOf(r));
      const allocator = new BudgetAllocator(adapters, { ...schedule, target });
      let settled: Allocation | null = null;
      for (let t = 1; t <= totalSteps; t++) {
        move(adapters, seed + 1000 * t);
        const allocation = allocator.allocate(t);
        if (t === totalSteps - final) settled = allocation;
        if (t > totalSteps - final) assert.is(allocation, settled);
      }
    }),
  );
});

adalora(
  "equal scores: exactly b(t) stay, or with ties dropped none of those that equal the first to go",
  () => {
    const kept = (ties: "keep" | "drop"): number => {
      const adapter = adapterOf(4);
      adapter.lambda.assign([1, 2, 2, 2]);
      new BudgetAllocator([adapter], {
        ...{ totalSteps: 1, warmup: 0, final: 0, target: 2, measure: "magnitude", ties },
      }).allocate(1);
      return adapter.activeRank();
    };
    assert.is(kept("keep"), 2);
    assert.is(kept("drop"), 0);
  },
);

adalora("saved and resumed at any step, the run is the same to the last bit", () => {
  fc.assert(
    fc.property(runs, fc.nat(30), ({ ranks, target, schedule, seed }, stop) => {
      const lambdas = (resumeAt: number): number[][] => {
        const adapters = ranks.map((r) => adapterOf(r));
        let allocator = new BudgetAllocator(adapters, { ...schedule, target });
        return Array.from({ length: schedule.totalSteps }, (_, step) => {
          if (step === resumeAt) {
            const state = allocator.stateDict();
            allocator = new BudgetAllocator(adapters, { ...schedule, target });
            allocator.loadStateDict(state);
          }
          move(adapters, seed + 1000 * step);
          allocator.observe();
          allocator.allocate(step + 1);
          return adapters.flatMap(({ lambda }) => [...lambda.toArray()]);
        });
      };
      assert.equal(lambdas(stop), lambdas(-1));
    }),
    { numRuns: 50 },
  );
});

adalora("a run of fit cut after k steps and resumed is the uninterrupted run, bit for bit", () => {
  const folder = mkdtempSync(join(tmpdir(), "lowrank-adalora-"));
  const x = new Tensor(drawn(1, [8, 6], 0, 1));
  const y = new Tensor(drawn(2, [8, 4], 0, 1));
  const run = (steps: number, path?: string): number[] => {
    const model = new Linear(6, 4, { rng: random(1) });
    const holder = new Holder(model);
    inject(holder, { method: "adalora", target: "layer", rank: 4, seed: 3 });
    const adapters = [...holder.namedModules()].flatMap(([, module]) =>
      module instanceof AdaLoRA ? module : [],
    );
    const allocator = new BudgetAllocator(adapters, { totalSteps: 12, warmup: 2, final: 3, target: 2 });
    const { losses } = fit(holder, {
      steps,
      optimizer: new AdamW(holder.parameters(), { lr: 0.05 }),
      batch: () => x,
      loss: (batch) => mseLoss(holder.forward(batch), y).add(orthogonality(adapters)),
      beforeStep: () => allocator.observe(),
      afterStep: (step) => allocator.allocate(step + 1),
      progress: false,
      checkpoint: path === undefined ? undefined : { path, every: 4 },
      state: allocator,
    });
    return [...losses, adapters[0].activeRank()];
  };
  const whole = run(12);
  assert.is(whole.at(-1), 2);
  for (const cut of [1, 5, 9, 10, 11]) {
    const path = join(folder, `${cut}.safetensors`);
    run(cut, path);
    assert.equal(run(12, path), whole);
  }
  rmSync(folder, { recursive: true });
});

class Holder extends Module {
  layer: Linear;

  constructor(layer: Linear) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

adalora("observed before the optimizer's step, the score is of the weights that the gradient is of", () => {
  const scores = (early: boolean): number => {
    const adapter = adapterOf(1);
    const allocator = new BudgetAllocator([adapter], { totalSteps: 2, warmup: 0, final: 0, target: 0 });
    move([adapter], 3);
    const optimizer = new AdamW(adapter.parameters(), { lr: 0.5 });
    if (early) allocator.observe();
    const before = adapter.lambda.item();
    optimizer.step();
    const after = adapter.lambda.item();
    const g = (adapter.lambda.grad as Tensor).item();
    allocator.allocate(1);
    assert.is(allocator.scores[0].lambda.ipt.data[0], Math.fround(Math.abs((early ? before : after) * g)));
    return allocator.scores[0].lambda.ipt.data[0];
  };
  assert.is.not(scores(true), scores(false));
});

adalora("the regulariser is 0 for orthonormal P and Q, and its gradient that of the formula", () => {
  fc.assert(
    fc.property(seed, fc.integer({ min: 1, max: 3 }), (from, r) => {
      withPrecision("float64", () => {
        const adapter = adapterOf(r);
        const forms = ["paper", "code"] as const;
        for (const form of forms) {
          checkGradients(
            (P, Q) => {
              Object.assign(adapter, { P, Q });
              return orthogonality([adapter], { weight: 0.3, form });
            },
            [new Tensor(drawn(from, [5, r], 0.5, 1)), new Tensor(drawn(from + 1, [r, 6], 0.5, 1))],
          );
        }
        const [P, Q] = [5, 6].map((n) => qr(random(from).normal(n * r), n, r).Q);
        adapter.P = new Tensor(array(P, [5, r])) as AdaLoRA["P"];
        adapter.Q = new Tensor(array(Q, [6, r])).T as AdaLoRA["Q"];
        for (const form of forms) assert.ok(orthogonality([adapter], { form }).item() < 1e-12);
      });
    }),
    { numRuns: 20 },
  );
});

adalora("the regulariser: paper's form Σ ‖·‖²_F, the code's the mean of ‖·‖_F", () => {
  const adapter = adapterOf(1, [1, 1]);
  adapter.P.assign([2]); //  PᵀP − I = 3
  adapter.Q.assign([3]); //  QQᵀ − I = 8
  assert.is(orthogonality([adapter], { weight: 0.5 }).item(), 0.5 * (9 + 64));
  assert.is(orthogonality([adapter], { weight: 0.5, form: "code" }).item(), (0.5 * (3 + 8)) / 2);
});

adalora("identity at first; merged equals adapted, on every kind of layer", () => {
  fc.assert(
    fc.property(draws(), size, fc.boolean(), (draw, r, ranknum) => {
      withPrecision("float64", () => {
        const layer = build(draw);
        const adapter = new AdaLoRA(layer.site, { rank: r, alpha: 3, ranknum, rng: random(draw.seed) });
        assert.is(distance(adapted(layer, adapter), layer.layer.forward(layer.input)), 0);
        randomize(adapter, draw.seed);
        assert.ok(distance(adapted(layer, adapter), merged(layer, adapter)) < 1e-9);
      });
    }),
  );
});

adalora("the factor is α/r, or the code's α/(r + 10⁻⁵) with r for an α that is not positive", () => {
  const scaling = (alpha: number, ranknum: boolean): number =>
    new AdaLoRA(viewWeight(new Linear(2, 2)), { rank: 4, alpha, ranknum, rng: random(0) }).scaling;
  assert.is(scaling(8, false), 2);
  assert.is(scaling(0, false), 0);
  assert.is(scaling(8, true), 8 / (4 + 1e-5));
  assert.is(scaling(0, true), 4 / (4 + 1e-5));
});

adalora("refuses schedules that do not fit", () => {
  const adapter = adapterOf(4);
  const good = { totalSteps: 10, warmup: 2, final: 3, target: 2 };
  const wrong: Partial<AllocatorOptions & BudgetSchedule>[] = [
    { totalSteps: 5 }, // no step between warm-up and end
    { totalSteps: 0 },
    { warmup: -1 },
    { final: 1.5 },
    { interval: 0 },
    { target: 5 }, // more than there are
    { target: -1 },
    { target: Number.NaN },
    { betas: [1, 0.5] },
  ];
  for (const change of wrong) {
    assert.throws(
      () => new BudgetAllocator([adapter], { ...good, ...change }),
      (error: Error) => error instanceof ArgumentError && /adalora/.test(error.message),
    );
  }
  assert.throws(
    () => new BudgetAllocator([], good),
    (error: Error) => error instanceof AdapterError,
  );
  const other = new BudgetAllocator([adapterOf(3)], good).stateDict();
  const allocator = new BudgetAllocator([adapter], good);
  const [[name, scores]] = allocator.stateDict();
  const damaged = new Map([
    ...allocator.stateDict(),
    [
      name,
      array(
        scores.data.map(() => Number.NaN),
        scores.shape,
      ),
    ],
  ]);
  for (const state of [other, damaged]) {
    assert.throws(
      () => allocator.loadStateDict(state),
      (error: Error) => error instanceof CheckpointError,
    );
  }
});

adalora.run();
