/** @file Optimizer: steps over parameter groups, and a state for each parameter that can be saved and resumed. */

import type { Parameter } from "../../autograd/index.ts";
import { copy, type NDArray, warn, zeros } from "../../core/index.ts";
import { type FullGroup, fullGroups, type Params } from "./groups.ts";
import { checkSavedState, type OptimizerState, type StateLayout } from "./saved-state.ts";

/** State of one parameter: its arrays by name, and the number of steps it has taken. */
export interface ParameterState {
  step: number;
  readonly arrays: Record<string, NDArray>;
}

/** The warning, or error, where no parameter has a gradient. */
export const noGradients =
  "no parameter of this optimizer has a gradient; make it from the parameters that the loss depends on (after adapters " +
  "were put on), and call backward() before step()";

/**
 * Base class of all optimizers. A class that extends it gives its default settings to the constructor and computes the
 * step of one parameter in `update`; for states that can be resumed it says in `layouts` which arrays they have.
 *
 *     class SignSGD extends Optimizer<{ lr: number }> {
 *       constructor(params: Params<{ lr: number }>, settings = {}) {
 *         super(params, { lr: 1e-3 }, settings);
 *       }
 *       protected override update(w: Parameter, gradient: NDArray, { lr }: { lr: number }): void {
 *         w.assign(w.value.data.map((x, i) => x - lr * Math.sign(gradient.data[i])));
 *       }
 *     }
 */
export abstract class Optimizer<Settings extends { lr: number }> {
  /** The parameters with their settings, which can be changed between steps: `optimizer.groups[0].lr = 1e-4`. */
  readonly groups: FullGroup<Settings>[];
  readonly #state = new Map<Parameter, ParameterState>();

  /**
   * @param params parameters, or groups of them with settings of their own
   * @param defaults every setting and its default; a value that is given must have the default's type
   * @param settings what the caller gave, for all groups; `undefined` counts as left out
   * @throws ArgumentError when there is nothing to train, a parameter is in two groups, or a setting is unknown or out of
   *   range
   */
  constructor(params: Params<Settings>, defaults: Settings, settings: Partial<Settings> = {}) {
    this.groups = fullGroups(new.target.name, params, defaults, settings);
  }

  /** The name of the optimizer's kind in a saved state. */
  get kind(): string {
    return this.constructor.name;
  }

  /** The kinds whose saved states this optimizer can continue from. */
  protected get continues(): readonly string[] {
    return [this.kind];
  }

  /**
   * The sets of arrays that the state of a parameter may consist of, such as Adam's two moments; null allows any arrays
   * of the parameter's shape.
   */
  protected layouts(_parameter: Parameter, _settings: Settings): readonly StateLayout[] | null {
    return null;
  }

  /** Updates every parameter that has a gradient. Warns when none has, since then nothing is learned. */
  step(): void {
    this.warnWithoutGradients();
    for (const group of this.groups) {
      for (const parameter of group.params) {
        if (!parameter.gradValue || !parameter.requiresGrad) continue;
        const state = this.state(parameter);
        state.step++;
        this.update(parameter, parameter.gradValue, group, state);
      }
    }
  }

  /** True when a parameter has a gradient and requires it, so that `step` changes something. */
  get hasGradients(): boolean {
    return this.parameters().some(({ gradValue, requiresGrad }) => gradValue && requiresGrad);
  }

  protected warnWithoutGradients(): void {
    if (!this.hasGradients) warn(`${this.constructor.name}.step: ${noGradients}`);
  }

  /**
   * Takes the step of one parameter, in place.
   * @param state its state, for reading and writing; `state.step` is 1 in the first step
   */
  protected abstract update(
    parameter: Parameter,
    gradient: NDArray,
    settings: Settings,
    state: ParameterState,
  ): void;

  /** Clears all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  /** The parameters of all groups, in order. */
  parameters(): Parameter[] {
    return this.groups.flatMap((group) => group.params);
  }

  /** The state of a parameter; an empty one is made when there is none. */
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
    return { kind: this.kind, steps: states.map(({ step }) => step), arrays };
  }

  /**
   * Checks all of a saved state, and changes nothing.
   * @throws CheckpointError when it is of another kind of optimizer or of other parameters: each part that is missing,
   *   unexpected or misshapen is named
   */
  checkState(saved: OptimizerState): void {
    const parameters = this.groups.flatMap((group) =>
      group.params.map((parameter) => ({ shape: parameter.shape, layouts: this.layouts(parameter, group) })),
    );
    checkSavedState(saved, { who: this.constructor.name, kinds: this.continues, parameters });
  }

  /** Continues from a saved state. @throws CheckpointError as `checkState`; nothing is changed then */
  loadStateDict(saved: OptimizerState): void {
    this.checkState(saved);
    this.restore(saved);
  }

  /** Takes over a state that has passed `checkState`. */
  protected restore({ steps, arrays }: OptimizerState): void {
    const copies = Array.from(arrays, ([key, array]) => [key, copy(array, "optimizer")] as const);
    this.parameters().forEach((parameter, i) => {
      const own = copies.filter(([key]) => Number.parseInt(key, 10) === i);
      this.#state.set(parameter, {
        step: steps[i],
        arrays: Object.fromEntries(own.map(([key, array]) => [key.slice(key.indexOf(".") + 1), array])),
      });
    });
  }
}

/** The array of that name in a parameter's state; the first time it is made, zeros of the parameter's shape. */
export function stateArray(state: ParameterState, name: string, parameter: Parameter): NDArray {
  return (state.arrays[name] ??= zeros(parameter.shape, "optimizer"));
}
