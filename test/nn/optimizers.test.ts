/**
 * @file Optimizers against the books' formulas in float64, their defaults, misspelt settings, edges, and states of
 * another kind. Numbers of PyTorch: the oracles.
 */

import * as fc from "fast-check";
import { type Parameter, parameter, slice, type Tensor, tensor } from "lowrank/autograd";
import { ArgumentError, array, CheckpointError, type NDArray, random, withPrecision } from "lowrank/core";
import {
  Adam,
  AdamW,
  clipGradientNorm,
  constant,
  cosine,
  gradientNorm,
  linearDecay,
  type Optimizer,
  type OptimizerState,
  SGD,
} from "lowrank/nn";
import { AdamW8bit, PagedAdamW } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seed } from "../support/arbitraries.ts";

const test = suite("optimizers");

type AnyOptimizer = Optimizer<{ lr: number }>;

const of = (values: ArrayLike<number>): Parameter =>
  parameter(array(Float32Array.from(values), [values.length]));

/** Steps with these gradients. */
function take(optimizer: AnyOptimizer, p: Parameter, gradients: readonly ArrayLike<number>[]): void {
  for (const g of gradients) {
    p.grad = tensor(Float32Array.from(g), p.shape);
    optimizer.step();
  }
}

interface Settings {
  lr: number;
  momentum: number;
  dampening: number;
  nesterov: boolean;
  betas: [number, number];
  eps: number;
  weightDecay: number;
  amsgrad: boolean;
}

/** PyTorch's documented algorithm of SGD, one weight: the weight after each step. */
function sgdByTheBook(w0: number, gradients: readonly number[], s: Settings): number {
  let [w, b] = [w0, 0];
  gradients.forEach((gradient, t) => {
    let g = gradient + s.weightDecay * w;
    if (s.momentum !== 0) {
      b = t === 0 ? g : s.momentum * b + (1 - s.dampening) * g;
      g = s.nesterov ? g + s.momentum * b : b;
    }
    w -= s.lr * g;
  });
  return w;
}

/** Algorithm 2 of Loshchilov & Hutter 2019, its green and its violet form. */
function adamByTheBook(w0: number, gradients: readonly number[], s: Settings, decoupled: boolean): number {
  const [beta1, beta2] = s.betas;
  let [w, m, v, most] = [w0, 0, 0, 0];
  gradients.forEach((gradient, i) => {
    const t = i + 1;
    const g = decoupled ? gradient : gradient + s.weightDecay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    most = Math.max(most, v);
    const mHat = m / (1 - beta1 ** t);
    const vHat = (s.amsgrad ? most : v) / (1 - beta2 ** t);
    w = w - (decoupled ? s.lr * s.weightDecay * w : 0) - (s.lr * mHat) / (Math.sqrt(vHat) + s.eps);
  });
  return w;
}

const fraction = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
const settings: fc.Arbitrary<Settings> = fc.record({
  lr: fraction(0.5),
  momentum: fc.oneof(fc.constant(0), fraction(0.95)),
  dampening: fc.oneof(fc.constant(0), fraction(0.9)),
  nesterov: fc.boolean(),
  betas: fc.tuple(fc.oneof(fc.constant(0), fraction(0.95)), fc.oneof(fc.constant(0), fraction(0.999))),
  eps: fc.oneof(fc.constant(1e-8), fc.double({ min: 1e-6, max: 0.1, noNaN: true })),
  weightDecay: fc.oneof(fc.constant(0), fraction(0.3)),
  amsgrad: fc.boolean(),
});

const books = {
  SGD: [
    (p: Parameter, { lr, momentum, dampening, nesterov, weightDecay }: Settings) =>
      new SGD([p], { lr, momentum, dampening, nesterov, weightDecay }),
    sgdByTheBook,
  ],
  Adam: [
    (p: Parameter, { lr, betas, eps, weightDecay, amsgrad }: Settings) =>
      new Adam([p], { lr, betas, eps, weightDecay, amsgrad }),
    (w: number, g: readonly number[], s: Settings) => adamByTheBook(w, g, s, false),
  ],
  AdamW: [
    (p: Parameter, { lr, betas, eps, weightDecay, amsgrad }: Settings) =>
      new AdamW([p], { lr, betas, eps, weightDecay, amsgrad }),
    (w: number, g: readonly number[], s: Settings) => adamByTheBook(w, g, s, true),
  ],
} as const;

for (const [name, [make, byTheBook]] of Object.entries(books)) {
  test(`${name}: every variant takes the steps of the book, in double to 1e-9 and in single`, () => {
    fc.assert(
      fc.property(settings, seed, fc.integer({ min: 3, max: 7 }), (drawn, from, count) => {
        const s = {
          ...drawn,
          nesterov: drawn.nesterov && drawn.momentum > 0,
          dampening: drawn.nesterov && drawn.momentum > 0 ? 0 : drawn.dampening,
        };
        const n = 3;
        const start = random(from).normal(n);
        const gradients = Array.from({ length: count }, (_, t) => random(from + t + 1).normal(n));
        const expected = Array.from(start, (w, i) =>
          byTheBook(
            w,
            gradients.map((g) => g[i]),
            s,
          ),
        );
        const exact = withPrecision("float64", () => {
          const p = parameter(array(Float64Array.from(start), [n]));
          take(make(p, s), p, gradients);
          return [...p.value.data];
        });
        const single = of(start);
        take(make(single, s), single, gradients);
        expected.forEach((w, i) => {
          const scale = 1 + Math.abs(w);
          assert.ok(Math.abs(exact[i] - w) <= 1e-9 * scale, `${name}: ${exact[i]}, by the book ${w}`);
          // Near v = 0, where eps alone divides, single precision may lose what double has.
          assert.ok(
            Math.abs(single.value.data[i] - w) <= 2e-4 * scale,
            `single: ${single.value.data[i]}, ${w}`,
          );
        });
      }),
      { numRuns: 150 },
    );
  });
}

test("AdamW8bit on parameters below its size, and PagedAdamW, are AdamW to the bit", () => {
  fc.assert(
    fc.property(settings, seed, (s, from) => {
      const options = { lr: s.lr, betas: s.betas, eps: s.eps, weightDecay: s.weightDecay };
      const gradients = [1, 2, 3, 4].map((t) => random(from + t).normal(20));
      const after = (make: (p: Parameter) => AnyOptimizer): number[] => {
        const p = of(random(from).normal(20));
        take(make(p), p, gradients);
        return [...p.value.data];
      };
      const expected = after((p) => new AdamW([p], options));
      assert.equal(
        after((p) => new AdamW8bit([p], options)),
        expected,
      );
      const paged = (p: Parameter) => new PagedAdamW([p], { ...options, budget: 64, pageBytes: 32 });
      assert.equal(after(paged), expected);
    }),
    { numRuns: 20 },
  );
});

const defaults = {
  SGD: [SGD, { lr: 0.1 }, { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }],
  Adam: [Adam, {}, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false }],
  AdamW: [AdamW, {}, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, amsgrad: false }],
  AdamW8bit: [
    AdamW8bit,
    {},
    { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, min8bitSize: 4096, boundUpdates: true },
  ],
  PagedAdamW: [
    PagedAdamW,
    { budget: 2 ** 20 },
    { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, amsgrad: false, pageBytes: 2 ** 18 },
  ],
} as const;

type Make = new (params: Iterable<Parameter>, settings: object) => AnyOptimizer;

for (const [name, [Class, needed, rest]] of Object.entries(defaults)) {
  const Made = Class as unknown as Make;
  test(`${name}: what is left out is the documented default`, () => {
    const after = (options: object): number[] => {
      const p = of(random(7).normal(5000));
      take(
        new Made([p], options),
        p,
        [1, 2, 3].map((t) => random(t).normal(5000)),
      );
      return [...p.value.data];
    };
    const expected = after({ ...rest, ...needed });
    assert.equal(after(needed), expected);
    const undefineds = Object.fromEntries(Object.keys(rest).map((key) => [key, undefined]));
    assert.equal(after({ ...undefineds, ...needed }), expected);
  });

  test(`${name}: settings that are misspelt or no numbers are refused, in groups too`, () => {
    const p = of([1]);
    const elsewhere: Record<string, RegExp> = {
      learning_rate: /expected lr \(there is no option learning_rate here\)/,
      learningRate: /expected lr /,
      weight_decay: /expected weightDecay \(there is no option weight_decay here\)/,
      weigthDecay: /expected weightDecay /,
      Lr: /expected lr /,
      nonsense: /expected options among .*lr.*\(there is no option nonsense here\)/,
      ...(name === "SGD"
        ? { momentun: /expected momentum / }
        : { beta1: /expected betas: \[beta1, beta2\]/, epsilon: /expected eps /, beta: /expected betas / }),
    };
    for (const [option, message] of Object.entries(elsewhere)) {
      const refused = (e: Error) =>
        e instanceof ArgumentError && message.test(e.message) && e.message.startsWith(name);
      assert.throws(() => new Made([p], { ...needed, [option]: 0.1 }), refused, option);
      const group = { params: [p], [option]: 0.1 };
      assert.throws(() => new Made([group] as never, needed), refused, `${option} in a group`);
    }
    for (const [option, usual] of Object.entries({ ...rest, ...needed })) {
      if (typeof usual !== "number") continue;
      for (const value of [-1, Number.NaN, "0.1", null]) {
        const broken = (): void => void new Made([p], { ...needed, [option]: value });
        assert.throws(
          broken,
          (e: Error) => e instanceof ArgumentError && e.message.includes(option),
          `${option} ${value}`,
        );
      }
    }
    for (const params of [
      undefined,
      null,
      {},
      3,
      "ab",
      [[]],
      [1],
      [["w", p]],
      [{ params: 3 }],
      [p, { params: [p] }],
      [],
    ])
      assert.throws(
        () => new Made(params as never, needed),
        (e: Error) => e instanceof ArgumentError,
        String(params),
      );
    assert.throws(
      () => new Made([p.mul(2) as Parameter], needed),
      (e: Error) => e instanceof ArgumentError,
    );
  });
}

test("Nesterov's step needs momentum, undampened; SGD needs a rate; betas are two numbers below 1", () => {
  const p = of([1]);
  assert.throws(() => new SGD([p], { lr: 1, nesterov: true }), /momentum > 0 and dampening 0 for nesterov/);
  assert.throws(() => new SGD([p], { lr: 1, nesterov: true, momentum: 0.9, dampening: 0.1 }), /dampening 0/);
  assert.throws(() => new SGD([p], {} as never), /SGD: expected lr ≥ 0/);
  assert.throws(() => new SGD([p], undefined as never), /SGD: expected lr ≥ 0/);
  for (const betas of [0.9, [0.9], [0.9, 1], [Number.NaN, 0.9], [-0.1, 0.9], [0.9, 0.99, 0.999], "ab"])
    assert.throws(() => new AdamW([p], { betas: betas as never }), /betas, two numbers in \[0, 1\)/);
});

// States of one kind in optimizers of another.

const makers: Record<string, (p: Parameter[]) => AnyOptimizer> = {
  SGD: (p) => new SGD(p, { lr: 0.1 }),
  "SGD with momentum": (p) => new SGD(p, { lr: 0.1, momentum: 0.9 }),
  Adam: (p) => new Adam(p),
  "Adam with AMSGrad": (p) => new Adam(p, { amsgrad: true }),
  AdamW: (p) => new AdamW(p),
  "AdamW with AMSGrad": (p) => new AdamW(p, { amsgrad: true }),
  AdamW8bit: (p) => new AdamW8bit(p, { min8bitSize: 20 }),
  "AdamW8bit, none in 8 bits": (p) => new AdamW8bit(p, { min8bitSize: 1e9 }),
  PagedAdamW: (p) => new PagedAdamW(p, { budget: 4096, pageBytes: 1024 }),
};
/** Besides an optimizer's own: whose states it can go on from. */
const goesOnFrom: Record<string, readonly string[]> = {
  AdamW: ["PagedAdamW"],
  PagedAdamW: ["AdamW"],
  AdamW8bit: ["AdamW", "PagedAdamW", "AdamW8bit, none in 8 bits"],
  "AdamW8bit, none in 8 bits": ["AdamW", "PagedAdamW"],
};

const made = (name: string): { optimizer: AnyOptimizer; parameters: Parameter[] } => {
  const parameters = [of(random(1).normal(30)), of(random(2).normal(4)), of(random(3).normal(2))];
  const optimizer = makers[name](parameters);
  for (let step = 0; step < 3; step++) {
    for (const [i, p] of parameters.slice(0, 2).entries())
      p.grad = tensor(random(10 * step + i).normal(p.size), p.shape);
    optimizer.step(); // the third parameter never has a gradient
  }
  return { optimizer, parameters };
};

const contents = ({ kind, steps, arrays }: OptimizerState): unknown => ({
  kind,
  steps: [...steps],
  arrays: Array.from(arrays, ([name, { data }]) => [name, ...data]).sort(),
});

for (const into of Object.keys(makers)) {
  test(`${into}: takes up states of its kind, and refuses others unchanged`, () => {
    for (const from of Object.keys(makers)) {
      const { optimizer } = made(into);
      const state = made(from).optimizer.stateDict();
      const before = contents(optimizer.stateDict());
      if (from === into || goesOnFrom[into]?.includes(from)) {
        optimizer.loadStateDict(state);
        if (from === into) assert.equal(contents(optimizer.stateDict()), contents(state));
        assert.equal(optimizer.stateDict().steps, [3, 3, 0]);
      } else {
        const refused = (e: Error): boolean =>
          e instanceof CheckpointError && e.message.includes(optimizer.constructor.name);
        assert.throws(() => optimizer.checkState(state), refused, from);
        assert.throws(() => optimizer.loadStateDict(state), refused, from);
        assert.equal(contents(optimizer.stateDict()), before);
      }
    }
  });

  test(`${into}: a state with anything missing, added, misshapen or miscounted is refused by name, unchanged`, () => {
    const good = made(into).optimizer.stateDict();
    const keys = [...good.arrays.keys()];
    const other = (shape: number[]): NDArray =>
      array(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
    const changed = (change: (arrays: Map<string, NDArray>) => void): OptimizerState => {
      const arrays = new Map(good.arrays);
      change(arrays);
      return { ...good, arrays };
    };
    const cases: [OptimizerState, string][] = [
      ...keys.map((key): [OptimizerState, string] => [changed((a) => a.delete(key)), `missing ${key}`]),
      // Before the first step a state is whole or empty.
      ...keys
        .filter((key) => keys.some((other) => other !== key && other[0] === key[0]))
        .map((key): [OptimizerState, string] => [
          { ...changed((a) => a.delete(key)), steps: [0, 0, 0] },
          `missing ${key}`,
        ]),
      ...keys.map((key): [OptimizerState, string] => [changed((a) => a.set(key, other([3, 2]))), key]),
      ...[
        "0.nonsense",
        "3.exp_avg",
        "exp_avg",
        "00.exp_avg",
        "0x0.exp_avg",
        "-1.exp_avg",
        "0.",
        "2.momentum",
        "",
      ].map((key): [OptimizerState, string] => [
        changed((a) => a.set(key, other([30]))),
        `unexpected ${key}`,
      ]),
      ...[-1, 1.5, Number.NaN, Infinity, 2 ** 53, "3", null].map((step): [OptimizerState, string] => [
        { ...good, steps: [step as number, 3, 0] },
        "steps that are non-negative integers",
      ]),
      [{ ...good, steps: [3, 3] }, "3 parameters"],
      [{ ...good, kind: "Lion" }, "got that of Lion"],
      [null as never, "expected a state { steps, arrays }"],
      [{ ...good, arrays: {} as never }, "expected a state { steps, arrays }"],
    ];
    for (const [state, message] of cases) {
      const { optimizer } = made(into);
      const refused = (e: Error): boolean => e instanceof CheckpointError && e.message.includes(message);
      assert.throws(() => optimizer.loadStateDict(state), refused, message);
      assert.equal(contents(optimizer.stateDict()), contents(good));
    }
    made(into).optimizer.loadStateDict({ steps: good.steps, arrays: good.arrays }); // of a file without a kind
  });
}

// Edges.

for (const name of Object.keys(makers)) {
  test(`${name}: empty parameters, zero gradients and a rate of 0 are what the formula says`, () => {
    const [empty, still] = [parameter(array(new Float32Array(0), [0, 3])), of([1, -2, 0])];
    empty.grad = tensor(new Float32Array(0), [0, 3]);
    still.grad = tensor([0, 0, 0]);
    const optimizer = makers[name]([empty, still]);
    for (const group of optimizer.groups) Object.assign(group, { weightDecay: 0 });
    optimizer.step();
    optimizer.step();
    assert.equal([...still.toArray()], [1, -2, 0]);
    optimizer.loadStateDict(optimizer.stateDict());
    optimizer.groups[0].lr = 0;
    still.grad = tensor([5, -5, 1]);
    optimizer.step();
    assert.equal([...still.toArray()], [1, -2, 0]);
  });
}

test("a view into other memory is refused, and so is what repeats one element", () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const views = [slice(x, 0, 1, 2), slice(x, 1, 0, 2), x.T, slice(x, 1, 0, 1).broadcastTo([2, 4])];
  for (const view of views.map((each) => each.detach())) {
    view.requiresGrad = true;
    for (const make of [
      () => new SGD([view], { lr: 0.1 }),
      () => new AdamW([view]),
      () => new AdamW8bit([view]),
      () => new PagedAdamW([view], { budget: 2 ** 20 }),
    ])
      assert.throws(make, /memory of their own .*a view of shape \[/);
    assert.equal([...new SGD([parameter(view)], { lr: 0.1 }).parameters()[0].shape], [...view.shape]);
  }
});

test("eps 0: where every gradient was 0, the update is 0", () => {
  for (const Made of [Adam, AdamW]) {
    const p = of([1, 1]);
    take(new Made([p], { lr: 0.5, eps: 0, weightDecay: 0 }), p, [
      [0, 4],
      [0, 4],
    ]);
    assert.equal([...p.toArray()], [1, 0]);
  }
});

test("clipping: to norm 0, of no gradient, of NaN, of parameters that come twice or share a gradient", () => {
  const withGrad = (g: number[]): Parameter => {
    const p = of(g);
    p.grad = tensor(g);
    return p;
  };
  const gradOf = (p: Parameter): number[] => [...(p.grad as Tensor).toArray()];

  const p = withGrad([3, 4]);
  assert.is(clipGradientNorm([p], 0), 5);
  assert.equal(gradOf(p), [0, 0]);
  assert.is(clipGradientNorm([p], 0), 0);
  assert.is(clipGradientNorm([of([1])], 1), 0);

  const q = withGrad([3, 4]);
  assert.is(clipGradientNorm([q, q], 2.5), 5);
  assert.ok(Math.abs(gradientNorm([q, q]) - 2.5) < 1e-5);

  const [a, b] = [withGrad([3, 4]), of([0, 0])];
  b.grad = a.grad;
  assert.ok(Math.abs(clipGradientNorm([a, b], 1) - Math.sqrt(50)) < 1e-12);
  assert.ok(Math.abs(gradOf(a)[0] - 3 / Math.sqrt(50)) < 1e-6);

  for (const bad of [Number.NaN, Infinity, -Infinity]) {
    const [broken, fine] = [withGrad([bad, 1]), withGrad([3, 4])];
    assert.not(Number.isFinite(clipGradientNorm([broken, fine], 1)));
    assert.equal(gradOf(fine), [3, 4], "one bad number does not spread");
  }
  for (const most of [-1, Number.NaN, "1", undefined])
    assert.throws(
      () => clipGradientNorm([p], most as number),
      (e: Error) => e instanceof ArgumentError,
    );
});

test("schedules: no warm-up, a run of one step, steps beyond the end; misspelt and senseless options", () => {
  assert.equal([0, 1].map(linearDecay({ total: 1 })), [1, 0]);
  assert.equal([0, 1].map(cosine({ total: 1 })), [1, 0]);
  assert.equal([0, 1, 2, 3].map(linearDecay({ warmup: 2, total: 2 })), [0, 0.5, 0, 0]);
  assert.equal([0, 5, 9, 1e9].map(linearDecay({ warmup: 0, total: 5 })), [1, 0, 0, 0]);
  assert.equal([0, 1e9].map(constant()), [1, 1]);
  const refused = (message: RegExp) => (e: Error) => e instanceof ArgumentError && message.test(e.message);
  for (const make of [linearDecay, cosine]) {
    for (const options of [
      {},
      { total: 0 },
      { total: Number.NaN },
      { total: Infinity },
      { total: 5, warmup: -1 },
      { total: 5, warmup: Number.NaN },
    ])
      assert.throws(() => make(options as never), refused(/total > 0/));
    assert.throws(() => make({ total: 5, num_warmup_steps: 1 } as never), refused(/expected warmup /));
    assert.throws(() => make({ num_training_steps: 5 } as never), refused(/expected total /));
    assert.throws(() => make({ total: 5, warmUp: 1 } as never), refused(/expected warmup /));
  }
  for (const warmup of [-1, Number.NaN, Infinity])
    assert.throws(() => constant({ warmup }), refused(/warmup/));
  assert.throws(() => constant({ warmup_steps: 2 } as never), refused(/expected warmup /));
});

test.run();
