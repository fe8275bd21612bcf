/**
 * @file AdaLoRA against PEFT and the authors' code: the layer, the budget, the allocator, the regulariser, a training
 * run. The cases' names for our fields: lora_B is P [out, r], lora_E is lambda [r, 1], lora_A is Q [r, in].
 */

import { noGrad, type Parameter, Tensor, tanh } from "lowrank/autograd";
import { array, random } from "lowrank/core";
import {
  AdaLoRA,
  type AllocatorOptions,
  BudgetAllocator,
  budgetAt,
  orthogonality,
  viewWeight,
} from "lowrank/lora";
import { AdamW, Conv1D, Linear, mseLoss } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import type { Numbers } from "../check.ts";
import type { Params } from "../params.ts";
import { linearOf } from "./adapted.ts";
import {
  arrayOf,
  constant,
  differentiate,
  type Methods,
  type Output,
  type Outputs,
  shapeOf,
  variable,
} from "./method.ts";
import { Steps } from "./steps.ts";

export const adalora: Methods = {
  "adalora-linear": (c) => {
    const layer = linearOf(c).requiresGrad_(false) as Linear | Conv1D;
    const site = viewWeight(layer);
    const adapter = new AdaLoRA(site, {
      rank: c.params.number("r"),
      alpha: c.params.number("lora_alpha"),
      ranknum: true,
      rng: random(0),
    });
    const factors = { lora_A: adapter.Q, lora_E: adapter.lambda, lora_B: adapter.P };
    for (const [name, factor] of Object.entries(factors)) factor.assign(arrayOf(c, name));
    const x = variable(c, "x");
    const Wx = site.project(x);
    const outputs = differentiate(c, site.addBias(Wx.add(adapter.update(site, x))), { x, ...factors });
    return noGrad(() => {
      const delta = adapter.deltaWeight();
      const merged = site.withWeight(site.weight().add(delta).value) as Linear | Conv1D;
      return {
        ...outputs,
        ranknum: { data: [adapter.rank], shape: [1] },
        scaling: adapter.alpha > 0 ? adapter.alpha : adapter.rank,
        delta: layer instanceof Conv1D ? delta.T : delta,
        merged_weight: merged.weight,
        y_merged: merged.forward(x),
        unmerged_weight: layer.weight, // the merged layer is another one
      };
    });
  },

  "adalora-budget": (c) =>
    Object.fromEntries(
      c.params.objects("configurations").flatMap((params, i) => {
        const steps = Array.from({ length: params.number("total_step") + 1 }, (_, t) => t);
        const { totalSteps, warmup, final, interval } = schedule(params);
        const [initial, target] = [params.number("init_budget"), params.number("target_budget")];
        const budget = list(steps.map((t) => budgetAt(t, schedule(params), initial, target)));
        const masks = list(
          steps.map((t) => Number(t > warmup && (t > totalSteps - final || t % interval === 0))),
        );
        return [
          [`c${i}.budget`, budget],
          [`c${i}.budget_original`, budget],
          [`c${i}.mask_step`, masks],
          [`c${i}.mask_step_original`, masks],
        ];
      }),
    ),

  "adalora-allocator": allocator,

  "adalora-orthogonality": (c) => {
    const adapters = adaptersOf(c, c.params.number("r"));
    const regularisation = orthogonality(adapters, {
      weight: c.params.number("orth_reg_weight"),
      form: "code",
    });
    regularisation.backward();
    const gradients = adapters.flatMap(({ P, Q }, k): [string, Output][] => [
      [`m${k}.grad_lora_A`, Q.grad],
      [`m${k}.grad_lora_B`, P.grad],
    ]);
    return {
      regularisation,
      regularisation_original: regularisation,
      loss: regularisation.add(c.params.number("stand_in_loss")),
      ...Object.fromEntries(gradients),
    };
  },

  "adalora-training": training,
};

const list = (values: readonly number[]): Numbers => ({ data: values, shape: [values.length] });

const schedule = (params: Params) => ({
  totalSteps: params.number("total_step"),
  warmup: params.number("tinit"),
  final: params.number("tfinal"),
  interval: params.number("deltaT"),
});

const names = { lora_A: "Q", lora_E: "lambda", lora_B: "P" } as const;

/** An adapter for each module m0, m1, … of the case, with its values where it has some. */
function adaptersOf(c: LoadedCase, rank: number, alpha = rank, layers: readonly Linear[] = []): AdaLoRA[] {
  const count = [...c.inputs.keys()].filter((name) => /^m\d+\.lora_A$/.test(name)).length;
  return Array.from({ length: count }, (_, k) => {
    const [out, into] = [shapeOf(c, `m${k}.lora_B`)[0], shapeOf(c, `m${k}.lora_A`)[1]];
    const layer = layers[k] ?? new Linear(into, out, { bias: false });
    const adapter = new AdaLoRA(viewWeight(layer), { rank, alpha, ranknum: true, rng: random(0) });
    for (const [theirs, ours] of Object.entries(names)) {
      if (c.inputs.has(`m${k}.${theirs}`)) adapter[ours].assign(arrayOf(c, `m${k}.${theirs}`));
    }
    return adapter;
  });
}

/** The allocator that a case's implementation has. */
function allocatorOf(c: LoadedCase, adapters: readonly AdaLoRA[]): BudgetAllocator {
  const options: AllocatorOptions = {
    ...schedule(c.params),
    target: c.params.number("target_r") * adapters.length,
    betas: [c.params.number("beta1"), c.params.number("beta2")],
    ties: "drop",
    settle: c.params.oneOf("implementation", ["peft", "original"]) === "peft" ? "always" : "interval",
  };
  return new BudgetAllocator(adapters, options);
}

function allocator(c: LoadedCase): Outputs {
  const adapters = adaptersOf(c, c.params.number("init_r"));
  const allocation = allocatorOf(c, adapters);
  const steps = new Steps();
  const { totalSteps, final } = schedule(c.params);
  const at = (name: string, step: number): Float64Array => {
    const { data, shape } = arrayOf(c, name);
    const size = data.length / shape[0];
    return Float64Array.from(data.subarray(step * size, (step + 1) * size));
  };
  for (const [step, t] of c.params.numbers("global_steps").entries()) {
    for (const [k, adapter] of adapters.entries()) {
      for (const [theirs, ours] of Object.entries(names)) {
        const parameter: Parameter = adapter[ours];
        const update = at(`m${k}.${theirs}.update`, step);
        parameter.assign(parameter.value.data.map((value, i) => value + update[i]));
        parameter.zeroGrad();
        parameter.accumulate(new Tensor(array(at(`m${k}.${theirs}.grad`, step), parameter.shape)));
      }
    }
    const allocated = allocation.allocate(t);
    steps.add("budget", allocation.budget(t));
    steps.add("threshold", allocated?.threshold ?? -1);
    addKept(steps, adapters);
    for (const [k, adapter] of adapters.entries()) {
      steps.add(`m${k}.lora_E.after`, adapter.lambda.value);
      if (t >= totalSteps - final) continue;
      for (const [theirs, ours] of Object.entries(names)) {
        for (const [array, values] of Object.entries(allocation.scores[k][ours]))
          steps.add(`m${k}.${theirs}.${array}`, values);
      }
    }
  }
  return steps.outputs();
}

function training(c: LoadedCase): Outputs {
  const layers = ["W1", "W2"].map((name) => {
    const [out, into] = shapeOf(c, name);
    const layer = new Linear(into, out, { bias: false }).requiresGrad_(false);
    layer.weight.assign(arrayOf(c, name));
    return layer;
  });
  const adapters = adaptersOf(c, c.params.number("init_r"), c.params.number("lora_alpha"), layers);
  const run = (k: number, x: Tensor): Tensor => {
    const site = viewWeight(layers[k]);
    const Wx = site.project(x);
    return Wx.add(adapters[k].update(site, x));
  };
  const allocation = allocatorOf(c, adapters);
  const { lr, betas, eps, weightDecay } = adamSettings(c.params.object("optimizer"));
  const optimizer = new AdamW(
    adapters.flatMap((adapter) => adapter.parameters()),
    { lr, betas, eps, weightDecay },
  );
  const steps = new Steps();
  const [x, target] = [constant(c, "x"), constant(c, "target")];
  for (const t of c.params.numbers("global_steps")) {
    const y = run(1, tanh(run(0, x)));
    const penalty = orthogonality(adapters, { weight: c.params.number("orth_reg_weight"), form: "code" });
    const loss = mseLoss(y, target).add(penalty);
    loss.backward();
    optimizer.step();
    allocation.allocate(t);
    optimizer.zeroGrad();
    steps.add("loss", loss.value);
    addKept(steps, adapters);
    for (const [k, adapter] of adapters.entries()) {
      for (const [theirs, ours] of Object.entries(names))
        steps.add(`m${k}.${theirs}.after`, adapter[ours].value);
    }
  }
  return steps.outputs();
}

const adamSettings = (params: Params) => {
  const [beta1, beta2] = params.numbers("betas");
  return {
    lr: params.number("lr"),
    betas: [beta1, beta2] as const,
    eps: params.number("eps"),
    weightDecay: params.number("weight_decay"),
  };
};

function addKept(steps: Steps, adapters: readonly AdaLoRA[]): void {
  for (const [k, { lambda, rank }] of adapters.entries()) {
    steps.add(`m${k}.kept`, { data: Array.from(lambda.value.data, (λ) => Number(λ !== 0)), shape: [rank] });
  }
}
