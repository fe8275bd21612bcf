/** @file Optimizers, gradient clipping and schedules against PyTorch and transformers. */

import { type Parameter, stack, type Tensor } from "lowrank/autograd";
import {
  Adam,
  type AdamSettings,
  AdamW,
  clipGradientNorm,
  constant as constantSchedule,
  cosine,
  linearDecay,
  type Optimizer,
  type Schedule,
  SGD,
} from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import type { Params } from "../params.ts";
import { constant, type Methods, type Output, type Outputs, trainable } from "./method.ts";

export const optim: Methods = {
  "optim-adam": optimizerSteps,
  "optim-adamw": optimizerSteps,
  "optim-sgd": optimizerSteps,

  "optim-clip-norm": (c) => {
    const names = [...c.inputs.keys()];
    const parameters = names.map((name) => {
      const parameter = trainable(c, name);
      parameter.grad = constant(c, name);
      return parameter;
    });
    const total_norm = clipGradientNorm(parameters, c.params.number("max_norm"));
    return { total_norm, ...fromEach(names, (name, i) => [`${name}.clipped`, parameters[i].grad]) };
  },

  "optim-schedule": (c) =>
    fromEach(c.params.objects("schedules"), (params, i) => {
      const [lr, factor] = [params.number("lr"), schedule(params)];
      const rates = Float32Array.from({ length: params.number("steps") }, (_, step) => lr * factor(step));
      return [`s${i}.lr`, { data: rates, shape: [rates.length] }];
    }),
};

const fromEach = <T>(
  items: readonly T[],
  output: (item: T, i: number) => readonly [string, Output],
): Outputs => Object.fromEntries(items.map(output));

function schedule(params: Params): Schedule {
  const warmup = params.number("num_warmup_steps", 0);
  const kind = params.oneOf("kind", ["constant", "linear", "cosine"]);
  if (kind === "constant") return constantSchedule({ warmup });
  const total = params.number("num_training_steps");
  return kind === "linear" ? linearDecay({ warmup, total }) : cosine({ warmup, total });
}

/** Steps with stored gradients: each parameter after every step, and the optimizer's arrays after the last. */
function optimizerSteps(c: LoadedCase): Outputs {
  const names = [...c.inputs.keys()].filter((name) => !name.endsWith(".grad"));
  const parameters = names.map((name) => trainable(c, name));
  const gradients = names.map((name) => constant(c, `${name}.grad`)); //      [steps, ...parameter]
  const optimizer = makeOptimizer(c.params.string("optimizer"), parameters, c.params.object("options"));
  const rates = c.params.has("lr_schedule") ? c.params.numbers("lr_schedule") : null;

  const after: Tensor[][] = names.map(() => []);
  for (let step = 0; step < c.params.number("steps"); step++) {
    if (rates) optimizer.groups[0].lr = rates[step];
    parameters.forEach((parameter, i) => {
      parameter.grad = gradients[i].slice(0, step, step + 1).reshape(...parameter.shape);
    });
    optimizer.step();
    parameters.forEach((parameter, i) => {
      after[i].push(parameter.clone());
    });
  }
  const states = names.flatMap((name, i) =>
    Object.entries(optimizer.state(parameters[i]).arrays).map(
      ([key, array]) => [`${name}.${key}`, array] as const,
    ),
  );
  return {
    ...fromEach(names, (name, i) => [`${name}.after`, stack(after[i])]),
    ...Object.fromEntries(states),
  };
}

/** The optimizer of that name in PyTorch, from PyTorch's settings; those not given have PyTorch's defaults. */
export function makeOptimizer(
  name: string,
  parameters: readonly Parameter[],
  options: Params,
): Optimizer<{ lr: number }> {
  const [lr, weightDecay] = [
    options.number("lr"),
    options.number("weight_decay", name === "AdamW" ? 0.01 : 0),
  ];
  if (name === "SGD") {
    options.expectOnly(["name", "lr", "weight_decay", "momentum", "dampening", "nesterov"]);
    return new SGD(parameters, {
      lr,
      weightDecay,
      momentum: options.number("momentum", 0),
      dampening: options.number("dampening", 0),
      nesterov: options.boolean("nesterov", false),
    });
  }
  options.expectOnly(["name", "lr", "weight_decay", "betas", "eps", "amsgrad"]);
  const [beta1, beta2] = options.numbers("betas", [0.9, 0.999]);
  const settings: AdamSettings = {
    lr,
    weightDecay,
    betas: [beta1, beta2],
    eps: options.number("eps", 1e-8),
    amsgrad: options.boolean("amsgrad", false),
  };
  if (name === "Adam") return new Adam(parameters, settings);
  if (name === "AdamW") return new AdamW(parameters, settings);
  throw new Error(`params.optimizer: expected Adam, AdamW or SGD; got ${name}`);
}
