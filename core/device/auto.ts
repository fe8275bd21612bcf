/** @file The device `auto`: the cpu, and for large products a real GPU if one answers. */

import { sizeOf } from "../array/shape.ts";
import { isAbsent } from "../gpu/index.ts";
import { TooLarge } from "../gpu/limits.ts";
import { warn } from "../warn.ts";
import type { Device } from "./device.ts";
import type { Kernels } from "./kernels.ts";

/** Multiplications from which a product pays for the trip to a GPU (measured in bench/). */
const WORTH_A_TRIP = 512 ** 3;

/**
 * @param findGpu looks for a real GPU; called when the first large product comes
 * @param note is told which device runs a product, once for each
 * @param large multiplications from which a product is large
 */
export function autoDevice(
  cpu: Device,
  findGpu: () => Device | null,
  note: (device: string, kernel: keyof Kernels) => void,
  large = WORTH_A_TRIP,
): Device {
  let gpu: Device | null | undefined;

  /** Runs a product where it is worth it; what a GPU cannot address the cpu can. */
  function run<T>(
    name: "matmul" | "dequantizeMatmul",
    multiplications: number,
    product: (on: Kernels) => T,
  ): T {
    const on = (device: Device): T => {
      const result = product(device.kernels as Kernels);
      note(device.name, name);
      return result;
    };
    const isLarge = multiplications >= large;
    if (isLarge && gpu === undefined) gpu = findGpu();
    if (!isLarge || !gpu) return on(cpu);
    try {
      return on(gpu);
    } catch (error) {
      if (error instanceof TooLarge) return on(cpu);
      throw error;
    }
  }

  return {
    name: "auto",
    adapter: cpu.adapter,
    software: false,
    kernels: {
      ...cpu.kernels,
      matmul: (a, b) => run("matmul", a.size * b.shape[b.rank - 1], ({ matmul }) => matmul(a, b)),
      dequantizeMatmul: (a, W, transposed) =>
        run("dequantizeMatmul", a.shape[0] * sizeOf(W.shape), (on) => on.dequantizeMatmul(a, W, transposed)),
    },
  };
}

/**
 * The GPU that `auto` may use, and null without one. A software emulation of a GPU is not used. A GPU that is there but
 * fails to open is not used either, and a warning says why, once.
 */
export function realGpu(open: () => Device): Device | null {
  try {
    const found = open();
    return found.software ? null : found;
  } catch (error) {
    if (!isAbsent(error)) warn(`auto: large products run on the cpu: ${(error as Error).message}`);
    return null;
  }
}
