/** @file The `cpu` device: WebAssembly SIMD kernels (core/cpu/assembly), threads over shared memory. */

import type { Device } from "../device.ts";
import { reference } from "../reference.ts";

export function openCpu(): Device {
  return { name: "cpu", adapter: "plain loops for now", software: false, kernels: { matmul: reference.matmul } };
}
