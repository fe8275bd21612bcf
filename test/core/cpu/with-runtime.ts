/** @file Runs a test with the kernels of a WasmRuntime of its own. */

import { type Kernels, openDevice } from "lowrank/core";
import { setArena } from "../../../core/array/storage.ts";
import { arenaOf, kernelsOf } from "../../../core/cpu/index.ts";
import type { WasmRuntime } from "../../../core/cpu/wasm-runtime.ts";

/** Runs `fn` with a runtime's kernels, and its arena for the temporaries of scopes inside. */
export function withRuntime(runtime: WasmRuntime, fn: (kernels: Kernels) => void): void {
  openDevice("cpu");
  const before = setArena(arenaOf(runtime));
  try {
    fn(kernelsOf(runtime) as Kernels);
  } finally {
    setArena(before);
  }
}
