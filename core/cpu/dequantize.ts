/** @file Dequantizing 4-bit codes on the cpu device. */

import { reshape } from "../array/movement.ts";
import { empty, type NDArray } from "../array/ndarray.ts";
import type { Codes } from "../device/kernels.ts";
import { dequantizeInto } from "../device/reference.ts";
import { part } from "./operands.ts";
import { kernels, type WasmRuntime } from "./wasm-runtime.ts";

/** The kernel dequantizes whole groups of so many codes; the rest run on plain loops. */
const GROUP = 32;

/** Bytes of the window that a group needs at most: codes, numbers and a scale. */
const GROUP_BYTES = 16 + 128 + 4;

export function dequantize(runtime: WasmRuntime, from: Codes): NDArray {
  const result = empty(from.shape);
  const groups = from.blockSize % GROUP === 0 ? Math.floor(result.size / GROUP) : 0;
  const toScale = from.blockSize / GROUP;
  const { scales } = from; // read once: a getter may compute them anew
  const values = bytesOf(Float32Array.from(from.values));
  // The kernel looks up bytes, not numbers: plane p has byte p of each of the 16 values.
  const planes = values.map((_, i) => values[(i % 16) * 4 + (i >> 4)]);
  const flat = reshape(result, [result.size]);
  const atATime = Math.floor(runtime.piece / GROUP_BYTES);
  for (let first = 0; first < groups; first += atATime) {
    const last = Math.min(groups, first + atATime);
    runtime.call((operands) => {
      const bytes = (array: Uint8Array): number => {
        const address = operands.workspace(array.length);
        runtime.memory.bytes.set(array, address);
        return address;
      };
      const scale = Math.floor(first / toScale);
      const addresses = [
        bytes(from.codes.subarray((first * GROUP) / 2, (last * GROUP) / 2)),
        bytes(planes),
        bytes(bytesOf(scales.subarray(scale, Math.ceil(last / toScale)))),
        operands.output(part(flat, 0, first * GROUP, last * GROUP)).address,
      ];
      const count = last - first;
      const chunks = runtime.chunks(count, count * GROUP * 0.3);
      runtime.run(kernels.dequantize, chunks, [...addresses, count, toScale, first - scale * toScale]);
    });
  }
  dequantizeInto(result.storage.data, from, groups * GROUP);
  return result;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
