/** @file The laws of training on a quantized base: what gradients, paged optimizers and packed bytes must be. */

import { Tensor } from "../../autograd/index.ts";
import { array, exactly, type Law, type NDArray, scope, together, within } from "../../core/index.ts";
import { type AdamSettings, AdamW, type Module } from "../../nn/index.ts";
import type { QuantizedLinear } from "../layer/quantized-linear.ts";
import { quantizedLayers } from "../model/quantized-layers.ts";
import { PagedAdamW, type PagedAdamWOptions } from "../optim/paged-adamw.ts";

/** A quantized layer, an input, and the gradient of its output. */
export interface GradientsTrial {
  readonly layer: QuantizedLinear;
  readonly x: NDArray;
  readonly dY: NDArray;
}

/** Parameters and their gradients, and how an optimizer is to step and to page. */
export interface PagingTrial {
  readonly values: readonly NDArray[];
  /** For each step the gradient of each parameter, or null. */
  readonly gradients: readonly (readonly (NDArray | null)[])[];
  readonly settings: Partial<AdamSettings>;
  readonly paging: PagedAdamWOptions;
}

/** A model with quantized layers, and a function that trains it. */
export interface UntouchedTrial {
  readonly model: Module;
  readonly train: () => void;
}

/**
 * True of layers that were Linear: a Conv1D's dense copy has another layout, and adds in another order. And true where W
 * is dequantized before the product; a gpu device's kernel, which dequantizes inside, may fuse the scale's product with
 * the sum.
 */
export const gradients: Law<GradientsTrial> = {
  name: "gradients are the dense copy's",
  statement:
    "Outputs and gradients through a quantized base equal those through its dequantized copy, bit for bit.",
  equation: "Y = X D(Q(W))ᵀ + b, X̄ = Ȳ D(Q(W))",
  check({ layer, x, dY }) {
    const through = (base: { forward(x: Tensor): Tensor }): number[][] =>
      scope(() => {
        const input = new Tensor(x);
        input.requiresGrad = true;
        const y = base.forward(input);
        y.backward(new Tensor(dY));
        return [y, input.grad as Tensor].map((each) => Array.from(each.toArray()));
      });
    const [[y, dX], [z, dZ]] = [layer, layer.dense()].map(through);
    return exactly(same(y, z) && same(dX, dZ));
  },
};

export const paging: Law<PagingTrial> = {
  name: "paged is unpaged",
  statement: "A paged optimizer computes what the unpaged one computes, bit for bit, within its budget.",
  equation: "PagedAdamW(w, g) = AdamW(w, g), peak resident bytes ≤ budget",
  check({ values, gradients, settings, paging }) {
    const run = (make: (parameters: Tensor[]) => AdamW) => {
      const parameters = values.map((value) => {
        const copy = new Tensor(array(value.data, value.shape, "weights"));
        copy.requiresGrad = true;
        return copy;
      });
      const optimizer = make(parameters);
      const numbers = gradients.map((step) => {
        step.forEach((gradient, i) => {
          parameters[i].grad = gradient && new Tensor(gradient);
        });
        optimizer.step();
        return parameters.map((parameter) => Array.from(parameter.toArray()));
      });
      const { steps, arrays } = optimizer.stateDict();
      const state = [...arrays].map(([name, { data }]) => [name, ...data]);
      return { optimizer, all: JSON.stringify([numbers, steps, state]) };
    };
    const unpaged = run((parameters) => new AdamW(parameters, settings));
    const paged = run((parameters) => new PagedAdamW(parameters, { ...settings, ...paging }));
    const optimizer = paged.optimizer as PagedAdamW;
    optimizer.close();
    return together(
      exactly(unpaged.all === paged.all),
      within(optimizer.paging.peakResidentBytes, paging.budget),
    );
  },
};

export const untouched: Law<UntouchedTrial> = {
  name: "packed bytes stay",
  statement: "Training leaves the codes and the absmax of quantized layers as they are.",
  equation: "Q(W)_t = Q(W)_0",
  check({ model, train }) {
    const bytes = (): string =>
      JSON.stringify(
        Array.from(quantizedLayers(model), ([name, { packed }]) => [
          name,
          [...packed.packed],
          packed.storedAbsmax instanceof Float32Array
            ? [...packed.storedAbsmax]
            : [...packed.storedAbsmax.codes, ...packed.storedAbsmax.absmax, packed.storedAbsmax.offset],
        ]),
      );
    const before = bytes();
    train();
    return exactly(bytes() === before);
  },
};

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
