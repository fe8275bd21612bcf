/** @file The ranks of ΔW in words. */
import type { Update } from "./updates.ts";

/** The smallest and the largest rank of ΔW over the layers, "4" or "1 to 6". */
export function ranksIn(updates: readonly Update[]): string {
  const ranks = updates.map(({ rank }) => rank);
  return [...new Set([Math.min(...ranks), Math.max(...ranks)])].join(" to ");
}
