/** @file Parameter groups, each with its own settings, and the checks of what an optimizer is given. */

import { type Parameter, Tensor } from "../../autograd/index.ts";
import { ArgumentError, checkOptions } from "../../core/index.ts";

/** Parameters that share settings. A setting that is left out is the optimizer's. */
export type Group<Settings> = Partial<Settings> & {
  readonly params: Iterable<Parameter>;
  readonly name?: string;
};

/** The parameters of an optimizer, or groups of them. */
export type Params<Settings> = Iterable<Parameter> | readonly Group<Settings>[];

/** A group with all its settings. */
export type FullGroup<Settings> = Settings & {
  readonly params: readonly Parameter[];
  readonly name?: string;
};

/** Names that PyTorch and bitsandbytes give the settings, and the names here. */
export const optimizerSpellings: Readonly<Record<string, string>> = {
  learning_rate: "lr",
  learningRate: "lr",
  beta1: "betas: [beta1, beta2]",
  beta2: "betas: [beta1, beta2]",
  epsilon: "eps",
  parameters: "params",
};

/**
 * The groups of `params`, each with every setting: its own, else one of `settings`, else the default.
 * @param who the optimizer, for messages
 * @throws ArgumentError when there is nothing to train, a parameter is in two groups, or a setting is unknown or out of
 *   range
 */
export function fullGroups<Settings extends object>(
  who: string,
  params: Params<Settings>,
  defaults: Settings,
  settings: Partial<Settings>,
): FullGroup<Settings>[] {
  const known = Object.keys(defaults);
  checkOptions(who, settings, known, optimizerSpellings);
  const groups = asGroups(who, params);
  for (const group of groups) checkOptions(who, group, ["params", "name", ...known], optimizerSpellings);
  const full = groups.map((group) => ({
    ...defaults,
    ...given(settings),
    ...given(group),
    params: [...group.params],
  }));
  for (const group of full) checkValues(who, group, defaults);
  checkParameters(
    who,
    full.map((group) => group.params),
  );
  return full;
}

/** A group as it was given; its settings are checked by name later. */
interface GivenGroup {
  readonly params: Iterable<Parameter>;
  readonly name?: string;
}

/** Parameters as one group, or the groups. @throws ArgumentError on anything else */
function asGroups(who: string, params: Iterable<unknown>): readonly GivenGroup[] {
  const isIterable = (value: unknown): boolean =>
    typeof value === "object" && value !== null && Symbol.iterator in value;
  if (!isIterable(params)) {
    throw new ArgumentError(who, "a list of parameters (model.parameters()) or of groups { params: [...] }", {
      params: nameOf(params),
    });
  }
  const list = [...params];
  const isGroup = (item: unknown): item is GivenGroup =>
    typeof item === "object" && item !== null && "params" in item && isIterable(item.params);
  if (list.length > 0 && list.every(isGroup)) return list;
  const stranger = list.find((item) => !(item instanceof Tensor));
  if (stranger !== undefined)
    throw new ArgumentError(who, "parameters only, or groups { params: [...] } only", {
      "one is": nameOf(stranger),
    });
  return [{ params: list as Parameter[] }];
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

/** @throws ArgumentError unless the parameters can be updated in place, each is in one group, and one can train */
function checkParameters(who: string, groups: readonly (readonly Parameter[])[]): void {
  const all = groups.flat();
  const stranger = all.find((parameter) => !(parameter instanceof Tensor) || !parameter.isLeaf);
  if (stranger !== undefined)
    throw new ArgumentError(who, "parameters, not results of ops or anything else", {
      "one is": nameOf(stranger),
    });
  // A step overwrites the whole of a parameter's storage, from its start.
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
