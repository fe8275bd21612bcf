/** @file The methods that `inject` knows. A paper joins by one line here. */

import type { Random } from "../core/index.ts";
import { AdapterError, checkOptions, nearest, optionNames } from "../core/index.ts";
import type { Target } from "../nn/index.ts";
import { AdaLoRA } from "./adalora/adalora.ts";
import { DoRA } from "./dora.ts";
import { LoRA } from "./lora.ts";
import { LoraFA } from "./lora-fa.ts";
import { LoraConv } from "./loralib/conv.ts";
import { MergedLinear } from "./loralib/merged-linear.ts";
import type { Adapter } from "./model/adapter.ts";
import { elsewhere } from "./model/elsewhere.ts";
import type { WeightView } from "./model/weight-view.ts";

export const methods = {
  lora: LoRA,
  dora: DoRA,
  adalora: AdaLoRA,
  "lora-fa": LoraFA,
  "merged-linear": MergedLinear,
  "lora-conv": LoraConv,
} as const satisfies Record<string, new (site: WeightView, options: never) => Adapter>;

export type Method = keyof typeof methods;

/** Which layers get an adapter, and what trains besides. */
export interface Placement {
  /** Names, regular expressions or "all-linear"; see target.ts. */
  readonly target: Target;
  readonly exclude?: Target;
  /** Numbers of the blocks to stay within. */
  readonly layers?: readonly number[];
  /** Other ranks for some layers, by the end of their names. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Other alphas for some layers, by the end of their names. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Biases that train besides, as the adapter's own copies: none, all, or those of the adapted layers. */
  readonly bias?: "none" | "all" | "lora-only";
  /** Modules, or containers of modules, of which the adapter trains a copy of its own in full, such as a head. */
  readonly modulesToSave?: Target;
  /** Fixes the first values and dropout. Drawn from the library's generator (`manualSeed`) unless given. */
  readonly seed?: number;
}

/** What the constructor of a method's adapter takes, less what `inject` supplies. */
export type MethodOptions<M extends Method = Method> = {
  [K in M]: Omit<ConstructorParameters<(typeof methods)[K]>[1], "rng">;
}[M];

/** Names of the options of one method or another. */
type OptionName = { [M in Method]: keyof MethodOptions<M> }[Method];

/** The options of one method; those of the others alone are none of its. */
type OptionsOf<M extends Method> = MethodOptions<M> & {
  readonly [K in Exclude<OptionName, keyof MethodOptions<M>>]?: undefined;
};

/** The configuration of an adapter: its method ("lora" unless given), that method's options, where it goes. */
export type AdapterConfig = {
  [M in Method]: Placement & OptionsOf<M> & (M extends "lora" ? { method?: M } : { method: M });
}[Method];

const placement = optionNames<Placement>({
  target: true,
  exclude: true,
  layers: true,
  rankPattern: true,
  alphaPattern: true,
  bias: true,
  modulesToSave: true,
  seed: true,
});

type AnyAdapter = (new (
  site: WeightView,
  options: Record<string, unknown> & { rng: Random },
) => Adapter) & {
  readonly options?: readonly string[];
};

/**
 * Checks that every name in an adapter's configuration is an option, and of its method.
 * @throws ArgumentError naming the option that was probably meant, or the methods whose option it is; AdapterError when
 *   there is no such method
 */
export function checkConfig(
  who: string,
  config: AdapterConfig,
  others: Readonly<Record<string, string>>,
): void {
  if (typeof config !== "object" || config === null)
    throw new AdapterError(`${who}: expected a configuration { rank, target, … }; got ${config}`);
  const { method = "lora" } = config;
  const { options } = adapterClass(method);
  if (!options) return;
  const known = ["method", ...placement, ...options];
  if (Object.keys(config).every((name) => known.includes(name))) return;
  const ofOthers = Object.keys(methods).flatMap((other) =>
    (adapterClass(other).options ?? []).map((option) => [option, whose(option)]),
  );
  checkOptions(`${who} (method ${method})`, config, known, {
    ...elsewhere,
    ...Object.fromEntries(ofOthers),
    ...others,
  });
}

/** Says of which methods an option is. */
function whose(option: string): string {
  const owners = Object.keys(methods).filter((method) => adapterClass(method).options?.includes(option));
  return `method: ${owners.map((method) => JSON.stringify(method)).join(" or ")}, whose option that is`;
}

/** The class of a method. @throws AdapterError when there is none of that name */
export function adapterClass(method: string): AnyAdapter {
  if (!Object.hasOwn(methods, method)) {
    const known = nearest(method, Object.keys(methods)).join(", ");
    throw new AdapterError(`method: expected one of ${known}; got ${JSON.stringify(method)}`);
  }
  return methods[method as Method] as unknown as AnyAdapter;
}
