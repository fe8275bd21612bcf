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
 * The kernels of `auto`: those of the cpu, except that a large product runs on the GPU. A product that the GPU cannot
 * address runs on the cpu too.
 *
 * @param findGpu looks for a real GPU. Called once, at the first large product
 * @param large multiplications from which a product is large
 */
export function autoKernels(cpu: Kernels, findGpu: () => Kernels | null, large = WORTH_A_TRIP): Kernels {
  let gpu: Kernels | null | undefined;

  function run<T>(multiplications: number, product: (on: Kernels) => T): T {
    const isLarge = multiplications >= large;
    if (isLarge && gpu === undefined) gpu = findGpu();
    if (!isLarge || !gpu) return product(cpu);
    try {
      return product(gpu);
    } catch (error) {
      if (error instanceof TooLarge) return product(cpu);
      throw error;
    }
  }

  return {
    ...cpu,
    matmul: (a, b) => run(a.size * b.shape[b.rank - 1], ({ matmul }) => matmul(a, b)),
    dequantizeMatmul: (a, W, transposed) =>
      run(a.shape[0] * sizeOf(W.shape), ({ dequantizeMatmul }) => dequantizeMatmul(a, W, transposed)),
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
