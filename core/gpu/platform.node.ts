/**
 * @file Opening a session in Node. gpu.js and webgpu are optional packages, looked for when a gpu device is first asked
 * for: a program that computes on the cpu never loads them. The library imports this as `#gpu`; in a browser it gets
 * `platform.browser.ts` instead.
 */

import { createRequire } from "node:module";
import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, type LoadGpuOptions, SessionError, type SyncSession } from "./sync-session.ts";
import { openBridge } from "./webgpu/bridge.node.ts";
import { mayHaveDriver } from "./webgpu/vulkan.node.ts";

/** Checks that gpu.js is installed; in Node `openSession` loads it. @throws SessionError when it is not */
export async function loadLibrary(_options: LoadGpuOptions): Promise<void> {
  checkInstalled("gpu.js");
}

/** @throws SessionError always: Node starts a worker of its own */
export function serveWebGpu(): never {
  throw new SessionError(
    "absent",
    "it is for a worker of a page; in Node gpu:webgpu starts a worker of its own",
  );
}

/** Opens a session of a mode. @throws SessionError when the mode does not work here, or a package is not installed */
export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgl2") throw new SessionError("absent", "WebGL 2 is found in browsers only");
  if (mode === "webgpu") {
    checkInstalled("gpu.js", "webgpu");
    if (!mayHaveDriver())
      throw new SessionError("absent", "no adapter answers: no Vulkan driver is installed");
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    return openBridge(new URL(`./webgpu/worker.node.${extension}`, import.meta.url));
  }
  checkInstalled("gpu.js");
  try {
    return openSyncSession(createRequire(import.meta.url)("gpu.js") as GpuJs, mode);
  } catch (error) {
    const failed = error instanceof SessionError && error.fault !== "absent";
    if (mode !== "headlessgl" || failed) throw error;
    throw new SessionError("absent", "no context: it needs the npm package gl, version 8, and a display");
  }
}

/** @throws SessionError unless these packages are installed */
function checkInstalled(...packages: readonly string[]): void {
  if (packages.every(isInstalled)) return;
  throw new SessionError(
    "missing",
    `not installed: npm i ${packages.join(" ")}`,
    ' (where npm then builds gl, which takes minutes and is not needed, "overrides": ' +
      '{ "gl": "npm:empty-npm-package@1.0.0" } in package.json prevents it)',
  );
}

/** True when a package can be loaded from here. It is not loaded. */
function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_PACKAGE_PATH_NOT_EXPORTED"; // there, for `import` alone
  }
}
