/** @file Laws of what is done with adapters: adding, merging, disabling, choosing by row, saving. */

import { gradients, type Tensor } from "../../autograd/index.ts";
import { copy, exactly, together, within } from "../../core/index.ts";
import { type Method, methods } from "../methods.ts";
import type { Law } from "./law.ts";
import {
  adapterOf,
  distance,
  freshModel,
  inputOf,
  layerOf,
  outputBound,
  outputOf,
  plainModel,
  products,
  trainedModel,
} from "./trial.ts";

const all = Object.keys(methods) as Method[];

export const operationLaws = {
  identityAtStart: {
    name: "identity at initialisation",
    statement: "A model with a new adapter computes what it did without, to the last bit.",
    equation: "W0 x + ΔW x = W0 x",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      return within(distance(outputOf(freshModel(trial), x), outputOf(plainModel(trial), x)), 0);
    },
  },

  mergedIsAdapted: {
    name: "merged equals adapted",
    statement:
      "Merging changes what is computed by no more than rounding; so does a plain model with the merged weight.",
    equation: "(W0 + ΔW) x = W0 x + ΔW x",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial);
      const adapted = outputOf(model, x);
      const plain = outputOf(model.toPlain(), x);
      model.merge();
      const bound = outputBound(model, ["a"], x);
      return together(
        within(distance(outputOf(model, x), adapted), bound),
        within(distance(plain, outputOf(model, x)), 0),
      );
    },
  },

  exactMerge: {
    name: "merging is exact",
    statement:
      "With numbers for which nothing is rounded, merged and adapted outputs are equal to the last bit.",
    equation: "(W0 + s B A) x = W0 x + s B (A x)",
    methods: products,
    values: "dyadic",
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial);
      const adapted = outputOf(model, x);
      model.merge();
      return within(distance(outputOf(model, x), adapted), 0);
    },
  },

  unmergeRestores: {
    name: "unmerge inverts merge",
    statement: "After unmerge the base weights and all outputs are the ones before merge, to the last bit.",
    equation: "unmerge(merge(W0)) = W0",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      const W0 = copy(layerOf(model).W0.weight().value);
      const adapted = outputOf(model, x);
      model.merge(["b", "a"]);
      model.unmerge("b");
      model.unmerge("a");
      const { base, original, W0: frozen } = layerOf(model);
      return together(
        exactly(base === original),
        within(distance(frozen.weight().value, W0), 0),
        within(distance(outputOf(model, x), adapted), 0),
      );
    },
  },

  mergesCommute: {
    name: "merges commute",
    statement:
      "Adapters merged one after the other, in either order or at once, give the same weight to the last bit.",
    equation: "(W0 + ΔW_a) + ΔW_b = (W0 + ΔW_b) + ΔW_a",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const outputs = [["a", "b"], ["b", "a"], [["a", "b"]]].map((steps) => {
        const model = trainedModel(trial, ["a", "b"]);
        for (const names of steps) model.merge(names);
        return outputOf(model, x);
      });
      return together(...outputs.map((output) => within(distance(output, outputs[0]), 0)));
    },
  },

  sumOfActive: {
    name: "active adapters add up",
    statement:
      "Several active adapters compute what the weight W0 + Σ ΔW does, whichever of them are merged.",
    equation: "W0 x + ΔW_a x + ΔW_b x = (W0 + ΔW_a + ΔW_b) x",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      model.activate(["a", "b"]);
      const bound = outputBound(model, ["a", "b"], x);
      const active = outputOf(model, x);
      model.merge("b");
      const half = outputOf(model, x);
      model.merge("a");
      const merged = outputOf(model, x);
      return together(within(distance(half, active), bound), within(distance(merged, active), bound));
    },
  },

  disabledIsBase: {
    name: "disabling restores",
    statement:
      "Inside disabled() the model is the base, merged adapters or not; after it, also after an error, what it was.",
    equation: "disabled(W0 + Σ ΔW) = W0",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const base = outputOf(plainModel(trial), x);
      const results = [false, true].flatMap((merged) => {
        const model = trainedModel(trial);
        if (merged) model.merge();
        const before = outputOf(model, x);
        const inside = model.disabled(() => outputOf(model, x));
        const error = new Error("thrown inside");
        const thrown = attempt(() => model.disabled(() => fail(error)));
        return [
          within(distance(inside, base), 0),
          exactly(thrown === error),
          within(distance(outputOf(model, x), before), 0),
        ];
      });
      return together(...results);
    },
  },

  rowsAreRuns: {
    name: "rows equal runs",
    statement:
      "A batch whose rows have adapters of their own, or none, computes row by row what each adapter does alone.",
    equation: "y_i = (W0 + ΔW_{a(i)}) x_i",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      const rows = Array.from({ length: trial.batch }, (_, i) => ["a", null, "b"][(i + trial.seed) % 3]);
      const together_ = model.withRows(rows, () => outputOf(model, x));
      const width = together_.size / trial.batch;
      const bound = outputBound(model, ["a", "b"], x);
      const alone = ["a", "b", null].map((name) => ({
        name,
        y: model.withAdapters(name ?? [], () => outputOf(model, x)).data,
      }));
      let error = 0;
      rows.forEach((name, i) => {
        const y = alone.find((run) => run.name === name)?.y ?? together_.data;
        for (let j = i * width; j < (i + 1) * width; j++)
          error = Math.max(error, Math.abs(y[j] - together_.data[j]));
      });
      return within(error, bound);
    },
  },

  rowsAreRunsBackward: {
    name: "gradients of rows are sums of runs",
    statement: "A parameter's gradient from a batch of rows is that from the rows of its adapter alone.",
    equation: "∂/∂θ_a Σ_i y_i = Σ_{i: a(i) = a} ∂y_i/∂θ_a",
    methods: all,
    values: "dyadic",
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      model.trainOnly(["a", "b"]);
      const parameters = adapterOf(model)
        .parameters()
        .filter(({ requiresGrad }) => requiresGrad);
      const rows = (name: string | null) => Array.from({ length: trial.batch }, () => name);
      const loss = (): Tensor => model.forward(x).sum();
      const all = model.withRows(rows("a"), () => gradients(loss(), parameters));
      const run = model.withAdapters("a", () => gradients(loss(), parameters));
      return together(...all.map((g, i) => within(distance(g.value, run[i].value), 0)));
    },
  },

  stateRoundTrip: {
    name: "states round trip",
    statement: "A model of the same making that loads another's state computes the same to the last bit.",
    equation: "load(save(θ)) = θ",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      const other = freshModel(trial);
      other.addAdapter("b", model.config("b"));
      other.loadStateDict(model.stateDict());
      const outputs = ["a", "b"].map((name) =>
        [model, other].map((one) => one.withAdapters(name, () => outputOf(one, x))),
      );
      return together(...outputs.map(([saved, loaded]) => within(distance(saved, loaded), 0)));
    },
  },
} as const satisfies Record<string, Law>;

function attempt(fn: () => unknown): unknown {
  try {
    fn();
    return null;
  } catch (error) {
    return error;
  }
}

function fail(error: Error): never {
  throw error;
}
