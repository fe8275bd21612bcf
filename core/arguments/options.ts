/** @file Checks of option names: a misspelt option is an error, never ignored in silence. */

import { ArgumentError } from "../errors.ts";
import { editDistance, nearest } from "./spelling.ts";

/**
 * Checks that every given option is known. Options that are `undefined` count as left out.
 *
 * @param who the function that was called, for the message
 * @param options what the caller gave
 * @param known the names of the options there are
 * @param elsewhere names that other libraries use, and the option (or the words) that say the same here:
 *   `{ lora_alpha: "alpha" }`
 * @throws ArgumentError naming the first unknown option and what was probably meant
 */
export function checkOptions(
  who: string,
  options: object,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  if (typeof options !== "object" || options === null)
    throw new ArgumentError(who, "its options as an object", { options });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    throw new ArgumentError(who, expected(name, known, elsewhere), { [name]: value });
  }
}

function expected(
  name: string,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): string {
  if (Object.hasOwn(elsewhere, name)) return `${elsewhere[name]} (there is no option ${name} here)`;
  const [near] = nearest(name, known);
  const isLikely = near !== undefined && editDistance(plain(name), plain(near)) <= 2;
  return isLikely
    ? `${near} (there is no option ${name} here)`
    : `options among ${known.join(", ")} (there is no option ${name} here)`;
}

/**
 * The names of the options of `T`, for `checkOptions`. The compiler checks that all are listed and no others:
 *
 *     const known = optionNames<LoraPlusOptions>({ lr: true, ratio: true, embeddingLr: true, weightDecay: true });
 */
export const optionNames = <T extends object>(names: { readonly [K in keyof T]-?: true }): string[] =>
  Object.keys(names);

/** Without case and underscores, so that weight_decay is weightDecay. */
const plain = (name: string): string => name.toLowerCase().replaceAll("_", "");
