/** @file The names in an adapter's configuration, checked: a misspelt option is an error that names the right one. */

import { AdapterError, checkOptions, optionNames } from "../../core/index.ts";
import { type AdapterConfig, methodOf, methods } from "../methods.ts";
import { elsewhere } from "./elsewhere.ts";
import type { Placement } from "./method.ts";

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

/**
 * Checks that every name in an adapter's configuration is an option, and one of its method.
 * @param others names that mean something else to the calling function, as in `checkOptions`
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
  const { name, adapter } = methodOf(config.method);
  if (!adapter.options) return;
  const known = ["method", ...placement, ...adapter.options];
  if (Object.keys(config).every((option) => known.includes(option))) return;
  const ofOthers = Object.values(methods).flatMap((other) =>
    (other.adapter.options ?? []).map((option) => [option, owners(option)]),
  );
  checkOptions(`${who} (method ${name})`, config, known, {
    ...elsewhere,
    ...Object.fromEntries(ofOthers),
    ...others,
  });
}

/** Names the methods that have an option. */
function owners(option: string): string {
  const having = Object.values(methods).filter(({ adapter }) => adapter.options?.includes(option));
  return `method: ${having.map(({ name }) => JSON.stringify(name)).join(" or ")}, whose option that is`;
}
