/** @file LoRA+ against PEFT and the authors' code, and LoRA-FA against PEFT: a small model, step by step. */

import { type Parameter, type Tensor, tanh } from "lowrank/autograd";
import type { IndexLike } from "lowrank/core";
import { inject, type LoRA, LoraFAAdamW, loraPlus } from "lowrank/lora";
import { AdamW, Embedding, LayerNorm, Linear, Module, mseLoss, type Optimizer } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import { arrayOf, constant, indicesOf, type Methods, type Outputs } from "./method.ts";
import { Steps } from "./steps.ts";

export const rates: Methods = {
  loraplus: (c) => {
    const { model, trained } = adapted(c, "lora", c.params.strings("trained_besides_lora"));
    const own = c.params.oneOf("implementation", ["peft", "original"]) === "original";
    const groups = loraPlus(model, {
      lr: c.params.number("lr"),
      ratio: c.params.number("lr_ratio"),
      embeddingLr: own ? c.params.number("embedding_lr") : null,
      weightDecay: c.params.number("weight_decay"),
    });
    return run(c, model, trained, new AdamW(groups, adam(c)));
  },

  lorafa: (c) => {
    const { model, trained } = adapted(c, "lora-fa", c.params.strings("trained_besides_lora_B"));
    const [lr, weightDecay] = [c.params.number("lr"), c.params.number("weight_decay")];
    const settings = { ...adam(c), lr, weightDecay, correctGradient: true, adam: "peft" } as const;
    return run(c, model, trained, new LoraFAAdamW(model, settings));
  },
};

/** y = head(tanh(lin2(norm(lin1(emb(ids)))))). */
class Small extends Module {
  emb: Embedding;
  lin1: Linear;
  norm: LayerNorm;
  lin2: Linear;
  head: Linear;

  constructor(vocab: number, d: number, hidden: number, out: number) {
    super();
    this.emb = new Embedding(vocab, d);
    this.lin1 = new Linear(d, hidden);
    this.norm = new LayerNorm(hidden);
    this.lin2 = new Linear(hidden, hidden, { bias: false });
    this.head = new Linear(hidden, out);
  }

  forward(ids: IndexLike): Tensor {
    return this.head.forward(
      tanh(this.lin2.forward(this.norm.forward(this.lin1.forward(this.emb.forward(ids))))),
    );
  }
}

interface AdaptedSmall {
  readonly model: Small;
  /** By the case's names. */
  readonly trained: ReadonlyMap<string, Parameter>;
}

/** The case's model with its adapters; these parameters of the base train besides. */
function adapted(c: LoadedCase, method: "lora" | "lora-fa", besides: readonly string[]): AdaptedSmall {
  const sizes = ["vocab", "d", "hidden", "out"].map((name) => c.params.number(name));
  const model = new Small(sizes[0], sizes[1], sizes[2], sizes[3]);
  const base = new Map(model.namedParameters());
  for (const [name, parameter] of base) parameter.assign(arrayOf(c, `init.${name}`));
  const targets = c.params.strings("lora_targets");
  const { adapters } = injected(model, c, method, targets);
  const trained = new Map(besides.map((name) => [name, base.get(name) as Parameter]));
  for (const parameter of trained.values()) parameter.requiresGrad = true;
  for (const target of targets) {
    const { A, B } = adapters.get(target) as LoRA;
    const [nameA, nameB] =
      target === "emb" ? ["lora_embedding_A", "lora_embedding_B"] : ["lora_A.weight", "lora_B.weight"];
    A.assign(arrayOf(c, `init.${target}.${nameA}`));
    B.assign(arrayOf(c, `init.${target}.${nameB}`));
    if (A.requiresGrad) trained.set(`${target}.${nameA}`, A);
    trained.set(`${target}.${nameB}`, B);
  }
  return { model, trained };
}

function injected(model: Small, c: LoadedCase, method: "lora" | "lora-fa", target: readonly string[]) {
  const adapted = inject(model, {
    method,
    target,
    rank: c.params.number("r"),
    alpha: c.params.number("lora_alpha"),
    rankStabilized: c.params.boolean("use_rslora", false),
  });
  return { adapters: adapted.adapter("default") };
}

function adam(c: LoadedCase) {
  const [beta1, beta2] = c.params.numbers("betas");
  return { betas: [beta1, beta2] as const, eps: c.params.number("eps") };
}

/** The case's steps on its one batch. */
function run(
  c: LoadedCase,
  model: Small,
  trained: AdaptedSmall["trained"],
  optimizer: Optimizer<{ lr: number }>,
): Outputs {
  const [ids, target] = [indicesOf(c, "ids"), constant(c, "target")];
  const steps = new Steps();
  for (let step = 0; step < c.params.number("steps"); step++) {
    const loss = mseLoss(model.forward(ids), target).mul(c.params.number("loss_scale", 1));
    loss.backward();
    steps.add("loss", loss.value);
    for (const [name, { grad }] of trained) if (grad) steps.add(`${name}.grad`, grad.value);
    optimizer.step();
    optimizer.zeroGrad();
    for (const [name, { value }] of trained) steps.add(`${name}.after`, value);
  }
  return steps.outputs();
}
