/** @file The laws of training on a quantized base, each a sentence and a predicate that says whether it holds. */

import { Tensor } from "../../autograd/index.ts";
import { array, type NDArray, scope } from "../../core/index.ts";
import { type AdamSettings, AdamW, type Module } from "../../nn/index.ts";
import { quantizedLayers } from "../layer/quantize-model.ts";
import type { QuantizedLinear } from "../layer/quantized-linear.ts";
import { PagedAdamW, type PagedAdamWOptions } from "../optim/paged-adamw.ts";

export const trainingLaws = {
  /**
   * Of layers that were Linear: a Conv1D's dense copy has another layout, and adds in another order. And where W is
   * decoded before the product; a gpu device's kernel, which decodes inside, may fuse the scale's product with the sum.
   */
  gradients: {
    statement:
      "outputs and gradients through a quantized base equal those through its dequantized copy, bit for bit",
    holds(layer: QuantizedLinear, x: NDArray, dY: NDArray): boolean {
      const through = (f: (x: Tensor) => Tensor): number[][] =>
        scope(() => {
          const input = new Tensor(x);
          input.requiresGrad = true;
          const y = f(input);
          y.backward(new Tensor(dY));
          return [y, input.grad as Tensor].map((each) => Array.from(each.toArray()));
        });
      const dense = layer.dense();
      const [[y, dX], [z, dZ]] = [layer, dense].map((base) => through((input) => base.forward(input)));
      return same(y, z) && same(dX, dZ);
    },
  },

  paging: {
    statement: "a paged optimizer computes what the unpaged one computes, bit for bit, within its budget",
    /** `gradients` gives, for each step, the gradient of each parameter, or null. */
    holds(
      values: readonly NDArray[],
      gradients: readonly (readonly (NDArray | null)[])[],
      settings: Partial<AdamSettings>,
      paging: PagedAdamWOptions,
    ): boolean {
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
      return unpaged.all === paged.all && optimizer.paging.peakResidentBytes <= paging.budget;
    },
  },

  untouched: {
    statement: "training leaves the packed bytes and their constants as they are",
    holds(model: Module, train: () => void): boolean {
      const bytes = (): string =>
        JSON.stringify(
          Array.from(quantizedLayers(model), ([name, { packed }]) => [
            name,
            [...packed.packed],
            packed.constants instanceof Float32Array
              ? [...packed.constants]
              : [...packed.constants.codes, ...packed.constants.absmax, packed.constants.offset],
          ]),
        );
      const before = bytes();
      train();
      return bytes() === before;
    },
  },
} as const;

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
