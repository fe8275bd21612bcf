/**
 * @file gpu.js in a browser, loaded when `loadGpu` asks for it: in the modes in which it answers at once, and in WebGPU,
 * through a worker, for a program that runs in one itself. See `platform.node.ts`.
 */

import type { GpuJs } from "./gpu-js.ts";
import { openSyncSession } from "./session.ts";
import { type GpuMode, type LoadGpuOptions, SessionError, type SyncSession } from "./sync-session.ts";
import { type OpenBridge, startBridges } from "./webgpu/bridge.browser.ts";
import { serve } from "./webgpu/serve.browser.ts";

/** gpu.js, once it is loaded. */
let library: GpuJs | null = null;

/** Opens a session in the worker with WebGPU, or says why there is none. */
let openBridge: OpenBridge = () => {
  throw new SessionError("absent", "WebGPU in a browser needs a worker: see loadGpu; or use gpu:webgl2");
};

/**
 * Loads gpu.js, and starts the worker with WebGPU. Where this program cannot have one, `openSession` says why.
 * @throws SessionError when gpu.js cannot be loaded
 */
export async function loadLibrary({ worker }: LoadGpuOptions): Promise<void> {
  library ??= await importLibrary();
  if (!worker) return;
  try {
    openBridge = await startBridges(worker as () => Worker);
  } catch (error) {
    openBridge = () => {
      throw error instanceof SessionError ? error : new SessionError("absent", (error as Error).message);
    };
  }
}

/**
 * gpu.js, which bundlers put into a chunk of its own because of the dynamic import. Its browser build exports one class
 * with everything on it, which bundlers provide as the default export.
 */
async function importLibrary(): Promise<GpuJs> {
  try {
    const loaded: { readonly default?: unknown } = await import("gpu.js");
    return (loaded.default ?? loaded) as GpuJs;
  } catch (error) {
    throw new SessionError(
      "missing",
      `gpu.js cannot be loaded: npm i gpu.js, and bundle the page again (${(error as Error).message})`,
    );
  }
}

/** Answers as the worker with WebGPU. */
export function serveWebGpu(): void {
  serve(async () => (library ??= await importLibrary()));
}

/** Opens a session of a mode. @throws SessionError when the mode does not work here, or gpu.js is not loaded */
export function openSession(mode: GpuMode): SyncSession {
  if (mode === "webgpu") return openBridge();
  if (mode === "headlessgl") throw new SessionError("absent", "headless GL is for Node; use gpu:webgl2");
  if (!library) throw new SessionError("missing", "not loaded: in a browser, first await loadGpu()");
  return openSyncSession(library, mode);
}
