/**
 * @file Small random programs, forward and backward: every device gives what `reference` gives. Where float32 is exact
 * (small integers), to the bit; elsewhere within what rounding does to that program.
 */

import type { DeviceName } from "lowrank/core";
import { suite } from "uvu";
import { deviceOrReason } from "./core/gpu/modes.ts";
import { programLaws } from "./support/program-laws.ts";

const test = suite("programs");

const devices: readonly (readonly [device: DeviceName, runs: number])[] = [
  ["reference", 60],
  ["cpu", 400],
  ["auto", 60],
  ["gpu:cpu", 40],
  ["gpu:webasm", 40],
  ["gpu:webgpu", 30],
];

for (const [device, numRuns] of devices) {
  const absent = device === "gpu:webgpu" && deviceOrReason("webgpu");
  if (typeof absent === "string") {
    console.log(`skipped: programs on ${absent}`);
    test.skip(`programs on ${device}`);
    continue;
  }
  for (const { name, holds } of programLaws) test(`${device}: ${name}`, () => holds(device, numRuns));
}

test.run();
