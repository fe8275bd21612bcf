/** @file Laws of training: what moves, what is kept for the gradient, how much there is to train. */

import { backward, savedBytes, type Tensor } from "../../autograd/index.ts";
import { copy, exactly, random, together, within } from "../../core/index.ts";
import { AdamW, GPT2, SGD } from "../../nn/index.ts";
import { countParameters } from "../count/index.ts";
import type { LoRA } from "../lora.ts";
import type { LoraFA } from "../lora-fa.ts";
import { loraPlus } from "../lora-plus.ts";
import { type AdapterConfig, type Method, methods } from "../methods.ts";
import { inject } from "../model/inject.ts";
import type { Law } from "./law.ts";
import { adapterOf, distance, inputOf, outputOf, trainedModel } from "./trial.ts";

const all = Object.keys(methods) as Method[];

const loss = (model: ReturnType<typeof trainedModel>, trial: Parameters<Law["check"]>[0]): Tensor =>
  model.forward(inputOf(trial)).square().sum();

export const trainingLaws = {
  onlyAdapterTrains: {
    name: "only the adapter trains",
    statement:
      "Training changes parameters of the active adapter, and not one bit of the base or of other adapters.",
    equation: "∂L/∂W0 is not computed, ∂L/∂θ_b is not either",
    methods: all,
    check(trial) {
      const model = trainedModel(trial, ["a", "b"]);
      const mine = new Set(adapterOf(model).parameters());
      const others = model.parameters().filter((parameter) => !mine.has(parameter));
      const before = others.map(({ value }) => copy(value));
      const own = [...mine].map(({ value }) => copy(value));
      const optimizer = new SGD(model.parameters(), { lr: 0.1 });
      for (let step = 0; step < 2; step++) {
        model.zeroGrad();
        backward(loss(model, trial));
        optimizer.step();
      }
      const moved = [...mine].some(({ value }, i) => distance(value, own[i]) > 0);
      const zero = [...mine].every(({ grad }) => !grad || grad.toArray().every((g) => g === 0));
      return together(
        exactly(moved || zero),
        ...others.map(({ value, grad }, i) =>
          together(within(distance(value, before[i]), 0), exactly(grad === null)),
        ),
      );
    },
  },

  countIsFormula: {
    name: "parameters are as many as the formula says",
    statement:
      "countParameters, which allocates nothing, gives the number of trainable elements of a real model.",
    equation: "Σ r (in + out) for LoRA; see methods.ts",
    methods: all,
    needs: "count",
    check({ method, rank, seed }) {
      const rng = random(seed);
      const [heads, blocks, width] = [1 + rng.integer(2), 1 + rng.integer(2), rank + rng.integer(4)];
      const gpt2 = new GPT2(
        {
          model_type: "gpt2",
          vocab_size: width + 3,
          n_positions: width + 1,
          n_embd: heads * width,
          n_layer: blocks,
          n_head: heads,
        },
        { rng },
      );
      const target = ["all-linear", "c_attn", ["c_proj", "wte"], /.*\.mlp\.c_(fc|proj)/][rng.integer(4)];
      const spec = { target, rank };
      const { trainable } = inject(gpt2, { method, ...spec, seed } as AdapterConfig).trainableParameters();
      const formula = method === "merged-linear" || method === "lora-conv" ? "lora" : method; // one slice, k = 1
      const counted = countParameters(formula as "lora", { config: gpt2.config, ...spec });
      return within(Math.abs(trainable - counted.trainable), 0);
    },
  },

  faKeepsA: {
    name: "LoRA-FA leaves A untouched",
    statement: "Training moves B and not one bit of A.",
    equation: "A_t = A_0",
    methods: ["lora-fa"],
    check(trial) {
      const model = trainedModel(trial);
      const { A } = adapterOf(model) as LoraFA;
      const before = copy(A.value);
      backward(loss(model, trial));
      new AdamW(model.parameters(), { lr: 0.1 }).step();
      return together(within(distance(A.value, before), 0), exactly(A.grad === null));
    },
  },

  faSavesInput: {
    name: "LoRA-FA does not keep x",
    statement: "For backward LoRA keeps x beside A x, LoRA-FA only A x: exactly the bytes of x are saved.",
    equation: "bytes(LoRA) − bytes(LoRA-FA) = bytes(x)",
    methods: ["lora-fa"],
    check(trial) {
      const shape = { ...trial, site: "linear" as const, in: 4 * trial.in }; // room for a convolution's rank
      const x = inputOf(shape) as Tensor;
      x.requiresGrad = true; // as behind another adapted layer: then only x differs, and both need B for its gradient
      const [lora, fa] = (["lora", "lora-fa"] as const).map((method) =>
        savedBytes(trainedModel({ ...shape, method }).forward(x)),
      );
      return within(Math.abs(lora - fa - x.value.storage.bytes), 0);
    },
  },

  plusIsRescaled: {
    name: "LoRA+ is Adam on a rescaled problem",
    statement:
      "LoRA+ with ratio λ takes, to the last bit, the steps of Adam with one rate on B/λ, with α multiplied by λ (and ε for it too).",
    equation: "B = λ B̃: ∂L/∂B̃ = λ ∂L/∂B, and Adam's step does not depend on the gradient's scale",
    methods: ["lora"],
    check(given) {
      const trial = given.site === "embedding" ? { ...given, site: "linear" as const } : given; // tables have one rate
      const [λ, lr, eps] = [2 ** (1 + (trial.seed % 4)), 1e-2, 2 ** -20];
      const plus = trainedModel(trial);
      const rescaled = trainedModel({ ...trial, alpha: λ * trial.alpha });
      const factors = [plus, rescaled].map((model) => adapterOf(model) as LoRA);
      const [, { A, B }] = factors;
      B.assign(B.toArray().map((b) => b / λ));
      const optimizers = [
        new AdamW(
          loraPlus(plus, { lr, ratio: λ, embeddingLr: null }).map((group) => ({ ...group, eps })),
          { weightDecay: 0 },
        ),
        new AdamW(
          [
            { params: [A], eps },
            { params: [B], eps: λ * eps },
          ],
          { lr, weightDecay: 0 },
        ),
      ];
      for (let step = 0; step < 3; step++) {
        [plus, rescaled].forEach((model, i) => {
          model.zeroGrad();
          backward(loss(model, trial));
          optimizers[i].step();
        });
      }
      const x = inputOf(trial);
      return within(distance(outputOf(plus, x), outputOf(rescaled, x)), 0);
    },
  },
} as const satisfies Record<string, Law>;
