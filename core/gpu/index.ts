/**
 * @file The `gpu` devices: products through gpu.js kernels, with numbers or with 4-bit codes; operands and products
 * resident on the device.
 */

import { openSession } from "#gpu";
import { NDArray } from "../array/ndarray.ts";
import type { Device } from "../device/device.ts";
import type { Codes } from "../device/kernels.ts";
import { DeviceError } from "../errors.ts";
import { DeviceMemory, defaultBudget } from "./memory.ts";
import { packMatrix, planDequantizeProduct } from "./packed-matrix.ts";
import { planProduct } from "./plan.ts";
import { type GpuMode, SessionError, type Statistics, type SyncSession } from "./sync-session.ts";

export type { GpuMode } from "./sync-session.ts";

/** A gpu device, with what tests and the curious ask of it. */
export interface GpuDevice extends Device {
  /** Uploads, products and downloads so far, and arrays on the device now. */
  statistics(): Statistics;
  close(): void;
}

/** @throws DeviceError when the mode does not work here, with the reason */
export function openGpu(mode: GpuMode): GpuDevice {
  return gpuDevice(mode, () => openSession(mode));
}

/** True for an error of `openGpu` which says that the mode has no adapter here, and not that an adapter failed. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof DeviceError && error.cause instanceof SessionError && error.cause.fault === "absent";

/** The device over the sessions that `open` gives: one, and another each time that the device is lost. */
export function gpuDevice(mode: GpuMode, open: () => SyncSession, budget?: number): GpuDevice {
  const name = `gpu:${mode}` as const;
  let [session, memory] = start();

  function start(): [SyncSession, DeviceMemory] {
    try {
      const opened = open();
      return [opened, new DeviceMemory(name, opened, budget ?? defaultBudget(opened.adapter.software))];
    } catch (error) {
      throw new DeviceError(`${name}: ${(error as Error).message}`, { cause: error });
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
