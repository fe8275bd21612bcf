import { spawnSync } from "node:child_process";
import { deviceNames } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reference } from "../../../core/device/reference.ts";
import { selfCheck } from "../../../core/device/self-check.ts";
import { useSwiftShader } from "./swiftshader.ts";

const test = suite("npm run devices");

useSwiftShader();

const devices = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, ["--import", "tsx", "core/device/devices-cli.ts", ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });

test("--json lists every device; those that work stay within K ε of reference", () => {
  const { status, stdout } = devices(["--json"]);
  assert.is(status, 0);
  const { used, devices: rows } = JSON.parse(stdout);
  assert.is(used, "auto");
  assert.equal(
    rows.map(({ name }: { name: string }) => name),
    [...deviceNames],
  );
  for (const { name, works, detail, checks } of rows) {
    assert.ok(detail.length > 0, name);
    assert.is(checks.length > 0, works, name);
    for (const { product, error } of checks) assert.ok(error <= 1, `${name}: ${product}: ${error}`);
  }
});

test("--help explains the units", () => {
  const { status, stdout } = devices(["--help"]);
  assert.is(status, 0);
  assert.match(stdout, /K ε/);
});

test("an unknown LOWRANK_DEVICE or option: one line, exit code 1", () => {
  const unknown = devices([], { LOWRANK_DEVICE: "nonsense" });
  assert.is(unknown.status, 1);
  assert.match(unknown.stderr, /^devices: device: expected one of auto, .*; got "nonsense"\n$/);
  assert.is(unknown.stdout, "");
  const option = devices(["--bogus"]);
  assert.is(option.status, 1);
  assert.match(option.stderr, /^devices: Unknown option '--bogus'/);
});

test("the self-check notices an error of a few units, and NaN", () => {
  const matmul: typeof reference.matmul = (a, b) => {
    const y = reference.matmul(a, b);
    y.storage.write()[0] *= 1 + 2 ** -10;
    return y;
  };
  assert.ok(Math.max(...selfCheck({ kernels: { matmul } }).map(({ error }) => error)) > 1);
  const spoilt: typeof reference.matmul = (a, b) => {
    const y = reference.matmul(a, b);
    y.storage.write()[1] = NaN;
    return y;
  };
  assert.ok(selfCheck({ kernels: { matmul: spoilt } }).every(({ error }) => Number.isNaN(error)));
});

test.run();
