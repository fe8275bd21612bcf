/** @file The `gpu` devices: matmul through gpu.js kernels, operands and products resident on the device. */

import type { Device } from "../device.ts";
import { DeviceError } from "../errors.ts";

export type GpuMode = "webgpu" | "webgl2" | "headlessgl" | "webasm" | "cpu";

export function openGpu(mode: GpuMode): Device {
  throw new DeviceError(`gpu:${mode}: not built yet`);
}
