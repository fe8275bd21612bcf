/** @file Kernels over a memory of a test's own. */

import { type Kernels, openDevice } from "lowrank/core";
import { currentArena, setArena } from "../../../core/array/storage.ts";
import { arenaOf, kernelsOf } from "../../../core/cpu/index.ts";
import type { Machine } from "../../../core/cpu/machine.ts";

/** Runs `fn` with a machine's kernels, and its arena for the temporaries of scopes inside. */
export function withMachine(machine: Machine, fn: (kernels: Kernels) => void): void {
  openDevice("cpu");
  const before = currentArena();
  setArena(arenaOf(machine));
  try {
    fn(kernelsOf(machine) as Kernels);
  } finally {
    setArena(before);
  }
}
