import { ones } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GpuDevice } from "../../../core/gpu/index.ts";
import { inEachMode } from "./modes.ts";
import { residency } from "./residency.ts";

const test = suite("gpu: residency");

for (const law of residency) inEachMode(test, law);

if (typeof gc === "function") {
  const collect = gc;
  inEachMode(test, {
    name: "arrays made outside scopes stay on the device while the job that made them runs",
    holds: (device) => {
      const { arrays } = device.statistics();
      collectable.push({ device, arrays });
      for (let i = 0; i < 50; i++) device.kernels.matmul(ones([4, 4]), ones([4, 4]));
      assert.ok(device.statistics().arrays >= arrays + 100);
    },
  });
  const collectable: { device: GpuDevice; arrays: number }[] = [];
  test("and leave it when the collector finds them, once it has ended", async () => {
    for (let round = 0; round < 10; round++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      collect();
    }
    for (const { device, arrays } of collectable) {
      // Some of the last may still be on the stack of the interpreter.
      assert.ok(device.statistics().arrays <= arrays + 5, `${device.name}: ${device.statistics().arrays}`);
    }
  });
}

test.run();
