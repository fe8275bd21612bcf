/** @file Optimizer: parameter groups, each with its own settings, and per-parameter state that can be saved and resumed. */

import { type Parameter, Tensor } from "../../autograd/index.ts";
import {
  ArgumentError,
  CheckpointError,
  checkOptions,
  copy,
  type NDArray,
  type Shape,
  warn,
  zeros,
} from "../../core/index.ts";
import { findMismatch } from "../module/mismatch.ts";

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
  /** The optimizer's `kind`. Without it a state is judged by its arrays alone. */
  readonly kind?: string;
  /** Steps that each parameter has taken. */
  readonly steps: readonly number[];
  /** Arrays under the parameter's position and their name, such as `0.exp_avg`. */
  readonly arrays: ReadonlyMap<string, NDArray>;
}

/** The arrays that a parameter's state consists of: their shapes by name. */
export type StateLayout = Readonly<Record<string, Shape>>;

/** What is wrong when an optimizer has nothing to go by. */
export const noGradients =
  "no parameter of this optimizer has a gradient; make it from the parameters that the loss depends on (after adapters " +
  "were put on), and call backward() before step()";

/** Settings under the names that PyTorch and bitsandbytes give them, and what they are here. */
export const optimizerSpellings: Readonly<Record<string, string>> = {
  learning_rate: "lr",
  learningRate: "lr",
  beta1: "betas: [beta1, beta2]",
  beta2: "betas: [beta1, beta2]",
  epsilon: "eps",
  parameters: "params",
};

export abstract class Optimizer<Settings extends { lr: number }> {
  /** Settings can be changed between steps: `optimizer.groups[0].lr = 1e-4`. */
  readonly groups: (Settings & { readonly params: readonly Parameter[]; readonly name?: string })[];
  readonly #state = new Map<Parameter, ParameterState>();

  /**
   * @param defaults every setting and its default, whose type a value given must have
   * @param settings what the caller gave, for all groups; `undefined` counts as left out
   * @throws ArgumentError when there is nothing to train, a parameter stands in two groups, or a setting is unknown or
   *   out of range
   */
  constructor(params: Params<Settings>, defaults: Settings, settings: Partial<Settings> = {}) {
    const who = new.target.name;
    const known = Object.keys(defaults);
    checkOptions(who, settings, known, optimizerSpellings);
    const groups = asGroups(who, params);
    for (const group of groups) checkOptions(who, group, ["params", "name", ...known], optimizerSpellings);
    this.groups = groups.map((group) => ({
      ...defaults,
      ...given(settings),
      ...given(group),
      params: [...group.params],
    }));
    for (const group of this.groups) checkValues(who, group, defaults);
    checkParameters(
      who,
      this.groups.map((group) => group.params),
    );
  }

  /** What the state of this optimizer is called in `stateDict`. */
  get kind(): string {
    return this.constructor.name;
  }

  /** The kinds whose states this optimizer can go on from. */
  protected get continues(): readonly string[] {
    return [this.kind];
  }

  /**
   * The sets of arrays that a parameter's state can consist of, each whole, or empty before the first step; null: any
   * arrays of the parameter's own shape.
   */
  protected layouts(_parameter: Parameter, _settings: Settings): readonly StateLayout[] | null {
    return null;
  }

  /** Updates every parameter that has a gradient. Warns when none has: then nothing is learned. */
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
    return { kind: this.kind, steps: states.map(({ step }) => step), arrays };
  }

  /**
   * Checks all of a saved state, and changes nothing.
   * @throws CheckpointError when it is of another kind of optimizer or of other parameters: each part that is missing,
   *   unexpected or misshapen is named
   */
  checkState(saved: OptimizerState): void {
    const who = this.constructor.name;
    const { kind, steps, arrays } = saved ?? {};
    if (!Array.isArray(steps) || !(arrays instanceof Map))
      throw new CheckpointError(
        `${who}: expected a state { steps, arrays } as stateDict() gives; got another thing`,
      );
    if (kind !== undefined && !this.continues.includes(kind)) {
      throw new CheckpointError(
        `${who}: expected the state of ${this.continues.join(" or ")}; got that of ${kind}`,
      );
    }
    const parameters = this.groups.flatMap((group) =>
      group.params.map((parameter) => ({ parameter, group })),
    );
    if (steps.length !== parameters.length) {
      throw new CheckpointError(
        `${who}: expected the state of ${parameters.length} parameters; got that of ${steps.length}`,
      );
    }
    const wrong = steps.find((step) => !Number.isSafeInteger(step) || step < 0);
    if (wrong !== undefined)
      throw new CheckpointError(`${who}: expected steps that are non-negative integers; got ${wrong}`);
    const own = parameters.map(() => new Map<string, Shape>());
    const problems: string[] = [];
    for (const [key, { shape }] of arrays) {
      const [, index, name] = /^(0|[1-9]\d*)\.(.+)$/.exec(key) ?? [];
      const shapes = own[Number(index)];
      if (shapes) shapes.set(name, shape);
      else problems.push(`unexpected ${key} (parameters are numbered from 0 to ${parameters.length - 1})`);
    }
    parameters.forEach(({ parameter, group }, i) => {
      const layouts = this.layouts(parameter, group) ?? [anyOf(own[i], parameter)];
      const isNew = steps[i] === 0 && own[i].size === 0;
      const found = layouts.map((layout) => (isNew ? [] : misfits(`${i}.`, own[i], layout)));
      problems.push(...found.reduce((a, b) => (b.length < a.length ? b : a)));
    });
    if (problems.length > 0) {
      const more = problems.length > 10 ? `; and ${problems.length - 10} more` : "";
      throw new CheckpointError(`${who}: the state does not fit: ${problems.slice(0, 10).join("; ")}${more}`);
    }
  }

  /** Continues from a saved state. @throws CheckpointError as `checkState`; nothing is changed then */
  loadStateDict(saved: OptimizerState): void {
    this.checkState(saved);
    this.restore(saved);
  }

  /** Takes over a state that `checkState` has let pass. */
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

/** Parameters as one group, or the groups. @throws ArgumentError on anything else */
function asGroups<Settings>(who: string, params: Params<Settings>): readonly Group<Settings>[] {
  const isIterable = (value: unknown): boolean =>
    typeof value === "object" && value !== null && Symbol.iterator in value;
  if (!isIterable(params)) {
    throw new ArgumentError(who, "a list of parameters (model.parameters()) or of groups { params: [...] }", {
      params: nameOf(params),
    });
  }
  const list: readonly unknown[] = [...params];
  const isGroup = (item: unknown): item is Group<Settings> =>
    typeof item === "object" && item !== null && "params" in item && isIterable(item.params);
  if (list.length > 0 && list.every(isGroup)) return list;
  const stranger = list.find((item) => !(item instanceof Tensor));
  if (stranger !== undefined)
    throw new ArgumentError(who, "parameters only, or groups { params: [...] } only", {
      "one is": nameOf(stranger),
    });
  return [{ params: list as readonly Parameter[] } as unknown as Group<Settings>];
}

const nameOf = (value: unknown): string =>
  (value as object | null | undefined)?.constructor?.name ?? String(value);

/** Without the settings that are `undefined`. */
const given = <T extends object>(settings: T): T =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;

/** @throws ArgumentError on a value of another type than the default's, a number that is negative or not finite */
function checkValues(who: string, group: object, defaults: object): void {
  for (const [name, usual] of Object.entries(defaults)) {
    const value = (group as Record<string, unknown>)[name];
    if (typeof usual === "boolean" && typeof value !== "boolean")
      throw new ArgumentError(who, `${name} true or false`, { [name]: value });
    const isNumber = typeof usual === "number" || name === "lr";
    if (isNumber && !(typeof value === "number" && value >= 0 && value < Infinity))
      throw new ArgumentError(who, `${name} ≥ 0`, { [name]: value });
  }
}

function checkParameters(who: string, groups: readonly (readonly Parameter[])[]): void {
  const all = groups.flat();
  const stranger = all.find((parameter) => !(parameter instanceof Tensor) || !parameter.isLeaf);
  if (stranger !== undefined)
    throw new ArgumentError(who, "parameters, not results of ops or anything else", {
      "one is": nameOf(stranger),
    });
  // What is written in place is the whole of a storage, from its start.
  const view = all.find(({ value }) => !value.isContiguous || value.storage.length !== value.size);
  if (view !== undefined)
    throw new ArgumentError(who, "parameters with memory of their own (parameter(x) makes one of x)", {
      "one is": `a view of shape [${view.shape.join(", ")}] into other memory`,
    });
  if (all.length === 0) throw new ArgumentError(who, "at least one parameter to train", { parameters: 0 });
  if (new Set(all).size !== all.length)
    throw new ArgumentError(who, "each parameter in one group", { groups: groups.length });
  if (!all.some((parameter) => parameter.requiresGrad)) {
    throw new ArgumentError(who, "a parameter that requires a gradient", { "frozen parameters": all.length });
  }
}

/** These names, each in the parameter's shape. */
const anyOf = (shapes: ReadonlyMap<string, Shape>, { shape }: Parameter): StateLayout =>
  Object.fromEntries(Array.from(shapes.keys(), (name) => [name, shape]));

/** What of the arrays given does not fit a layout, all of which must be there. */
function misfits(prefix: string, shapes: ReadonlyMap<string, Shape>, layout: StateLayout): string[] {
  const keyed = (entries: Iterable<readonly [string, Shape]>) =>
    new Map(Array.from(entries, ([name, shape]) => [prefix + name, { shape }]));
  const { missing, unexpected, misshapen } = findMismatch(keyed(Object.entries(layout)), keyed(shapes));
  return [
    ...missing.map((key) => `missing ${key}`),
    ...unexpected.map((key) => `unexpected ${key}`),
    ...misshapen,
  ];
}

/** The array of that name in a parameter's state, zeros of the parameter's shape at first. */
export function stateArray(state: ParameterState, name: string, parameter: Parameter): NDArray {
  return (state.arrays[name] ??= zeros(parameter.shape, "optimizer"));
}
