/** @file Numbers from 4-bit codes on the cpu device. */

import type { Codes } from "../kernels.ts";
import { empty, type NDArray } from "../ndarray.ts";
import { decodeInto } from "../reference.ts";
import { kernels, type Machine } from "./machine.ts";

/** Codes that the kernel looks up at a time; it does whole groups. */
const GROUP = 32;

export function decode(machine: Machine, from: Codes): NDArray {
  const result = empty(from.shape);
  const { data } = result.storage;
  const groups = from.blockSize % GROUP === 0 ? Math.floor(result.size / GROUP) : 0;
  if (groups > 0) {
    machine.call((operands) => {
      const codes = operands.room((groups * GROUP) / 8);
      bytesOf(codes.array).set(from.codes.subarray(0, (groups * GROUP) / 2));
      const scales = operands.room(from.scales.length);
      scales.array.set(from.scales);
      const planes = operands.room(16);
      const values = bytesOf(Float32Array.from(from.values));
      bytesOf(planes.array).set(values.map((_, i) => values[(i % 16) * 4 + (i >> 4)]));
      machine.run(kernels.decode, machine.chunks(groups, groups * GROUP * 0.3), [
        ...[codes.address, planes.address, scales.address, operands.output(result)],
        ...[groups, from.blockSize / GROUP],
      ]);
    });
  }
  decodeInto(data, from, groups * GROUP);
  return result;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
