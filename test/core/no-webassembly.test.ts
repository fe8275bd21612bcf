/** @file Where WebAssembly is absent or forbidden, `auto` computes on the reference and says so once. */

import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("without WebAssembly");

/** What takes WebAssembly away: a browser without it, a Content-Security-Policy, and one without SIMD. */
const without: Readonly<Record<string, string>> = {
  "is absent": "delete globalThis.WebAssembly;",
  "is forbidden": `WebAssembly.Module = class {
    constructor() { throw new WebAssembly.CompileError("code generation disallowed by embedder"); }
  };`,
  "has no SIMD": `const { Module } = WebAssembly;
  WebAssembly.Module = class {
    constructor(bytes) {
      if (bytes.length > 8) throw new WebAssembly.CompileError("invalid value type 'v128'");
      return new Module(bytes);
    }
  };`,
};

const program = `
import { currentDevice, full, kernelCounts, matmul, setDevice, setWarnings, unary, withDevice } from "lowrank/core";
const heard = [];
setWarnings((message) => heard.push(message));
const y = unary("exp", matmul(full([2, 3], 1), full([3, 2], 1))).data[0];
const { name, adapter } = currentDevice();
const onGpu = withDevice("gpu:cpu", () => unary("exp", matmul(full([2, 3], 1), full([3, 2], 1)))).data[0];
let refusal = "";
try { setDevice("cpu"); } catch (error) { refusal = error.name + ": " + error.message; }
console.log(JSON.stringify({ y, onGpu, name, adapter, heard, refusal, counts: kernelCounts() }));
`;

const run = (script: string, env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], {
    encoding: "utf8",
    env: { ...process.env, LOWRANK_DEVICE: "", ...env },
  });

for (const [how, script] of Object.entries(without)) {
  test(`where it ${how}, auto and gpu devices run on the reference, with one warning; cpu is refused`, () => {
    const { stdout, stderr } = run(script + program);
    assert.is(stderr, "");
    const { y, onGpu, name, adapter, heard, refusal, counts } = JSON.parse(stdout);
    assert.equal([y, onGpu], [Math.fround(Math.exp(3)), Math.fround(Math.exp(3))]);
    assert.equal([name, adapter], ["auto", "plain loops"]);
    assert.is(heard.length, 1, heard.join("\n"));
    assert.match(heard[0], /^cpu: WebAssembly.* does not work here .*reference computes in its place/);
    assert.match(refusal, /^DeviceError: cpu: WebAssembly/);
    assert.equal(counts, { "gpu:cpu matmul": 1, "reference matmul": 1, "reference unary": 2 });
  });
}

test("a wrong size of the memory stays an error of auto, and is not answered with the reference", () => {
  const { stdout, stderr, status } = run(program, { LOWRANK_MEMORY_MIB: "many" });
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.match(stderr, "cpu: LOWRANK_MEMORY_MIB: expected 16 to 4096; got many");
});

test.run();
