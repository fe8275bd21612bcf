/** @file Optimizer: parameter groups, each with its own settings, and per-parameter state that can be saved and resumed. */

import type { Parameter } from "../../autograd/index.ts";
import { ArgumentError, CheckpointError, copy, type NDArray, sameShape, zeros } from "../../core/index.ts";

/** Parameters that share settings; a setting left out is the optimizer's. */
export type Group<Settings> = Partial<Settings> & {
  readonly params: Iterable<Parameter>;
  readonly name?: string;
};

/** What an optimizer accepts: parameters, or groups of them. */
export type Params<Settings> = Iterable<Parameter> | readonly Group<Settings>[];

/** State of one parameter: its arrays by name, and the number of steps it has taken. */
export interface ParameterState {
  step: number;
  readonly arrays: Record<string, NDArray>;
}

/** Saved state: parameters in the order of the groups. */
export interface OptimizerState {
  readonly steps: readonly number[];
  readonly arrays: ReadonlyMap<string, NDArray>;
}

export abstract class Optimizer<Settings extends { lr: number }> {
  /** Settings can be changed between steps: `optimizer.groups[0].lr = 1e-4`. */
  readonly groups: (Settings & { readonly params: readonly Parameter[]; readonly name?: string })[];
  readonly #state = new Map<Parameter, ParameterState>();

  /**
   * @throws ArgumentError when there is nothing to train, a parameter stands in two groups, or a setting is out
   *   of range
   */
  constructor(params: Params<Settings>, defaults: Settings) {
    const list = [...params] as (Parameter | Group<Settings>)[];
    const groups = list.some((item) => "params" in item)
      ? (list as Group<Settings>[])
      : [{ params: list as Parameter[] }];
    this.groups = groups.map((group) => ({ ...defaults, ...group, params: [...group.params] }));
    const all = this.groups.flatMap((group) => group.params);
    const who = new.target.name;
    if (all.length === 0) throw new ArgumentError(who, "at least one parameter to train", { parameters: 0 });
    if (new Set(all).size !== all.length)
      throw new ArgumentError(who, "each parameter in one group", { groups: groups.length });
    if (!all.some((parameter) => parameter.requiresGrad)) {
      throw new ArgumentError(who, "a parameter that requires a gradient", {
        "frozen parameters": all.length,
      });
    }
    for (const group of this.groups) {
      for (const [name, value] of Object.entries(group)) {
        if (typeof value === "number" && !(value >= 0))
          throw new ArgumentError(who, `${name} ≥ 0`, { [name]: value });
      }
    }
  }

  /** Updates every parameter that has a gradient. */
  step(): void {
    for (const group of this.groups) {
      for (const parameter of group.params) {
        if (!parameter.grad || !parameter.requiresGrad) continue;
        const state = this.state(parameter);
        state.step++;
        this.update(parameter, parameter.grad.value, group, state);
      }
    }
  }

  /** One parameter's step: `state.step` counts from 1. */
  protected abstract update(
    parameter: Parameter,
    gradient: NDArray,
    settings: Settings,
    state: ParameterState,
  ): void;

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  parameters(): Parameter[] {
    return this.groups.flatMap((group) => group.params);
  }

  /** A parameter's state, made when there is none. */
  state(parameter: Parameter): ParameterState {
    let state = this.#state.get(parameter);
    if (!state) this.#state.set(parameter, (state = { step: 0, arrays: {} }));
    return state;
  }

  /** A copy of the state of all parameters. */
  stateDict(): OptimizerState {
    const states = this.parameters().map((parameter) => this.state(parameter));
    const arrays = new Map<string, NDArray>();
    states.forEach((state, i) => {
      for (const [name, array] of Object.entries(state.arrays))
        arrays.set(`${i}.${name}`, copy(array, "optimizer"));
    });
    return { steps: states.map(({ step }) => step), arrays };
  }

  /** @throws CheckpointError when a saved state is of other parameters than this optimizer's */
  checkState(count: number, arrays: OptimizerState["arrays"]): void {
    const parameters = this.parameters();
    if (count !== parameters.length) {
      throw new CheckpointError(
        `optimizer: expected the state of ${parameters.length} parameters; got ${count}`,
      );
    }
    for (const [key, { shape }] of arrays) {
      const parameter = parameters[Number.parseInt(key, 10)];
      if (!parameter || !sameShape(parameter.shape, shape)) {
        const expected = parameter
          ? `shape [${parameter.shape.join(", ")}]`
          : `one of ${parameters.length} parameters`;
        throw new CheckpointError(`optimizer: expected ${expected} for ${key}; got [${shape.join(", ")}]`);
      }
    }
  }

  /** Continues from a saved state. @throws CheckpointError when it is of other parameters; nothing is changed then */
  loadStateDict({ steps, arrays }: OptimizerState): void {
    this.checkState(steps.length, arrays);
    this.parameters().forEach((parameter, i) => {
      const own = [...arrays].filter(([key]) => Number.parseInt(key, 10) === i);
      this.#state.set(parameter, {
        step: steps[i],
        arrays: Object.fromEntries(
          own.map(([key, array]) => [key.slice(key.indexOf(".") + 1), copy(array, "optimizer")]),
        ),
      });
    });
  }
}

/** The array of that name in a parameter's state, zeros of the parameter's shape at first. */
export function stateArray(state: ParameterState, name: string, parameter: Parameter): NDArray {
  return (state.arrays[name] ??= zeros(parameter.shape, "optimizer"));
}
