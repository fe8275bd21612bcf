/** @file checkGradients sees a wrong rule, and a wrong device under a right rule; it says where. */

import * as fc from "fast-check";
import { checkGradients, record, type Tensor, tensor } from "lowrank/autograd";
import {
  ArgumentError,
  AutogradError,
  type DeviceName,
  type Kernels,
  openDevice,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("checkGradients");

/** x², with `factor` x for its derivative. */
const squareWith =
  (factor: number) =>
  (x: Tensor): Tensor =>
    record("square", x.value.size > 0 ? x.detach().mul(x.detach()).value : x.value, [
      { input: x, saves: [x], vjp: (dY, X) => dY.mul(X.mul(factor)) },
    ]);

const refusal =
  (pattern: RegExp) =>
  (error: Error): boolean =>
    error instanceof AutogradError && pattern.test(error.message);

test("a wrong rule: the input, the element, both numbers", () => {
  const x = tensor([0, 1.5]);
  assert.ok(checkGradients(squareWith(2), [x]) < 1e-6);
  assert.throws(
    () => checkGradients(squareWith(3), [x]),
    refusal(/^checkGradients: input 0, element 1: backward gives 1\.9\d+, differences give 1\.2/),
  );
});

/** Runs `fn` while the device's kernel gives y + `by` at its last element. */
function withFault<T>(device: DeviceName, name: "matmul" | "unary", by: number, fn: () => T): T {
  const kernels = openDevice(device).kernels as Kernels;
  const own = kernels[name] as (...given: unknown[]) => ReturnType<Kernels["matmul"]>;
  const faulty = (...given: unknown[]) => {
    const y = own(...given);
    y.storage.write()[y.size - 1] += by;
    return y;
  };
  Object.assign(kernels, { [name]: faulty });
  try {
    return withDevice(device, fn);
  } finally {
    Object.assign(kernels, { [name]: own });
  }
}

test("a right rule on a device that computes wrong: the device, the input, the element, both numbers", () => {
  const [A, B] = [tensor([[1, 2]]), tensor([[3], [4]])];
  const product = (a: Tensor, b: Tensor): Tensor => a.matmul(b);
  for (const device of ["cpu", "gpu:cpu"] as const) {
    assert.ok(withDevice(device, () => checkGradients(product, [A, B])) < 1e-6);
    assert.throws(
      () => withFault(device, "matmul", 0.1, () => checkGradients(product, [A, B])),
      refusal(
        new RegExp(`^checkGradients: input 0, element 1: backward on device ${device} gives .*, reference`),
      ),
    );
  }
  assert.ok(withFault("cpu", "matmul", 0, () => checkGradients(product, [A, B])) < 1e-6);
  // In double precision no device takes part.
  withFault("cpu", "matmul", 0.1, () => withPrecision("float64", () => checkGradients(product, [A, B])));
});

test("a fault of any size from 1e-3 of the gradient on is seen, at any element", () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1, noNaN: true }), fc.boolean(), (size, isNegative) => {
      const x = tensor([0.3, -0.7, 1.1]);
      const by = isNegative ? -size : size;
      const check = (): number => checkGradients((t) => t.tanh().square(), [x]);
      assert.throws(() => withFault("cpu", "unary", by, check), refusal(/on device cpu/));
    }),
    { numRuns: 20 },
  );
});

test("options are checked by name", () => {
  const x = tensor([1]);
  assert.throws(
    () => checkGradients((t) => t, [x], { eps: 1e-3 } as object),
    (error: Error) => error instanceof ArgumentError && /step/.test(error.message),
  );
  assert.throws(
    () => checkGradients((t) => t, [x], { step: 0 }),
    (error: Error) => error instanceof ArgumentError && /positive step/.test(error.message),
  );
});

test.run();
