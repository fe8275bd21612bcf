import { array, type Codes, DeviceError, watch } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GpuDevice } from "../../../core/gpu/index.ts";
import { deviceOrReason, inEachMode } from "./modes.ts";
import { packedMatrices } from "./packed-matrix.ts";

const test = suite("gpu: matrices of 4-bit codes");

for (const law of packedMatrices) inEachMode(test, law);

const small = (columns: number): Codes => ({
  shape: [1, columns],
  codes: new Uint8Array(Math.ceil(columns / 2)),
  values: new Float32Array(16),
  scales: new Float32Array(Math.ceil(columns / 32)),
  blockSize: 32,
});

test("rows too long to be divided exactly are refused", () => {
  const webasm = deviceOrReason("webasm") as GpuDevice;
  const A = array([1], [1, 1]);
  assert.throws(
    () => webasm.kernels.decodeMatmul?.(A, small(2 ** 20 + 1), false),
    (error: Error) => error instanceof DeviceError && /packed W \[1, 1048577\] is larger/.test(error.message),
  );
});

if (typeof gc === "function") {
  const collect = gc;
  const collected = async (): Promise<void> => {
    for (let round = 0; round < 10; round++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      collect();
    }
  };
  for (const mode of ["webgpu", "webasm", "cpu"] as const) {
    const device = deviceOrReason(mode);
    if (typeof device === "string") continue;
    test(`${mode}: codes that nobody holds any more leave the device`, async () => {
      const there = (): [arrays: number, bytes: number] => [
        device.statistics().arrays,
        watch()().device.live,
      ];
      await collected();
      const [arrays, bytes] = there();
      const A = array([1], [1, 1]);
      for (let i = 0; i < 50; i++) device.kernels.decodeMatmul?.(A, small(64), false).storage.release();
      assert.ok(there()[0] >= arrays + 50);
      await collected();
      // The last may still be on the stack of the interpreter, and A is there.
      const [left, leftBytes] = there();
      assert.ok(left <= arrays + 3, `${left - arrays} arrays left`);
      assert.ok(leftBytes <= bytes + 3 * 4 * 40, `${leftBytes - bytes} bytes left`);
    });
  }
}

test.run();
