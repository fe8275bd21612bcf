/** @file Laws of ΔW: its rank, its scale, its sums. */

import { noGrad } from "../../autograd/index.ts";
import {
  array,
  binary,
  exactly,
  frobeniusNorm,
  type NDArray,
  svd,
  together,
  within,
} from "../../core/index.ts";
import { compose } from "../algebra/compose.ts";
import { convert } from "../algebra/convert.ts";
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
  randomize,
  trainedModel,
  unit,
  weightBound,
} from "./trial.ts";

const all = Object.keys(methods) as Method[];

const deltaOf = (model: ReturnType<typeof freshModel>, name = "a"): NDArray =>
  noGrad(() => layerOf(model).delta(name).value);

const scaled = (M: NDArray, by: number): NDArray => binary("mul", M, array(by, []));

export const algebraLaws = {
  rankAtMostR: {
    name: "rank of ΔW ≤ r",
    statement: "The singular values of ΔW after the r-th are rounding errors.",
    equation: "rank(B A) ≤ r",
    methods: products,
    check(trial) {
      const model = trainedModel(trial);
      const delta = deltaOf(model);
      const [out, into] = delta.shape;
      const { S } = svd(delta.data, out, into);
      // σ_{r+1} ≤ ‖rounding‖_F (Weyl), each entry rounded by at most weightBound.
      return within(S[trial.rank] ?? 0, Math.sqrt(out * into) * weightBound(model, ["a"]));
    },
  },

  scalesWithAlpha: {
    name: "ΔW is linear in α",
    statement: "Twice α is twice ΔW, to the last bit; α = 0 is the base model, to the last bit.",
    equation: "ΔW(2α) = 2 ΔW(α), ΔW(0) = 0",
    methods: products,
    check(trial) {
      const [once, twice] = [1, 2].map((by) => deltaOf(trainedModel({ ...trial, alpha: by * trial.alpha })));
      return together(within(distance(twice, scaled(once, 2)), 0), alphaZero(trial));
    },
  },

  alphaZeroIsBase: {
    name: "α = 0 is the base",
    statement: "With α = 0 no values of A and B change anything, to the last bit.",
    equation: "0 · B A = 0",
    methods: all,
    needs: "alpha",
    check: alphaZero,
  },

  scaleOfRank: {
    name: "ΔW = (α/r) B A, or (α/√r) B A",
    statement: "The factor on B A is α/r; rank-stabilised, α/√r.",
    equation: "s = α/r (LoRA, §4.1), s = α/√r (arXiv:2312.03732)",
    methods: ["lora", "dora", "lora-fa"],
    check(trial) {
      const { alpha, rank } = trial;
      const stable = freshModel(trial, { rankStabilized: true } as never);
      return together(
        within(Math.abs(adapterOf(freshModel(trial)).scaling - alpha / rank), 0),
        within(Math.abs(adapterOf(stable).scaling - alpha / Math.sqrt(rank)), 0),
      );
    },
  },

  compositionIsLinear: {
    name: "composition is linear in ΔW",
    statement: "A composed adapter's ΔW is the weighted sum of its sources' ΔW, up to rounding.",
    equation: "ΔW = Σ w_i ΔW_i",
    methods: all,
    check(trial) {
      const model = trainedModel(trial, ["a", "b"]);
      const sum = binary("add", scaled(deltaOf(model), 0.5), scaled(deltaOf(model, "b"), -2));
      compose(model, "concat", { a: 0.5, b: -2 }, { by: "concat" });
      compose(model, "linear", { a: 0.5, b: -2 });
      // The factors made by SVD are rounded to float32 once more: r terms of at most ‖ΔW‖₂ each.
      const { out, in: into } = layerOf(model).W0;
      const bound =
        4 * weightBound(model, ["a", "b"]) + 4 * Math.min(out, into) * unit() * frobeniusNorm(sum.data);
      return together(
        within(distance(deltaOf(model, "concat"), sum), bound),
        within(distance(deltaOf(model, "linear"), sum), bound),
      );
    },
  },

  compositionIsExact: {
    name: "concatenation is exact",
    statement:
      "With numbers for which nothing is rounded, concatenated factors give Σ w_i ΔW_i to the last bit.",
    equation: "[w_1 B_1 … w_n B_n] [A_1; …; A_n] = Σ w_i B_i A_i",
    methods: products,
    values: "dyadic",
    check(trial) {
      const model = trainedModel(trial, ["a", "b"]);
      const sum = binary("add", scaled(deltaOf(model), 0.5), scaled(deltaOf(model, "b"), -2));
      compose(model, "sum", { a: 0.5, b: -2 }, { by: "concat" });
      return within(distance(deltaOf(model, "sum"), sum), 0);
    },
  },

  composedIsSeveral: {
    name: "composition with weights 1 is activation",
    statement: "A composed adapter with all weights 1 computes what its sources do together.",
    equation: "W0 x + (Σ ΔW_i) x = W0 x + Σ ΔW_i x",
    methods: all,
    check(trial) {
      const x = inputOf(trial);
      const model = trainedModel(trial, ["a", "b"]);
      compose(model, "sum", { a: 1, b: 1 }, { by: "concat" });
      const [composed, several] = [["sum"], ["a", "b"]].map((names) => {
        model.activate(names);
        return outputOf(model, x);
      });
      return within(distance(composed, several), 4 * outputBound(model, ["a", "b", "sum"], x));
    },
  },

  conversionKeeps: {
    name: "conversion keeps ΔW",
    statement:
      "As a LoRA adapter, any adapter computes what it did, up to rounding; its rank is at most min(out, in).",
    equation: "U √S (√S Vᵀ) = ΔW",
    methods: all,
    check(trial) {
      const model = trainedModel(trial);
      const [{ rank }] = convert(model, "a", "b");
      const { out, in: into } = layerOf(model).W0;
      const delta = deltaOf(model);
      const bound =
        2 * weightBound(model, ["a"]) + 4 * Math.min(out, into) * unit() * frobeniusNorm(delta.data);
      return together(
        exactly(rank <= Math.min(out, into)),
        within(distance(deltaOf(model, "b"), delta), bound),
      );
    },
  },
} as const satisfies Record<string, Law>;

function alphaZero(trial: Parameters<Law["check"]>[0]) {
  const x = inputOf(trial);
  const model = freshModel({ ...trial, alpha: 0 });
  const start = adapterOf(model).namedParameters();
  const magnitude = Array.from(start)
    .find(([field]) => field === "m")?.[1]
    .toArray();
  randomize(model, "a", trial);
  for (const [field, parameter] of adapterOf(model).namedParameters())
    if (field === "m" && magnitude) parameter.assign(magnitude);
  return within(distance(outputOf(model, x), outputOf(plainModel(trial), x)), 0);
}
