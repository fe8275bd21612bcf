/** @file The `cpu` device: WebAssembly SIMD kernels (core/cpu/assembly), threads over shared memory. */

import { type Arena, setArena } from "../array/storage.ts";
import type { Device, DeviceKernels } from "../device/device.ts";
import { dequantizeThenMultiply } from "../device/reference.ts";
import { adam } from "./adam.ts";
import { dequantize } from "./dequantize.ts";
import { binary, gather, unary } from "./elementwise.ts";
import { Machine } from "./machine.ts";
import { matmul } from "./matmul.ts";
import { normalize, normalizeGrad, reduce, softmax, softmaxGrad } from "./rows.ts";

let machine: Machine | null = null;

/** @throws DeviceError where WebAssembly with SIMD does not work */
export function openCpu(): Device {
  machine ??= new Machine();
  setArena(arenaOf(machine));
  return {
    name: "cpu",
    adapter: `WebAssembly SIMD, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}`,
    software: false,
    kernels: kernelsOf(machine),
  };
}

/** Threads that take part in the cpu device's kernels from now on. Results do not depend on it. */
export function setThreads(count: number): void {
  machine ??= new Machine();
  machine.setThreads(count);
}

/** Workers that are up. They start with the first job that is worth them, and take a moment. */
export function startedWorkers(): number {
  return machine?.startedWorkers ?? 0;
}

/** Bytes of the arena that temporaries take now, and the most they ever took. */
export function arenaUse(): { readonly taken: number; readonly peak: number } {
  const { taken = 0, peak = 0 } = machine?.memory.arena ?? {};
  return { taken, peak };
}

/** The arena that lies in that machine's memory. */
export function arenaOf(machine: Machine): Arena {
  const { memory } = machine;
  return {
    allocate: (length) => memory.allocate(length),
    free: (address) => memory.free(address),
    gather: (from, shape, strides, to) => gather(machine, from, shape, strides, to),
  };
}

/** The kernels over that machine's memory. */
export function kernelsOf(machine: Machine): DeviceKernels {
  const own = {
    matmul: (a, b) => matmul(machine, a, b),
    dequantize: (from) => dequantize(machine, from),
  } satisfies DeviceKernels;
  return {
    ...own,
    dequantizeMatmul: dequantizeThenMultiply(own),
    unary: (name, x) => unary(machine, name, x),
    binary: (name, a, b, shape) => binary(machine, name, a, b, shape),
    reduce: (name, x, outer, n, inner, shape) => reduce(machine, name, x, outer, n, inner, shape),
    softmax: (x, log) => softmax(machine, x, log, 1),
    causalSoftmax: (x, queries) => softmax(machine, x, false, queries),
    softmaxGrad: (y, dY) => softmaxGrad(machine, y, dY),
    normalize: (x, eps, centre) => normalize(machine, x, eps, centre),
    normalizeGrad: (xHat, r, dXHat, centre) => normalizeGrad(machine, xHat, r, dXHat, centre),
    adam: (parameter, gradient, m, v, step) => adam(machine, parameter, gradient, m, v, step),
  };
}
