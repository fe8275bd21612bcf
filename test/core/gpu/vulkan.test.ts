/** @file Dawn is asked only where a Vulkan driver may answer: elsewhere it fills standard error with warnings. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mayHaveDriver } from "../../../core/gpu/webgpu/vulkan.node.ts";

const test = suite<{ folder: string }>("gpu: Vulkan drivers");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "vulkan-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

/** An environment whose folders all lie in `folder`; of the loader's places only /etc is not among them. */
const environment = (folder: string): NodeJS.ProcessEnv => ({
  HOME: join(folder, "home"),
  XDG_CONFIG_DIRS: `${folder}/xdg:${folder}/xdg-too`,
  XDG_DATA_DIRS: `${folder}/share:${folder}/local`,
});

test("a driver is found wherever the Vulkan loader looks", ({ folder }) => {
  const found: readonly [env: NodeJS.ProcessEnv, manifest: string][] = [
    [{}, "home/.config/vulkan/icd.d/a.json"],
    [{ XDG_CONFIG_HOME: `${folder}/settings` }, "settings/vulkan/icd.d/a.json"],
    [{}, "xdg-too/vulkan/icd.d/a.json"],
    [{}, "home/.local/share/vulkan/icd.d/a.json"],
    [{ XDG_DATA_HOME: `${folder}/data` }, "data/vulkan/icd.d/a.json"],
    [{}, "share/vulkan/icd.d/a.json"],
    [{}, "local/vulkan/icd.d/a.json"],
    [{ VK_DRIVER_FILES: `${folder}/none.json:${folder}/mine.json` }, "mine.json"],
    [{ VK_DRIVER_FILES: `${folder}/mine` }, "mine/a.json"],
    [{ VK_ICD_FILENAMES: `${folder}/mine.json` }, "mine.json"],
    [{ VK_ADD_DRIVER_FILES: `${folder}/mine.json` }, "mine.json"],
  ];
  const elsewhere = mayHaveDriver(environment(folder), "linux"); // in /etc
  for (const [env, manifest] of found) {
    const all = { ...environment(folder), ...env };
    const forced = Object.keys(env).some((name) => /^VK_(DRIVER|ICD)/.test(name));
    assert.is(mayHaveDriver(all, "linux"), forced ? false : elsewhere, `before ${manifest}`);
    const path = join(folder, manifest);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "{}");
    assert.is(mayHaveDriver(all, "linux"), true, manifest);
    rmSync(path);
  }
  assert.is(mayHaveDriver({ VK_DRIVER_FILES: "/nowhere" }, "darwin"), true, "macOS brings Metal");
  assert.is(mayHaveDriver({ VK_DRIVER_FILES: "/nowhere" }, "win32"), true, "Windows brings Direct3D");
});

test("a path that cannot be followed holds no driver", ({ folder }) => {
  const loop = join(folder, "loop");
  symlinkSync(loop, loop);
  assert.is(mayHaveDriver({ VK_DRIVER_FILES: loop }, "linux"), false);
});

test("looking for a GPU writes nothing to standard error", ({ folder }) => {
  const program = `
    import { array, currentDevice, listDevices, matmul } from "lowrank/core";
    const x = array(new Float32Array(512 * 512).fill(1), [512, 512]);
    console.log(currentDevice().name, matmul(x, x).data[0]);
    console.log(listDevices().find(({ name }) => name === "gpu:webgpu").detail);
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", program],
    {
      encoding: "utf8",
      env: {
        ...process.env,
        LOWRANK_DEVICE: "auto",
        VK_DRIVER_FILES: "",
        VK_ICD_FILENAMES: `${folder}/none`,
      },
    },
  );
  assert.is(stderr, "");
  assert.is(status, 0);
  assert.match(stdout, /^auto 512\n/);
  assert.match(stdout, process.platform === "linux" ? /no adapter answers: no Vulkan driver/ : /gpu:webgpu/);
});

test.run();
