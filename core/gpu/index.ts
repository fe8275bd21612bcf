/**
 * @file The `gpu` devices: products on the GPU through gpu.js, with matrices of numbers or of 4-bit codes. Operands and
 * products stay on the device, so a chain of products needs no transfers.
 *
 *     index.ts       A, B ↦ A B: the device's kernels
 *       ↓
 *     plan.ts, packed-matrix.ts     shapes and strides become a plan: which kernel, how many threads, which arguments
 *     limits.ts                       what each mode of gpu.js can address
 *       ↓
 *     memory.ts, resident.ts        which arrays are on the device, and which leave it when it is full
 *       ↓
 *     sync-session.ts               a session: upload, multiply, download, free, by the numbers of arrays
 *       ↓                ↓
 *     session.ts       webgpu/      WebGPU answers asynchronously: another thread has the session, and the caller
 *       ↓                             blocks until it answers
 *     kernels.ts, gpu-js.ts         the kernels' sources, and gpu.js
 */

import * as platform from "#gpu";
import { NDArray } from "../array/ndarray.ts";
import type { Device } from "../device/device.ts";
import type { Codes } from "../device/kernels.ts";
import { DeviceError } from "../errors.ts";
import { DeviceMemory, defaultBudget } from "./memory.ts";
import { packMatrix, planDequantizeProduct } from "./packed-matrix.ts";
import { planProduct } from "./plan.ts";
import {
  type Fault,
  type GpuMode,
  type LoadGpuOptions,
  SessionError,
  type Statistics,
  type SyncSession,
} from "./sync-session.ts";

export type { GpuMode, LoadGpuOptions } from "./sync-session.ts";

/** A gpu device, with figures about its work and a way to close it. */
export interface GpuDevice extends Device {
  /** How many uploads, products and downloads there have been, and how many arrays are on the device now. */
  statistics(): Statistics;
  /** Frees everything on the device. */
  close(): void;
}

/** Opens the device of a mode of gpu.js. @throws DeviceError when the mode does not work here, with the reason */
export function openGpu(mode: GpuMode): GpuDevice {
  return gpuDevice(mode, () => platform.openSession(mode));
}

/**
 * Loads gpu.js, the optional package that the gpu devices compute with. In a browser this is awaited before a gpu device
 * is opened, or `auto` has its first large product: `setDevice` answers at once, and a page fetches gpu.js only here,
 * since bundlers put it into a file of its own. In Node, where gpu.js is loaded with the first gpu device, and WebGPU has
 * a worker of its own, it need not be called.
 *
 * A `worker` that cannot be had, in a page that is not isolated, say, is no error here: the reason is that of
 * `setDevice("gpu:webgpu")`, and `gpu` is then WebGL2.
 *
 * @example
 * await loadGpu();
 * setDevice("gpu");
 * @example
 * // in a worker; gpu-worker.ts is one line: serveWebGpu();
 * await loadGpu({ worker: () => new Worker(new URL("./gpu-worker.ts", import.meta.url), { type: "module" }) });
 * setDevice("gpu:webgpu");
 * @throws DeviceError when gpu.js is not installed or does not load
 */
export async function loadGpu(options: LoadGpuOptions = {}): Promise<void> {
  try {
    await platform.loadLibrary(options);
  } catch (error) {
    throw deviceError("loadGpu", error);
  }
}

/**
 * The program of the worker that `loadGpu` starts for WebGPU in a browser: answers until the worker ends.
 *
 * @throws DeviceError in Node, which has no need of it
 */
export function serveWebGpu(): void {
  try {
    platform.serveWebGpu();
  } catch (error) {
    throw deviceError("serveWebGpu", error);
  }
}

/** The error of a device, or of the function `who`, with the reason that a session gave. */
export function deviceError(who: string, cause: unknown): DeviceError {
  const advice = cause instanceof SessionError ? cause.advice : "";
  return new DeviceError(`${who}: ${(cause as Error).message}${advice}`, { cause });
}

/** True for an error of `openGpu` which says that a package is not installed, or in a browser not loaded. */
export const isMissing = (error: unknown): boolean => hasFault(error, "missing");

/** True for one which says that the mode is missing or has no adapter here, and not that an adapter failed. */
export const isAbsent = (error: unknown): boolean => isMissing(error) || hasFault(error, "absent");

const hasFault = (error: unknown, fault: Fault): boolean =>
  error instanceof DeviceError && error.cause instanceof SessionError && error.cause.fault === fault;

/**
 * The device over the sessions of `open`, which is called now, and again by the first product after the device was
 * lost.
 * @param budget bytes kept on the device. Defaults to `defaultBudget`.
 */
export function gpuDevice(mode: GpuMode, open: () => SyncSession, budget?: number): GpuDevice {
  const name = `gpu:${mode}` as const;
  let [session, memory] = start();

  function start(): [SyncSession, DeviceMemory] {
    try {
      const opened = open();
      return [opened, new DeviceMemory(name, opened, budget ?? defaultBudget(opened.adapter.software))];
    } catch (error) {
      throw deviceError(name, error);
    }
  }

  function matmul(A: NDArray, B: NDArray): NDArray {
    if (!memory.alive) [session, memory] = start();
    const { plan, a, b } = planProduct(name, A, B, session.limits);
    const shape = [...A.shape.slice(0, -1), B.shape[B.rank - 1]];
    return new NDArray(memory.multiply(plan, a.storage, b.storage), shape); // [...p, n, m]
  }

  function dequantizeMatmul(A: NDArray, W: Codes, transposed: boolean): NDArray {
    if (!memory.alive) [session, memory] = start();
    const plan = planDequantizeProduct(name, A, W, transposed, session.limits);
    const packed = { of: W, make: () => packMatrix(W) };
    return new NDArray(memory.multiply(plan, A.storage, packed), [A.shape[0], plan.output[0]]); // [n, m]
  }

  return {
    name,
    adapter: session.adapter.name,
    software: session.adapter.software,
    kernels: { matmul, dequantizeMatmul },
    statistics: () => session.statistics(),
    close: () => session.close(),
  };
}
