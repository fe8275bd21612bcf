import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { array, DeviceError, type NDArray, zeros } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gpuDevice, isAbsent, openGpu } from "../../../core/gpu/index.ts";
import { openBridge } from "../../../core/gpu/webgpu/bridge.node.ts";
import { deviceOrReason } from "./modes.ts";

const test = suite("gpu: failures");

/** A device whose worker is one of those in workers/. */
const open = (worker: string, patience = { start: 120_000, call: 60_000 }) =>
  gpuDevice("webgpu", () => openBridge(new URL(`./workers/${worker}.ts`, import.meta.url), patience));

const fails = (fn: () => unknown, pattern: RegExp, absent = false): void =>
  assert.throws(fn, (error: Error) => {
    if (!(error instanceof DeviceError)) throw error;
    assert.match(error.message, pattern);
    assert.is(isAbsent(error), absent, error.message);
    return true;
  });

const two = (): NDArray => array([2], [1, 1]);

const webgpu = deviceOrReason("webgpu");
const onWebGpu = (name: string, body: () => void): void => {
  if (typeof webgpu !== "string") return void test(name, body);
  console.log(`skipped: ${name}: ${webgpu}`);
  test.skip(name);
};

test("without an adapter opening fails, and says so", () => {
  const before = process.env.VK_DRIVER_FILES;
  try {
    for (const manifest of ["/nonexistent/icd.json", resolve("package.json")]) {
      process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = manifest;
      fails(() => openGpu("webgpu"), /^gpu:webgpu: no adapter answers/, true);
    }
  } finally {
    process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = before ?? "";
  }
});

test("modes that do not exist here: opening fails, and says why", () => {
  fails(() => openGpu("webgl2"), /^gpu:webgl2: WebGL 2 is found in browsers only$/, true);
});

test("a worker that never answers: an error when patience ends, at once from then on", () => {
  fails(() => open("silent", { start: 300, call: 300 }), /no answer to open within 300 ms/);
});

test("a worker that ends while it opens", () => {
  fails(() => open("exit"), /its worker ended/);
});

onWebGpu("a kernel that does not compile: opening gives the compiler's message", () => {
  fails(() => open("broken-kernel"), /Error compiling WGSL/);
});

onWebGpu("a buffer beyond the device's limit is refused; smaller ones still work", () => {
  const device = open("cramped");
  const long = 2 ** 25 + 1; // 128 MiB and 4 bytes
  const refused = (A: string) => new RegExp(`matmul of A \\[${A}\\] .*arrays up to 33554432 values`); // 128 MiB
  fails(() => device.kernels.matmul(zeros([1, long]), two()), refused("1, 33554433"));
  const column = zeros([2 ** 13, 1]);
  const row = zeros([1, 2 ** 12 + 1]);
  fails(() => device.kernels.matmul(column, row), refused("8192, 1")); // the result
  assert.is(device.kernels.matmul(two(), two()).data[0], 4);
  device.close();
});

onWebGpu(
  "a lost device: an error at the call, which says that values are gone; the next product opens it anew",
  () => {
    const device = open("lost");
    const a = two();
    const first = device.kernels.matmul(a, a);
    fails(() => {
      // The loss shows at the product or, at the latest, when its values are asked for.
      void device.kernels.matmul(a, a).data;
    }, /lost.*values that were only there are gone/);
    fails(() => first.data, /lost|destroyed/);
    assert.is(device.kernels.matmul(a, a).data[0], 4); // a's values were on the host as well
    device.close();
  },
);

onWebGpu("a worker that crashes: an error at the call", () => {
  const device = open("crash");
  fails(() => device.kernels.matmul(two(), two()), /its worker crashed: crashed on purpose/);
});

test("out of device memory: arrays are evicted, and the product is computed", () => {
  const device = open("null"); // 512 MiB and real out-of-memory errors; no arithmetic
  const column = zeros([2 ** 12, 1]);
  const matrices = Array.from({ length: 9 }, () => zeros([2 ** 12, 2 ** 12])); // 64 MiB each, 576 in all
  for (const matrix of matrices) device.kernels.matmul(matrix, column).storage.release();
  assert.ok(device.statistics().arrays <= 8, `${device.statistics().arrays} arrays on the device`);
  assert.is(device.statistics().products, 9);
  device.close();
});

test("a program that used the device ends by itself", () => {
  const program = `
    import { openGpu } from ${JSON.stringify(new URL("../../../core/gpu/index.ts", import.meta.url).href)};
    try { openGpu("webgpu"); } catch {}
  `;
  const { status, signal } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program],
    {
      timeout: 240_000, // against hanging
    },
  );
  assert.equal([status, signal], [0, null]);
});

test.run();
