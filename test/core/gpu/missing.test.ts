/** @file Without the optional packages: gpu devices say what to install, `auto` and lists of devices stay calm. */

import Module from "node:module";
import {
  DeviceError,
  deviceNames,
  full,
  listDevices,
  loadGpu,
  matmul,
  openDevice,
  setDevice,
  setWarnings,
  withDevice,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { progressBar } from "../../../nn/train/progress.node.ts";

const test = suite("without the optional packages");

/** Node's resolution of `require`, which the test replaces. */
const loader = Module as unknown as { _resolveFilename: (request: string, ...rest: unknown[]) => string };
const resolve = loader._resolveFilename;
/** The packages that are not installed, and those that were looked for. */
let gone: readonly string[] = [];
const sought: string[] = [];

test.before(() => {
  loader._resolveFilename = (request, ...rest) => {
    sought.push(request);
    if (gone.includes(request))
      throw Object.assign(new Error(`Cannot find module '${request}'`), { code: "MODULE_NOT_FOUND" });
    return resolve.call(Module, request, ...rest);
  };
});
test.after(() => {
  loader._resolveFilename = resolve;
});

const optional = ["gpu.js", "webgpu", "cli-progress"];

test("they are not looked for until a gpu device is asked for, or a bar shown", () => {
  setDevice("auto");
  matmul(full([8, 8], 1), full([8, 8], 1));
  withDevice("reference", () => matmul(full([8, 8], 1), full([8, 8], 1)));
  progressBar(3, "no terminal").done();
  assert.equal(
    sought.filter((name) => optional.includes(name)),
    [],
  );
});

test("a gpu device says which to install, and what to do where npm builds gl", () => {
  const cases = [
    ["gpu:webgpu", ["gpu.js", "webgpu"], "npm i gpu.js webgpu"],
    ["gpu:webgpu", ["webgpu"], "npm i gpu.js webgpu"],
    ["gpu", ["gpu.js", "webgpu"], "npm i gpu.js webgpu"],
    ["gpu:webasm", ["gpu.js", "webgpu"], "npm i gpu.js"],
    ["gpu:cpu", ["gpu.js"], "npm i gpu.js"],
    ["gpu:headlessgl", ["gpu.js"], "npm i gpu.js"],
  ] as const;
  for (const [name, without, command] of cases) {
    gone = without;
    assert.throws(
      () => setDevice(name),
      (error: Error) => {
        if (!(error instanceof DeviceError)) throw error;
        assert.ok(error.message.startsWith(`${name}: not installed: ${command} (`), error.message);
        assert.match(error.message, '"overrides": { "gl": "npm:empty-npm-package@1.0.0" }');
        return true;
      },
    );
  }
});

test("loadGpu is refused with the same sentence", async () => {
  gone = ["gpu.js"];
  const error = await loadGpu().then(
    () => null,
    (reason: Error) => reason,
  );
  assert.instance(error, DeviceError);
  assert.ok(error?.message.startsWith("loadGpu: not installed: npm i gpu.js ("), error?.message);
});

test("auto computes a large product on the cpu, lists name what to install, and nothing warns", () => {
  gone = optional;
  const heard: string[] = [];
  const before = setWarnings((message) => heard.push(message));
  try {
    assert.is(withDevice("auto", () => matmul(full([512, 512], 1), full([512, 512], 1))).data[0], 512);
    for (const { name, works, detail } of listDevices()) {
      if (!name.startsWith("gpu")) assert.ok(works, detail);
      else if (name !== "gpu:webgl2") assert.match(detail, /^not installed: npm i gpu\.js( webgpu)?$/);
    }
    assert.is(listDevices().length, deviceNames.length);
  } finally {
    setWarnings(before);
  }
  assert.equal(heard, []);
});

test("a terminal without cli-progress has no bar, and no error", () => {
  gone = optional;
  const { isTTY } = process.stderr;
  process.stderr.isTTY = true;
  try {
    const bar = progressBar(3, "training");
    bar.tick();
    bar.done();
  } finally {
    process.stderr.isTTY = isTTY;
  }
});

test("once they are installed, the device opens", () => {
  gone = [];
  assert.ok(openDevice("gpu:cpu").software);
});

test.run();
