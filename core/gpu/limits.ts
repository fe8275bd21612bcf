/** @file Limits: the largest products that each mode of gpu.js can address, and the error for larger ones. */

import { sizeOf } from "../array/shape.ts";
import { DeviceError } from "../errors.ts";
import { EXACT } from "./kernels.ts";
import type { GpuMode } from "./sync-session.ts";

/** The number of threads of a kernel along its three axes. */
export type Threads = readonly [x: number, y: number, z: number];

/** The largest product that a mode can address. */
export interface Limits {
  /** The most threads along x, y and z. */
  readonly threads: Threads;
  /** The longest array, and the longest inner axis. */
  readonly length: number;
  readonly inner: number;
  /**
   * False when gpu.js makes a result of one plane a texture of exactly that shape, whose sides are limited. It folds
   * a stack of lines into a texture of any shape.
   */
  readonly foldsPlanes: boolean;
}

/** The most threads along z for which (z + ½) / middle, rounded to float32, lies between the right integers. */
const BATCHES = 2 ** 20;

/** What is asked of WebGPU's limits. (Its own type would make users' compilers look for WebGPU's declarations.) */
type DeviceLimits = Readonly<
  Record<"maxComputeWorkgroupsPerDimension" | "maxStorageBufferBindingSize" | "maxBufferSize", number>
>;

/** The limits of a mode. `device` has the limits of the WebGPU device. */
export function limitsOf(mode: GpuMode, device?: DeviceLimits): Limits {
  const int32 = 2 ** 31 - 1;
  switch (mode) {
    case "webgpu": {
      const groups = device?.maxComputeWorkgroupsPerDimension ?? 65535; // gpu.js's workgroups are 8 x 8 x 1
      const bytes = Math.min(
        device?.maxStorageBufferBindingSize ?? 2 ** 27,
        device?.maxBufferSize ?? 2 ** 28,
      );
      const length = Math.min(int32, Math.floor(bytes / 4));
      return { threads: [groups * 8, groups * 8, groups], length, inner: length, foldsPlanes: true };
    }
    case "webgl2":
      return { threads: [int32, int32, BATCHES], length: int32, inner: int32, foldsPlanes: false };
    case "headlessgl": // before GLSL ES 3.0 integers have 24 bits
      return { threads: [EXACT, EXACT, BATCHES], length: EXACT, inner: EXACT, foldsPlanes: false };
    case "webasm": // positions in bytes are int32s; loop counters are floats
      return { threads: [int32, int32, BATCHES], length: 2 ** 29, inner: EXACT, foldsPlanes: true };
    case "cpu":
      return { threads: [int32, int32, BATCHES], length: int32, inner: int32, foldsPlanes: true };
  }
}

/** True when the result, operands of these lengths and sums of `inner` terms can be addressed. */
export function isWithin(
  limits: Limits,
  output: Threads,
  lengths: readonly number[],
  inner: number,
): boolean {
  const fits = output.every((count, axis) => count <= limits.threads[axis]);
  return fits && Math.max(...lengths, sizeOf(output)) <= limits.length && inner <= limits.inner;
}

/** A product that is too large for a device; thrown before anything is computed. `auto` runs it on the cpu instead. */
export class TooLarge extends DeviceError {
  override readonly name = "DeviceError";
}

export const tooLarge = (name: string, limits: Limits, operands: string): TooLarge =>
  new TooLarge(
    `${name}: matmul of ${operands} is larger than this device can address ` +
      `(results up to ${limits.threads.join(" x ")}, arrays up to ${limits.length} values); use "cpu"`,
  );
