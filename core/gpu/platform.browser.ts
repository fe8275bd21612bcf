/**
 * @file gpu.js in a browser, loaded when `loadGpu` asks for it, in the modes in which it answers at once. See
 * `platform.node.ts`.
 */

import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, SessionError, type SyncSession } from "./sync-session.ts";

/** gpu.js, once it is loaded. */
let library: GpuJs | null = null;

/**
 * Loads gpu.js, which bundlers put into a chunk of its own because of the dynamic import. Its browser build exports one
 * class with everything on it, which bundlers provide as the default export.
 * @throws SessionError when it cannot be loaded
 */
export async function loadLibrary(): Promise<void> {
  if (library) return;
  try {
    const loaded: { readonly default?: unknown } = await import("gpu.js");
    library = (loaded.default ?? loaded) as GpuJs;
  } catch (error) {
    throw new SessionError(
      "missing",
      `gpu.js cannot be loaded: npm i gpu.js, and bundle the page again (${(error as Error).message})`,
    );
  }
}

/** Opens a session of a mode. @throws SessionError when the mode does not work here, or gpu.js is not loaded */
export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgpu") {
    throw new SessionError("absent", "WebGPU answers asynchronously in a browser; use gpu:webgl2");
  }
  if (mode === "headlessgl") throw new SessionError("absent", "headless GL is for Node; use gpu:webgl2");
  if (!library) throw new SessionError("missing", "not loaded: in a browser, first await loadGpu()");
  return openSyncSession(library, mode);
}
