import { ones } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GpuDevice } from "../../../core/gpu/index.ts";
import { collectUntil, mayCollect } from "../../support/collect.ts";
import { inEachMode } from "./modes.ts";
import { residency } from "./residency.ts";

const test = suite("gpu: residency");

for (const law of residency) inEachMode(test, law);

if (mayCollect) {
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
    for (const { device, arrays } of collectable) {
      // Some of the last may still be on the stack of the interpreter.
      const gone = (): boolean => device.statistics().arrays <= arrays + 5;
      await collectUntil(gone);
      assert.ok(gone(), `${device.name}: ${device.statistics().arrays}, before ${arrays}`);
    }
  });
}

test.run();
