/** @file Every law refuses wrong implementations, planted one after the other, with numbers; without them it holds. */

import { parameter, Tensor } from "lowrank/autograd";
import { AdapterError, array, type NDArray } from "lowrank/core";
import {
  AdaptedLayer,
  AdaptedModel,
  type Adapter,
  BudgetAllocator,
  concerns,
  DoRA,
  type LayerInput,
  LoRA,
  type LoraFA,
  laws,
  type Method,
  methods,
  type Trial,
  trial,
  type WeightView,
} from "lowrank/lora";
import { AdamW, type StateDict } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("planted faults");

type Undo = () => void;
type Fn = (...args: never[]) => unknown;

/** Puts `make(before)` in the place of a method. */
function patch<T extends object, K extends keyof T & string>(
  object: T,
  name: K,
  make: (before: T[K]) => unknown,
): Undo {
  const own = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, {
    value: make(object[name]),
    configurable: true,
    writable: true,
    enumerable: true,
  });
  return () => {
    if (own) Object.defineProperty(object, name, own);
    else delete object[name];
  };
}

const registry = methods as unknown as Record<
  Method,
  { adapter: new (site: WeightView, options: never) => Adapter }
>;

/** The class of a method with something done to every adapter that it makes. */
const made = (method: Method, spoil: (adapter: never) => void): Undo =>
  patch(registry[method], "adapter", (Class) => {
    const Wrong = class extends (Class as typeof LoRA) {
      constructor(site: WeightView, options: never) {
        super(site, options);
        spoil(this as never);
      }
    };
    return Wrong;
  });

const scaled = (adapter: { scaling: number }, by: (scaling: number) => number): void => {
  Object.assign(adapter, { scaling: by(adapter.scaling) });
};

const wrongDelta = (by: number): Undo =>
  patch(
    LoRA.prototype,
    "deltaWeight",
    (before) =>
      function (this: LoRA, site?: WeightView) {
        return before.call(this, site).mul(by);
      },
  );

const wrongMerge = (wrong: (layer: AdaptedLayer, names: readonly string[], W: NDArray) => NDArray): Undo =>
  patch(
    AdaptedLayer.prototype,
    "mergedWeight",
    (before) =>
      function (this: AdaptedLayer, names: readonly string[]) {
        return wrong(this, names, before.call(this, names));
      },
  );

const plus = (...terms: readonly NDArray[]): NDArray =>
  terms.map((term) => new Tensor(term)).reduce((sum, term) => sum.add(term)).value;

const wrongForward = (
  wrong: (layer: AdaptedLayer, x: LayerInput, project: (x: LayerInput) => Tensor) => Tensor,
): Undo =>
  patch(
    AdaptedLayer.prototype,
    "forward",
    (before) =>
      function (this: AdaptedLayer, x: LayerInput) {
        return wrong(this, x, (input) => before.call(this, input));
      },
  );

const wrongComposition = (by: number): Undo =>
  patch(
    AdaptedModel.prototype,
    "addParts",
    (before) =>
      function (this: AdaptedModel, ...args: Parameters<AdaptedModel["addParts"]>) {
        const [name, , parts] = args;
        for (const part of parts.values())
          if (name !== "a" && (name !== "b" || this.names.length < 1 || part.scaling === 1))
            (part as LoRA).B.assign((part as LoRA).B.toArray().map((b) => b * by));
        return before.apply(this, args);
      },
  );

interface Fault {
  readonly fault: string;
  readonly plant: () => Undo;
  readonly on?: Partial<Trial>;
}

const dyadic = { values: "dyadic", rank: 2, alpha: 4 } as const;

const faults: Readonly<Record<keyof typeof laws, readonly Fault[]>> = {
  identityAtStart: [
    {
      fault: "B does not start at zero",
      plant: () => made("lora", (lora: LoRA) => lora.B.assign(new Float32Array(lora.B.size).fill(0.01))),
    },
    {
      fault: "DoRA's m starts 1 % off",
      plant: () => made("dora", (dora: DoRA) => dora.m.assign(dora.m.toArray().map((m) => 1.01 * m))),
      on: { method: "dora" },
    },
  ],
  mergedIsAdapted: [
    { fault: "ΔW is 1 % off", plant: () => wrongDelta(1.01) },
    { fault: "the transpose's sign", plant: () => wrongDelta(-1) },
    {
      fault: "merge adds ΔW twice",
      plant: () => wrongMerge((layer, [name], W) => (name ? plus(W, layer.delta(name).value) : W)),
    },
    {
      fault: "merge forgets ΔW",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "plain",
          () =>
            function (this: AdaptedLayer) {
              return this.original;
            },
        ),
    },
    {
      fault: "DoRA's norm is not divided by",
      plant: () =>
        patch(
          DoRA.prototype,
          "deltaWeight",
          () =>
            function (this: DoRA, site: WeightView) {
              return this.direction(site).mul(this.m.reshape(site.out, 1)).sub(site.weight());
            },
        ),
      on: { method: "dora" },
    },
  ],
  exactMerge: [{ fault: "a rounding of 2⁻²⁰", plant: () => wrongDelta(1 + 2 ** -20), on: dyadic }],
  unmergeRestores: [
    {
      fault: "unmerge subtracts ΔW again",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "setMerged",
          (before) =>
            function (this: AdaptedLayer, names: readonly string[]) {
              const taken = this.merged;
              before.call(this, names);
              if (names.length > 0 || taken.length === 0) return;
              const W = this.mergedWeight(taken);
              const back = taken.reduce((sum, name) => plus(sum, this.delta(name).neg().value), W);
              this.base = this.site.withWeight(back);
            },
        ),
    },
    {
      fault: "unmerge leaves the merged layer",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "setMerged",
          (before) =>
            function (this: AdaptedLayer, names: readonly string[]) {
              if (names.length > 0) before.call(this, names);
              else this.merged = [];
            },
        ),
    },
  ],
  mergesCommute: [
    {
      fault: "ΔW are summed in the order of merging",
      plant: () =>
        wrongMerge((layer, names) =>
          plus(layer.site.weight().value, ...names.map((name) => layer.delta(name).value)),
        ),
      on: { alpha: 3 },
    },
  ],
  sumOfActive: [
    {
      fault: "only the first active adapter acts",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "effective",
          (before) =>
            function (this: AdaptedLayer) {
              return before.call(this).slice(0, 1);
            },
        ),
    },
  ],
  disabledIsBase: [
    {
      fault: "disabled leaves what is merged",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "forward",
          (before) =>
            function (this: AdaptedLayer, x: LayerInput) {
              const base = this.base as unknown as { forward(x: LayerInput): Tensor };
              return this.selection.disabled ? base.forward(x) : before.call(this, x);
            },
        ),
    },
    {
      fault: "disabled leaves what is active",
      plant: () =>
        patch(
          AdaptedLayer.prototype,
          "forward",
          (before) =>
            function (this: AdaptedLayer, x: LayerInput) {
              const { disabled } = this.selection;
              this.selection.disabled = false;
              const y = before.call(this, x);
              this.selection.disabled = disabled;
              return y;
            },
        ),
    },
  ],
  rowsAreRuns: [
    {
      fault: "rows get each other's adapters",
      plant: () =>
        wrongForward((layer, x, project) => {
          const { rows } = layer.selection;
          if (!rows) return project(x);
          layer.selection.rows = [...rows.slice(1), rows[0]];
          const y = project(x);
          layer.selection.rows = rows;
          return y;
        }),
    },
  ],
  rowsAreRunsBackward: [
    {
      fault: "half the gradient of rows",
      plant: () =>
        wrongForward((layer, x, project) => {
          const y = project(x);
          return layer.selection.rows ? y.mul(0.5).add(y.detach().mul(0.5)) : y;
        }),
      on: dyadic,
    },
  ],
  stateRoundTrip: [
    {
      fault: "B is not loaded",
      plant: () =>
        patch(
          AdaptedModel.prototype,
          "loadStateDict",
          (before) =>
            function (this: AdaptedModel, values: StateDict) {
              const own = [...this.stateDict()].filter(([name]) => name.endsWith(".B"));
              const kept = own.map(
                ([name, value]) => [name, array(value.data.slice(), value.shape)] as const,
              );
              return before.call(this, new Map([...values, ...kept]));
            },
        ),
    },
  ],
  rankAtMostR: [
    {
      fault: "a diagonal is added to ΔW",
      plant: () =>
        patch(
          LoRA.prototype,
          "deltaWeight",
          (before) =>
            function (this: LoRA, site?: WeightView) {
              const delta = before.call(this, site);
              const [out, into] = delta.shape;
              const diagonal = Float32Array.from({ length: out * into }, (_, i) =>
                i % (into + 1) === 0 ? 0.1 : 0,
              );
              return delta.add(new Tensor(array(diagonal, [out, into])));
            },
        ),
    },
  ],
  scalesWithAlpha: [
    {
      fault: "the scaling is α/r + 1 %",
      plant: () => made("lora", (lora: LoRA) => scaled(lora, (s) => s + 0.01)),
    },
    {
      fault: "the scaling is √α",
      plant: () => made("lora", (lora: LoRA) => scaled(lora, (s) => Math.sqrt(s))),
    },
  ],
  alphaZeroIsBase: [
    {
      fault: "the scaling is never zero",
      plant: () => made("lora", (lora: LoRA) => scaled(lora, (s) => s || 1e-3)),
    },
  ],
  scaleOfRank: [
    {
      fault: "the scaling is 1 % off",
      plant: () => made("lora", (lora: LoRA) => scaled(lora, (s) => 1.01 * s)),
    },
    {
      fault: "rank-stabilised is as not",
      plant: () => made("lora", (lora: LoRA) => scaled(lora, () => lora.alpha / lora.rank)),
    },
  ],
  compositionIsLinear: [{ fault: "composed factors are 1 % off", plant: () => wrongComposition(1.01) }],
  compositionIsExact: [
    { fault: "composed factors are rounded", plant: () => wrongComposition(1 + 2 ** -20), on: dyadic },
  ],
  composedIsSeveral: [{ fault: "composed factors are 1 % off", plant: () => wrongComposition(1.01) }],
  conversionKeeps: [{ fault: "converted factors are 1 % off", plant: () => wrongComposition(1.01) }],
  onlyAdapterTrains: [
    {
      fault: "the base trains along",
      plant: () =>
        patch(
          AdaptedModel.prototype,
          "activate",
          (before) =>
            function (this: AdaptedModel, ...args: Parameters<AdaptedModel["activate"]>) {
              before.apply(this, args);
              for (const { original } of this.layers.values()) original.requiresGrad_();
            },
        ),
    },
    {
      fault: "all adapters train",
      plant: () =>
        wrongForward((layer, x, project) => {
          for (const adapter of layer.adapters.values()) adapter.requiresGrad_();
          const y = project(x);
          const idle = layer.adapters.get("b") as LoRA | undefined;
          return idle ? y.add(idle.B.sum().mul(0)) : y;
        }),
    },
  ],
  countIsFormula: [
    {
      fault: "one parameter more",
      plant: () =>
        made("lora", (lora: LoRA) => {
          const one = lora as unknown as Record<string, unknown>;
          one.one = parameter(lora.A.value, "adapters");
        }),
    },
    {
      fault: "m does not train",
      plant: () =>
        made("dora", (dora: DoRA) => {
          dora.m.requiresGrad = false;
        }),
      on: { method: "dora" },
    },
    {
      fault: "LoRA-FA trains A",
      plant: () =>
        made("lora-fa", (fa: LoraFA) => {
          fa.A.requiresGrad = true;
        }),
      on: { method: "lora-fa" },
    },
  ],
  faKeepsA: [
    {
      fault: "LoRA-FA trains A",
      plant: () =>
        made("lora-fa", (fa: LoraFA) => {
          fa.A.requiresGrad = true;
        }),
      on: { method: "lora-fa" },
    },
  ],
  faSavesInput: [
    {
      fault: "LoRA-FA trains A",
      plant: () =>
        made("lora-fa", (fa: LoraFA) => {
          fa.A.requiresGrad = true;
        }),
      on: { method: "lora-fa" },
    },
  ],
  plusIsRescaled: [
    {
      fault: "the rates of groups are passed over",
      plant: () =>
        patch(
          AdamW.prototype,
          "update" as never,
          (before: Fn) =>
            function (this: AdamW, ...args: unknown[]) {
              return before.apply(this, [
                args[0],
                args[1],
                { ...(args[2] as object), lr: 0.01 },
                args[3],
              ] as never[]);
            },
        ),
    },
  ],
  doraNorms: [
    {
      fault: "the norm over the wrong axis",
      plant: () =>
        patch(
          DoRA.prototype,
          "gain",
          () =>
            function (this: DoRA, site: WeightView) {
              return this.m.div(this.direction(site).norm(0));
            },
        ),
      on: { method: "dora", out: 5, in: 5 },
    },
    {
      fault: "the norm of W0, not of V'",
      plant: () =>
        patch(
          DoRA.prototype,
          "gain",
          () =>
            function (this: DoRA, site: WeightView) {
              return this.m.div(site.weight().norm(1));
            },
        ),
      on: { method: "dora" },
    },
  ],
  doraIdentity: [
    {
      fault: "a row of zeros is divided by its norm",
      plant: () =>
        patch(
          DoRA.prototype,
          "gain",
          () =>
            function (this: DoRA, site: WeightView) {
              return this.m.div(this.direction(site).norm(1));
            },
        ),
      on: { method: "dora" },
    },
  ],
  budgetFalls: [
    {
      fault: "the budget goes up and down",
      plant: () =>
        patch(
          BudgetAllocator.prototype,
          "budget",
          (before) =>
            function (this: BudgetAllocator, t: number) {
              return before.call(this, t) + (t % 2 === 0 ? 1 : 0);
            },
        ),
      on: { method: "adalora", seed: 4 },
    },
    {
      fault: "masking leaves λ",
      plant: () =>
        patch(
          BudgetAllocator.prototype,
          "allocate",
          (before) =>
            function (this: BudgetAllocator, t: number) {
              const lambdas = this.adapters.map(({ lambda }) => lambda.toArray());
              const allocation = before.call(this, t);
              this.adapters.forEach(({ lambda }, k) => {
                lambda.assign(lambdas[k]);
              });
              return allocation;
            },
        ),
      on: { method: "adalora", seed: 4 },
    },
  ],
  topTriplets: [
    {
      fault: "the lowest triplets are kept",
      plant: () =>
        patch(
          BudgetAllocator.prototype,
          "allocate",
          (before) =>
            function (this: BudgetAllocator, t: number) {
              const allocation = before.call(this, t);
              return (
                allocation && { ...allocation, kept: allocation.kept.map((of) => of.map((kept) => !kept)) }
              );
            },
        ),
      on: { method: "adalora", rank: 4, seed: 4 },
    },
  ],
};

for (const [key, planted] of Object.entries(faults)) {
  const law = laws[key as keyof typeof laws];
  for (const { fault, plant, on } of planted) {
    test(`${key} refuses: ${fault}`, () => {
      const given: Trial = { ...trial, ...on };
      const right = law.check(given);
      assert.ok(right.holds && right.error <= right.bound, `without the fault: ${JSON.stringify(right)}`);
      const undo = plant();
      try {
        const { holds, error, bound } = law.check(given);
        assert.not.ok(holds, `${law.statement} error ${error}, bound ${bound}`);
        assert.ok(error > bound, `${error} ${bound}`);
      } finally {
        undo();
      }
      assert.ok(law.check(given).holds, "after it is taken out");
    });
  }
}

test("every law has a fault that it refuses", () => {
  assert.equal(Object.keys(faults).sort(), Object.keys(laws).sort());
  for (const [key, planted] of Object.entries(faults)) assert.ok(planted.length > 0, key);
});

test("a law refuses a trial that it does not apply to, and no check ends without a result", () => {
  let asked = 0;
  for (const [key, law] of Object.entries(laws)) {
    for (const method of Object.keys(methods) as Method[]) {
      for (const values of ["real", "dyadic"] as const) {
        const given: Trial = { ...trial, method, values, in: 4, out: 4 };
        assert.is(law.concerns(given), concerns(law, given));
        if (law.concerns(given)) {
          assert.ok(law.check(given).holds, `${key} ${method}`);
          continue;
        }
        asked++;
        assert.throws(
          () => law.check(given),
          (error: Error) =>
            error instanceof AdapterError && error.message.startsWith(`laws.${key}: this law applies to`),
        );
      }
    }
  }
  assert.ok(asked > 50);
  for (const wrong of [
    { batch: 0 },
    { rank: 1.5 },
    { site: "attention" },
    { method: "lorra" },
    { seed: -1 },
    { values: "whole" },
  ])
    assert.throws(
      () => laws.mergedIsAdapted.check({ ...trial, ...wrong } as Trial),
      (error: Error) => error instanceof AdapterError && error.message.includes("in the trial"),
    );
});

test.run();
