/**
 * @file Opening a session in a browser, in one of the modes in which gpu.js answers at once. See `platform.node.ts`.
 */

import * as gpujs from "gpu.js";
import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, SessionError, type SyncSession } from "./sync-session.ts";

/** gpu.js's browser build exports one class with everything on it, which bundlers provide as the default export. */
const library = ((gpujs as { default?: unknown }).default ?? gpujs) as GpuJs;

/** Opens a session of a mode. @throws SessionError when the mode does not work here */
export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgpu") {
    throw new SessionError("absent", "WebGPU answers asynchronously in a browser; use gpu:webgl2");
  }
  if (mode === "headlessgl") throw new SessionError("absent", "headless GL is for Node; use gpu:webgl2");
  return openSyncSession(library, mode);
}
