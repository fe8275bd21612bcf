/** @file gpu.js in a browser: its synchronous modes. The function of `platform.node.ts`. */

import * as gpujs from "gpu.js";
import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, SessionError, type SyncSession } from "./sync-session.ts";

/** gpu.js's browser build exports one class that carries everything; bundlers hand it over as the default. */
const library = ((gpujs as { default?: unknown }).default ?? gpujs) as GpuJs;

export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgpu") {
    throw new SessionError("absent", "WebGPU answers asynchronously in a browser; use gpu:webgl2");
  }
  if (mode === "headlessgl") throw new SessionError("absent", "headless GL is for Node; use gpu:webgl2");
  return openSyncSession(library, mode);
}
