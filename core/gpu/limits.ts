/** @file What each mode of gpu.js can address, and the error for a product that is larger. */

import { sizeOf } from "../array/shape.ts";
import { DeviceError } from "../errors.ts";
import { EXACT } from "./kernels.ts";
import type { GpuMode } from "./sync-session.ts";

/** Threads of a kernel along its three axes. */
export type Threads = readonly [x: number, y: number, z: number];

/** What a mode can address. */
export interface Limits {
  /** Most threads along x, y and z. */
  readonly threads: Threads;
  /** Longest array, and longest inner axis. */
  readonly length: number;
  readonly inner: number;
  /** A result that is one plane becomes a texture of exactly its shape; a stack of lines is folded to any shape. */
  readonly foldsPlanes: boolean;
}

/** Most threads along z, so that z / middle, with its ½, is sure to fall between the right integers. */
const BATCHES = 2 ** 20;

/** @param device what WebGPU says of its device */
export function limitsOf(mode: GpuMode, device?: GPUSupportedLimits): Limits {
  const int32 = 2 ** 31 - 1;
  switch (mode) {
    case "webgpu": {
      const groups = device?.maxComputeWorkgroupsPerDimension ?? 65535; // gpu.js's are 8 x 8 x 1
      const bytes = Math.min(
        device?.maxStorageBufferBindingSize ?? 2 ** 27,
        device?.maxBufferSize ?? 2 ** 28,
      );
      const length = Math.min(int32, Math.floor(bytes / 4));
      return { threads: [groups * 8, groups * 8, groups], length, inner: length, foldsPlanes: true };
    }
    case "webgl2":
      return { threads: [int32, int32, BATCHES], length: int32, inner: int32, foldsPlanes: false };
    case "headlessgl": // integers are promised 24 bits only, before GLSL ES 3.0
      return { threads: [EXACT, EXACT, BATCHES], length: EXACT, inner: EXACT, foldsPlanes: false };
    case "webasm": // positions in bytes are int32s; loop counters are floats
      return { threads: [int32, int32, BATCHES], length: 2 ** 29, inner: EXACT, foldsPlanes: true };
    case "cpu":
      return { threads: [int32, int32, BATCHES], length: int32, inner: int32, foldsPlanes: true };
  }
}

/** True when results, operands of these lengths and sums of this length can be addressed. */
export function isWithin(
  limits: Limits,
  output: Threads,
  lengths: readonly number[],
  inner: number,
): boolean {
  const fits = output.every((count, axis) => count <= limits.threads[axis]);
  return fits && Math.max(...lengths, sizeOf(output)) <= limits.length && inner <= limits.inner;
}

/** A product beyond what a device can address, refused before anything is done. */
export class TooLarge extends DeviceError {
  override readonly name = "DeviceError";
}

export const tooLarge = (name: string, limits: Limits, operands: string): TooLarge =>
  new TooLarge(
    `${name}: matmul of ${operands} is larger than this device can address ` +
      `(results up to ${limits.threads.join(" x ")}, arrays up to ${limits.length} values); use "cpu"`,
  );
