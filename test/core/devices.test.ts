/** @file Devices agree: every op of the table, forward and backward, gives on `cpu` what it gives on `reference`. */

import * as fc from "fast-check";
import { type Tensor, tensor, vjp } from "lowrank/autograd";
import {
  currentDevice,
  DeviceError,
  type DeviceName,
  kernelCounts,
  listDevices,
  random,
  setDevice,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { strided } from "../support/arbitraries.ts";
import { ops } from "../support/op-table.ts";

const devices = suite("devices");

/**
 * Values here are below 4 in size and sums have at most 125 terms; no op of the table magnifies a rounding of its
 * input by more than 32. So each result is within 125 · 32 · 2⁻²⁴ ≈ 2.4e-4 of the double-precision one, relative to
 * max(1, |result|). A wrong element is off by far more.
 */
const TOLERANCE = 125 * 32 * 2 ** -24;

const run = (f: (...xs: Tensor[]) => Tensor, xs: readonly Tensor[]): Float32Array[] => {
  const y = f(...xs);
  const { gradients } = vjp(f, xs, tensor(random(7).uniform(y.size, -1, 1), y.shape));
  return [y, ...gradients].map((t) => t.toArray());
};

for (const { name, draw } of ops) {
  devices(`${name}: cpu agrees with double precision on reference, for plain and for strided inputs`, () => {
    fc.assert(
      fc.property(draw, ({ f, xs }) => {
        const exact = withPrecision("float64", () =>
          run(
            f,
            xs.map((x) => tensor(x.value.data, x.shape)),
          ),
        );
        for (const inputs of [xs, xs.map(strided)]) {
          withDevice("cpu", () => run(f, inputs)).forEach((values, which) => {
            values.forEach((value, i) => {
              const bound = TOLERANCE * Math.max(1, Math.abs(exact[which][i]));
              assert.ok(
                Math.abs(value - exact[which][i]) <= bound,
                `${which}[${i}]: ${value} is not ${exact[which][i]}`,
              );
            });
          });
        }
      }),
      { numRuns: 40 },
    );
  });
}

devices("every device is listed, working or with a reason", () => {
  const list = listDevices();
  assert.ok(list.length >= 9);
  for (const { name, works, detail } of list) {
    assert.ok(detail.length > 0, name);
    if (["auto", "reference", "cpu", "gpu:cpu", "gpu:webasm"].includes(name))
      assert.ok(works, `${name}: ${detail}`);
  }
});

devices("withDevice comes back, also after an error; an unknown name changes nothing", () => {
  setDevice("reference");
  assert.throws(() =>
    withDevice("cpu", () => {
      assert.is(currentDevice().name, "cpu");
      throw new Error("inside");
    }),
  );
  assert.is(currentDevice().name, "reference");
  assert.throws(
    () => setDevice("nonsense" as DeviceName),
    (e: Error) => e instanceof DeviceError && /auto, reference, cpu/.test(e.message),
  );
  assert.is(currentDevice().name, "reference");
});

devices("what ran is counted under the device that ran it", () => {
  const before = kernelCounts()["cpu matmul"] ?? 0;
  withDevice("cpu", () => tensor([[1, 2]]).matmul(tensor([[1], [2]])));
  assert.is(kernelCounts()["cpu matmul"], before + 1);
});

devices.run();
