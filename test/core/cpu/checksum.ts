/** @file A checksum of results, to compare them bit by bit between programs. */

import { array, type Kernels, openDevice } from "lowrank/core";
import { numbers } from "../../support/numbers.ts";

export function checksum(): number {
  const cpu = openDevice("cpu").kernels as Kernels;
  const x = array(numbers(1, 150 * 200), [150, 200]);
  const y = array(numbers(2, 200 * 170), [200, 170]);
  const results = [
    ...[cpu.matmul(x, y), cpu.unary("gelu", x), cpu.binary("add", x, array(numbers(3, 200)), [150, 200])],
    ...[cpu.softmax(x, true), cpu.reduce("sum", y, 1, 200, 170, [170]), cpu.normalize(x, 1e-5, true).xHat],
  ];
  let hash = 0;
  for (const { data } of results) {
    for (const word of new Uint32Array(Float32Array.from(data).buffer))
      hash = (Math.imul(hash, 31) + word) | 0;
  }
  return hash;
}
