/** @file Devices agree: every op of the table, forward and backward, gives on `cpu` what it gives on `reference`. */

import * as fc from "fast-check";
import { type Tensor, tensor, vjp } from "lowrank/autograd";
import {
  type AdamStep,
  type Codes,
  currentDevice,
  DeviceError,
  type DeviceName,
  full,
  type Kernels,
  kernel,
  kernelCounts,
  listDevices,
  type NDArray,
  random,
  scope,
  setDevice,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ops } from "../support/op-table.ts";
import { layout, viewOf } from "../support/views.ts";

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

const layouts = fc.array(layout, { minLength: 3, maxLength: 3 });

for (const { name, draw } of ops) {
  devices(`${name}: cpu agrees with double precision on reference, for views of every layout`, () => {
    fc.assert(
      fc.property(draw, layouts, ({ f, xs }, hows) => {
        scope(() => {
          const inputs = xs.map((x, i) => viewOf(x, hows[i % hows.length]));
          const exact = withPrecision("float64", () =>
            run(
              f,
              inputs.map((x) => tensor(x.value.data, x.shape)),
            ),
          );
          withDevice("cpu", () => run(f, inputs)).forEach((values, which) => {
            values.forEach((value, i) => {
              const bound = TOLERANCE * Math.max(1, Math.abs(exact[which][i]));
              assert.ok(
                Math.abs(value - exact[which][i]) <= bound,
                `${which}[${i}]: ${value} is not ${exact[which][i]}`,
              );
            });
          });
        });
      }),
      { numRuns: 60 },
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

/** Each kernel with operands on which it may run. */
const calls: { readonly [Name in keyof Kernels]: (run: Kernels[Name]) => unknown } = {
  matmul: (run) => run(ones(2, 3), ones(3, 2)),
  unary: (run) => run("exp", ones(3)),
  binary: (run) => run("add", ones(3), ones(3), [3]),
  reduce: (run) => run("sum", ones(4), 1, 4, 1, []),
  softmax: (run) => run(ones(2, 3), false),
  causalSoftmax: (run) => run(ones(2, 3), 2),
  softmaxGrad: (run) => run(ones(2, 3), ones(2, 3)),
  normalize: (run) => run(ones(2, 3), 1e-5, true),
  normalizeGrad: (run) => run(ones(2, 3), ones(2), ones(2, 3), true),
  dequantize: (run) => run(codes),
  dequantizeMatmul: (run) => run(ones(2, 32), codes, true),
  adam: (run) => run(ones(3), ones(3), ones(3), ones(3), adamStep),
};
const ones = (...shape: number[]): NDArray => full(shape, 1);
const codes: Codes = {
  ...{ shape: [2, 32], codes: new Uint8Array(32), values: new Float32Array(16) },
  ...{ scales: new Float32Array(2), blockSize: 32 },
};
const adamStep: AdamStep = {
  ...{ lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, correction1: 1, correction2: 1 },
};

/** What `fn` adds to the counts. */
function counted(fn: () => unknown): Record<string, number> {
  const before = kernelCounts();
  fn();
  return Object.fromEntries(
    Object.entries(kernelCounts()).flatMap(([key, n]) =>
      n > (before[key] ?? 0) ? [[key, n - (before[key] ?? 0)]] : [],
    ),
  );
}

for (const name of Object.keys(calls) as (keyof Kernels)[]) {
  devices(`${name} is counted once, under the device that runs it`, () => {
    const run = (): unknown => scope(() => (calls[name] as (run: unknown) => unknown)(kernel(name)));
    const runs = (device: DeviceName): Record<string, number> => counted(() => withDevice(device, run));
    const isProduct = name === "matmul" || name === "dequantizeMatmul";
    assert.equal(runs("reference"), { [`reference ${name}`]: 1 });
    assert.equal(runs("cpu"), { [`cpu ${name}`]: 1 });
    assert.equal(runs("auto"), { [`cpu ${name}`]: 1 });
    assert.equal(runs("gpu:webasm"), { [`${isProduct ? "gpu:webasm" : "cpu"} ${name}`]: 1 });
    const inDouble = counted(() => withDevice("cpu", () => withPrecision("float64", run)));
    assert.equal(inDouble, { [`reference ${name}`]: 1 });
  });
}

devices("a step of training counts as many products on auto as on reference", () => {
  const step = (device: DeviceName): number => {
    const counts = counted(() =>
      withDevice(device, () => {
        const x = tensor([[1, 2]], { requiresGrad: true });
        const W = tensor([[1, 2]], { requiresGrad: true });
        x.matmul(W.T).sum().backward();
      }),
    );
    return Object.entries(counts).reduce((sum, [key, n]) => sum + (key.endsWith(" matmul") ? n : 0), 0);
  };
  assert.is(step("reference"), 3); // forward, and one for each gradient
  for (const device of ["cpu", "auto", "gpu:webasm"] as const) assert.is(step(device), 3);
});

devices("devices nest, and each comes back, also after an error", () => {
  setDevice("reference");
  const names: string[] = [];
  withDevice("cpu", () => {
    withDevice("gpu:cpu", () => names.push(currentDevice().name));
    names.push(currentDevice().name);
    assert.throws(() => withDevice("nonsense" as DeviceName, () => names.push("never")));
    names.push(currentDevice().name);
    assert.throws(() =>
      withDevice("gpu:webasm", () => {
        setDevice("auto");
        throw new Error("inside");
      }),
    );
    names.push(currentDevice().name);
  });
  names.push(currentDevice().name);
  assert.equal(names, ["gpu:cpu", "cpu", "cpu", "cpu", "reference"]);
});

devices.run();
