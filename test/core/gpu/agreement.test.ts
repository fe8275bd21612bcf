import { array, DeviceError, NDArray } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { agreement } from "./agreement.ts";
import { deviceOrReason, inEachMode } from "./modes.ts";

const test = suite("gpu: agreement with reference");

for (const law of agreement) inEachMode(test, law);

test("a product that WebGPU cannot address is refused before it starts, and computed by the others", () => {
  const tall = 8 * 65535 + 8; // one work group more than there may be
  const one = array([2], [1]);
  const A = new NDArray(one.storage, [tall, 1], [0, 1]);
  const B = new NDArray(one.storage, [1, 1], [1, 1]);
  const webgpu = deviceOrReason("webgpu");
  if (typeof webgpu !== "string") {
    assert.throws(
      () => webgpu.kernels.matmul(A, B),
      (error: Error) =>
        error instanceof DeviceError && /larger than this device can address/.test(error.message),
    );
  }
  const webasm = deviceOrReason("webasm");
  if (typeof webasm === "string") assert.unreachable(webasm);
  else assert.is(webasm.kernels.matmul(A, B).data[tall - 1], 4);
});

test.run();
