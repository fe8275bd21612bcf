/** @file What a folder holds instead of a file that is missing from it, for messages. */

import { exists, list } from "#disk";

/** Names of files that PyTorch writes as pickles, which hold code and which this library does not read. */
export const pickles = /\.(bin|pt|pth|ckpt)(\.index\.json)?$/;

/**
 * The end of the message "no FILE…": the file that is there instead and what to do with it, else what the folder holds.
 * @param advice patterns of names of files, and what the message says after such a name; the first that fits one counts
 */
export function insteadOf(folder: string, advice: readonly (readonly [RegExp, string])[]): string {
  const files = exists(folder) ? list(folder) : [];
  for (const [pattern, words] of advice) {
    const found = files.find((name) => pattern.test(name));
    if (found !== undefined) return `, but ${found}${words}`;
  }
  return files.length > 0
    ? `; the folder holds ${files.slice(0, 8).join(", ")}`
    : "; there is no such folder, or it is empty";
}
