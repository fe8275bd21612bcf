/**
 * @file The `cpu` device: WebAssembly SIMD kernels, run by several threads over one shared memory.
 *
 *     matmul.ts  elementwise.ts  rows.ts     choose blocks and chunks, and cut what does not fit into the window
 *     dequantize.ts  adam.ts                   ↓
 *     operands.ts                            gives each array an address in the memory      memory.ts  allocator.ts
 *                                              ↓
 *     wasm-runtime.ts                        writes the arguments on the job board          platform.ts (threads)
 *                                              ↓
 *     assembly/board.ts                      the threads take chunks until none is left
 *                                              ↓
 *     assembly/matmul.ts  rows.ts  …         compute a chunk
 *
 * Temporaries that are made inside a `scope` lie in the arena, a part of the WebAssembly memory, where kernels reach
 * them without a copy. Other arrays, such as parameters, are copied into the window of that memory for a call, and
 * results back. `npm run build:wasm` compiles assembly/ into generated/.
 */

import { type Arena, setArena } from "../array/storage.ts";
import type { Device, DeviceKernels } from "../device/device.ts";
import { dequantizeThenMultiply } from "../device/reference.ts";
import { adam } from "./adam.ts";
import { dequantize } from "./dequantize.ts";
import { binary, gather, unary } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { normalize, normalizeGrad, reduce, softmax, softmaxGrad } from "./rows.ts";
import { WasmRuntime } from "./wasm-runtime.ts";

export { NoWebAssembly } from "./wasm-runtime.ts";

let runtime: WasmRuntime | null = null;

/**
 * Opens the device. From then on temporaries inside a `scope` are taken from its arena.
 * @throws NoWebAssembly where WebAssembly with SIMD does not work; DeviceError when its memory is not granted
 */
export function openCpu(): Device {
  runtime ??= new WasmRuntime();
  setArena(arenaOf(runtime));
  return {
    name: "cpu",
    adapter: `WebAssembly SIMD, ${runtime.threads} thread${runtime.threads === 1 ? "" : "s"}`,
    software: false,
    kernels: kernelsOf(runtime),
  };
}

/** Sets how many threads take part in the cpu device's kernels. Results do not depend on it, to the last bit. */
export function setThreads(count: number): void {
  runtime ??= new WasmRuntime();
  runtime.setThreads(count);
}

/** How many workers are running. They are started by the first job that is worth it, and take a moment to come up. */
export function startedWorkers(): number {
  return runtime?.startedWorkers ?? 0;
}

/** Bytes of the arena that temporaries occupy now, and the most that they ever occupied. */
export function arenaUse(): { readonly taken: number; readonly peak: number } {
  const { taken = 0, peak = 0 } = runtime?.memory.arena ?? {};
  return { taken, peak };
}

/** The arena in that runtime's memory. */
export function arenaOf(runtime: WasmRuntime): Arena {
  const { memory } = runtime;
  return {
    allocate: (length) => memory.allocate(length),
    free: (address) => memory.free(address),
    gather: (from, shape, strides, to) => gather(runtime, from, shape, strides, to),
  };
}

/** The kernels of that runtime, as core/device/kernels.ts specifies them. */
export function kernelsOf(runtime: WasmRuntime): DeviceKernels {
  const own = {
    matmul: (a, b) => matmul(runtime, a, b),
    dequantize: (from) => dequantize(runtime, from),
  } satisfies DeviceKernels;
  return {
    ...own,
    dequantizeMatmul: dequantizeThenMultiply(own),
    unary: (name, x) => unary(runtime, name, x),
    binary: (name, a, b, shape) => binary(runtime, name, a, b, shape),
    reduce: (name, x, outer, n, inner, shape) => reduce(runtime, name, x, outer, n, inner, shape),
    softmax: (x, log) => softmax(runtime, x, log, 1),
    causalSoftmax: (x, queries) => softmax(runtime, x, false, queries),
    softmaxGrad: (y, dY) => softmaxGrad(runtime, y, dY),
    normalize: (x, eps, centre) => normalize(runtime, x, eps, centre),
    normalizeGrad: (xHat, r, dXHat, centre) => normalizeGrad(runtime, xHat, r, dXHat, centre),
    adam: (parameter, gradient, m, v, step) => adam(runtime, parameter, gradient, m, v, step),
  };
}
