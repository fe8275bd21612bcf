/** @file Allocation of arrays on the host. When the system refuses one, the error says how much was asked for. */

import { DeviceError } from "../errors.ts";

/**
 * Returns what `make` allocates, an array of `bytes` bytes.
 * @throws DeviceError when the system does not grant them. Nothing has changed then
 */
export function allocate<T>(bytes: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DeviceError(
      `memory: no room for an array of ${sizeOf(bytes)} (${error.message}). Use smaller batches, shorter ` +
        "sequences or checkpoint(); put scope() around each step, so that its temporaries are given back",
      { cause: error },
    );
  }
}

/** `length` float32s, zeros. @throws DeviceError when the system does not grant them */
export const allocateFloats = (length: number): Float32Array<ArrayBuffer> =>
  allocate(length * 4, () => new Float32Array(length));

/** `length` float64s, zeros. @throws DeviceError when the system does not grant them */
export const allocateDoubles = (length: number): Float64Array<ArrayBuffer> =>
  allocate(length * 8, () => new Float64Array(length));

/** `length` bytes, zeros. @throws DeviceError when the system does not grant them */
export const allocateBytes = (length: number): Uint8Array<ArrayBuffer> =>
  allocate(length, () => new Uint8Array(length));

function sizeOf(bytes: number): string {
  const shown = (number: number): string => number.toLocaleString("en", { maximumFractionDigits: 1 });
  return bytes < 2 ** 20 ? `${shown(bytes / 2 ** 10)} KiB` : `${shown(bytes / 2 ** 20)} MiB`;
}
