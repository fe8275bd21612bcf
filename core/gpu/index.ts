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
 *     session.ts       webgpu/      in Node WebGPU answers asynchronously: a worker thread has the session, and the
 *       ↓                             caller blocks until it answers
 *     kernels.ts, gpu-js.ts         the kernels' sources, and gpu.js
 */

import { loadLibrary, openSession } from "#gpu";
import { NDArray } from "../array/ndarray.ts";
import type { Device } from "../device/device.ts";
import type { Codes } from "../device/kernels.ts";
import { DeviceError } from "../errors.ts";
import { DeviceMemory, defaultBudget } from "./memory.ts";
import { packMatrix, planDequantizeProduct } from "./packed-matrix.ts";
import { planProduct } from "./plan.ts";
import { type Fault, type GpuMode, SessionError, type Statistics, type SyncSession } from "./sync-session.ts";

export type { GpuMode } from "./sync-session.ts";

/** A gpu device, with figures about its work and a way to close it. */
export interface GpuDevice extends Device {
  /** How many uploads, products and downloads there have been, and how many arrays are on the device now. */
  statistics(): Statistics;
  /** Frees everything on the device. */
  close(): void;
}

/** Opens the device of a mode of gpu.js. @throws DeviceError when the mode does not work here, with the reason */
export function openGpu(mode: GpuMode): GpuDevice {
  return gpuDevice(mode, () => openSession(mode));
}

/**
 * Loads gpu.js, the optional package that the gpu devices compute with. In a browser this is awaited before a gpu device
 * is opened, or `auto` has its first large product: `setDevice` answers at once, and a page fetches gpu.js only here,
 * since bundlers put it into a file of its own. In Node, where gpu.js is loaded with the first gpu device, it need not be
 * called.
 *
 * @example
 * await loadGpu();
 * setDevice("gpu");
 * @throws DeviceError when gpu.js is not installed or does not load
 */
export async function loadGpu(): Promise<void> {
  try {
    await loadLibrary();
  } catch (error) {
    throw deviceError("loadGpu", error);
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
