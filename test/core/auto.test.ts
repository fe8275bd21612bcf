/** @file The device auto: large products go to a GPU that answers, what it cannot address and all else to the cpu. */

import { array, type Device, DeviceError, full, type Kernels, openDevice, setWarnings } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "#gpu";
import { autoKernels, realGpu } from "../../core/device/auto.ts";
import { gpuDevice } from "../../core/gpu/index.ts";
import { type Fault, SessionError, type SyncSession } from "../../core/gpu/sync-session.ts";

const test = suite("auto");

/** A device of gpu.js that addresses products of at most `threads` rows, and passes for a GPU. */
function limited(threads: number): Device {
  const session = openSession("webasm");
  const limits = { ...session.limits, threads: [threads, threads, threads] as const };
  const small = new Proxy(session, {
    get: (target, key: keyof SyncSession) => {
      const value = key === "limits" ? limits : target[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { ...gpuDevice("webasm", () => small), name: "gpu", software: false };
}

interface Told {
  readonly counts: string[];
  readonly kernels: Kernels;
  searches: number;
}

/** The kernels of `device`, each product noted in `counts` when it is done. */
const noting = (device: Device, counts: string[]): Kernels => ({
  ...(openDevice("reference").kernels as Kernels),
  matmul: (a, b) => {
    const y = device.kernels.matmul(a, b);
    counts.push(`${device.name} matmul`);
    return y;
  },
});

function auto(gpu: Device | null): Told {
  const counts: string[] = [];
  const told: Told = {
    counts,
    searches: 0,
    kernels: autoKernels(
      noting(openDevice("cpu"), counts),
      () => {
        told.searches++;
        return gpu && noting(gpu, counts);
      },
      16 * K,
    ),
  };
  return told;
}

/** Of products of 4 x K by K x 4. */
const K = 200;

test("small products run on the cpu, and no GPU is looked for", () => {
  const told = auto(limited(4));
  told.kernels.matmul(full([4, 100], 1), full([100, 4], 1));
  assert.equal([told.counts, told.searches], [["cpu matmul"], 0]);
});

test("large ones run on the GPU, looked for once, and each is counted once", () => {
  const told = auto(limited(4));
  const [a, b] = [full([4, K], 1), full([K, 4], 1)];
  assert.is(told.kernels.matmul(a, b).data[15], K);
  told.kernels.matmul(a, b);
  assert.equal([told.counts, told.searches], [["gpu matmul", "gpu matmul"], 1]);
});

test("large ones that the GPU cannot address, or without a GPU, run on the cpu and are counted there", () => {
  for (const gpu of [limited(3), null]) {
    const told = auto(gpu);
    assert.is(told.kernels.matmul(full([4, K], 1), full([K, 4], 1)).data[15], K);
    assert.equal([told.counts, told.searches], [["cpu matmul"], 1]);
  }
});

test("a GPU that fails to open is told once; one that is absent or emulated is passed over in silence", () => {
  const heard: string[] = [];
  const before = setWarnings((message) => heard.push(message));
  const fails = (fault: Fault) => () => {
    throw new DeviceError(`gpu: ${fault}`, { cause: new SessionError(fault, fault) });
  };
  try {
    assert.is(realGpu(fails("absent")), null);
    assert.is(
      realGpu(() => ({ ...limited(4), software: true })),
      null,
    );
    assert.equal(heard, []);
    for (let i = 0; i < 2; i++) assert.is(realGpu(fails("failed")), null);
    assert.equal(heard, ["auto: large products run on the cpu: gpu: failed"]);
  } finally {
    setWarnings(before);
  }
});

test("any other failure of the GPU is an error, never the cpu in silence", () => {
  const broken: Device = {
    ...limited(4),
    kernels: {
      matmul: () => {
        throw new DeviceError("gpu: lost");
      },
    },
  };
  const told = auto(broken);
  assert.throws(
    () => told.kernels.matmul(full([4, K], 1), full([K, 4], 1)),
    (error: Error) => error instanceof DeviceError && /lost/.test(error.message),
  );
  assert.equal(told.counts, []);
});

test("what is too large is a DeviceError by name", () => {
  assert.throws(
    () => limited(1).kernels.matmul(array([1, 2], [2, 1]), array([1], [1, 1])),
    (error: Error) =>
      error instanceof DeviceError && error.name === "DeviceError" && /larger than/.test(error.message),
  );
});

test.run();
