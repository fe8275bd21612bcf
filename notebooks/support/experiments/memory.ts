/** @file The memory of one run: its own bytes at the peak of training, and their release at the end. */
import { type Bytes, categories, measureMemory, type NDArray } from "lowrank/core";
import type { Module, Optimizer } from "lowrank/nn";
import { sum } from "./statistics.ts";

export interface OwnMemory {
  /** Peak bytes by category. */
  readonly memory: Readonly<Bytes>;
  /** Highest point of the sum over all categories. */
  readonly peak: number;
}

/**
 * Runs `fn` and returns its peak memory without the arrays of other runs.
 *
 * @param others `liveBytes()` from before the run made its model. Temporaries and saved arrays of other runs are gone
 *   when this one trains, so these two categories count in full.
 */
export function measureOwn(others: Readonly<Bytes>, fn: () => void): OwnMemory {
  const { peak, peakTotal } = measureMemory(fn);
  const foreign = (category: keyof Bytes): number =>
    category === "workspace" || category === "saved" ? 0 : others[category];
  return {
    memory: Object.fromEntries(
      categories.map((category) => [category, peak[category] - foreign(category)]),
    ) as Bytes,
    peak: peakTotal - sum(categories.map(foreign)),
  };
}

/**
 * Releases the arrays of a model and of its optimizer at once. Otherwise the memory meter counts them until they are
 * garbage-collected.
 */
export function release(
  module: Module,
  optimizer: Optimizer<{ lr: number }>,
  more: readonly NDArray[] = [],
): void {
  const states = optimizer.parameters().flatMap((one) => Object.values(optimizer.state(one).arrays));
  for (const { storage } of [...states, ...more]) storage.release();
  for (const storage of module.storages()) storage.release();
}
