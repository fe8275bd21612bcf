/**
 * @file Opening a session in Node. The library imports this as `#gpu`; in a browser it gets `platform.browser.ts`
 * instead.
 */

import { createRequire } from "node:module";
import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, SessionError, type SyncSession } from "./sync-session.ts";
import { Bridge } from "./webgpu/bridge.node.ts";
import { mayHaveDriver } from "./webgpu/vulkan.node.ts";

/**
 * Opens a session of a mode. gpu.js is loaded here, so that a program that computes on the cpu never loads it.
 * @throws SessionError when the mode does not work here
 */
export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgpu") {
    if (!mayHaveDriver())
      throw new SessionError("absent", "no adapter answers: no Vulkan driver is installed");
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    return new Bridge(new URL(`./webgpu/worker.node.${extension}`, import.meta.url));
  }
  if (mode === "webgl2") throw new SessionError("absent", "WebGL 2 is found in browsers only");
  try {
    return openSyncSession(createRequire(import.meta.url)("gpu.js") as GpuJs, mode);
  } catch (error) {
    const failed = error instanceof SessionError && error.fault !== "absent";
    if (mode !== "headlessgl" || failed) throw error;
    throw new SessionError("absent", "no context: it needs the npm package gl, version 8, and a display");
  }
}
