import { array, type Codes, DeviceError, watch } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GpuDevice } from "../../../core/gpu/index.ts";
import { collectUntil, mayCollect } from "../../support/collect.ts";
import { deviceOrReason, inEachMode } from "./modes.ts";
import { packedMatrices } from "./packed-matrix.ts";

const test = suite("gpu: matrices of 4-bit codes");

for (const law of packedMatrices) inEachMode(test, law);

const zeros = (rows: number, columns: number): Codes => ({
  shape: [rows, columns],
  codes: new Uint8Array(Math.ceil((rows * columns) / 2)),
  values: new Float32Array(16),
  scales: new Float32Array(Math.ceil((rows * columns) / 32)),
  blockSize: 32,
});

test("rows too long to be divided exactly, and more of them than floats can number, are refused", () => {
  const webasm = deviceOrReason("webasm") as GpuDevice;
  const A = array([1], [1, 1]);
  const refuses = (W: Codes, transposed: boolean, message: RegExp) =>
    assert.throws(
      () => webasm.kernels.dequantizeMatmul?.(A, W, transposed),
      (error: Error) => error instanceof DeviceError && message.test(error.message),
    );
  refuses(zeros(1, 2 ** 20 + 1), false, /packed W \[1, 1048577\] is larger/);
  refuses(zeros(2 ** 24 + 1, 1), true, /packed W \[16777217, 1\] is larger/);
});

if (mayCollect) {
  for (const mode of ["webgpu", "webasm", "cpu"] as const) {
    const device = deviceOrReason(mode);
    if (typeof device === "string") continue;
    test(`${mode}: codes that are not referenced any more leave the device`, async () => {
      const there = (): [arrays: number, bytes: number] => [
        device.statistics().arrays,
        watch()().device.live,
      ];
      await collectUntil(() => true);
      const [arrays, bytes] = there();
      const A = array([1], [1, 1]);
      for (let i = 0; i < 50; i++)
        device.kernels.dequantizeMatmul?.(A, zeros(1, 64), false).storage.release();
      assert.ok(there()[0] >= arrays + 50);
      // The last may still be on the stack of the interpreter, and A is there.
      const gone = (): boolean => there()[0] <= arrays + 3 && there()[1] <= bytes + 3 * 4 * 40;
      await collectUntil(gone);
      const [left, leftBytes] = there();
      assert.ok(gone(), `${left - arrays} arrays, ${leftBytes - bytes} bytes left`);
    });
  }
}

test.run();
