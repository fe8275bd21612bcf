/** @file The `cpu` device: WebAssembly SIMD kernels (core/cpu/assembly), threads over shared memory. */

import { type Arena, setArena } from "../array/storage.ts";
import type { Device, DeviceKernels } from "../device/device.ts";
import { dequantizeThenMultiply } from "../device/reference.ts";
import { adam } from "./adam.ts";
import { dequantize } from "./dequantize.ts";
import { binary, gather, unary } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { normalize, normalizeGrad, reduce, softmax, softmaxGrad } from "./rows.ts";
import { WasmRuntime } from "./wasm-runtime.ts";

let runtime: WasmRuntime | null = null;

/** @throws DeviceError where WebAssembly with SIMD does not work */
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

/** Threads that take part in the cpu device's kernels from now on. Results do not depend on it. */
export function setThreads(count: number): void {
  runtime ??= new WasmRuntime();
  runtime.setThreads(count);
}

/** Workers that are up. They start with the first job that is worth them, and take a moment. */
export function startedWorkers(): number {
  return runtime?.startedWorkers ?? 0;
}

/** Bytes of the arena that temporaries take now, and the most they ever took. */
export function arenaUse(): { readonly taken: number; readonly peak: number } {
  const { taken = 0, peak = 0 } = runtime?.memory.arena ?? {};
  return { taken, peak };
}

/** The arena that lies in that runtime's memory. */
export function arenaOf(runtime: WasmRuntime): Arena {
  const { memory } = runtime;
  return {
    allocate: (length) => memory.allocate(length),
    free: (address) => memory.free(address),
    gather: (from, shape, strides, to) => gather(runtime, from, shape, strides, to),
  };
}

/** The kernels over that runtime's memory. */
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
