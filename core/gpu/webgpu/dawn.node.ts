/**
 * @file Dawn: WebGPU in a Node thread. The npm package `webgpu` becomes the thread's `navigator.gpu`, which gpu.js
 * uses.
 */

import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { GpuJs } from "../gpu-js.ts";
import { SessionError } from "../sync-session.ts";
import { Control } from "./protocol.ts";
import { type Served, server } from "./serve.ts";

/** Installs Dawn in this thread and loads gpu.js. `flags` are options of Dawn, such as "backend=null". */
export async function loadDawn(flags: string[] = []): Promise<GpuJs> {
  const { create } = await import("webgpu");
  const gpu = create(flags);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter({ powerPreference: "high-performance", ...options });
    if (adapter) return adapter;
    throw new SessionError(
      "absent",
      "no adapter answers; a GPU and its Vulkan, Metal or Direct3D 12 driver are needed",
    );
  };
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  return createRequire(import.meta.url)("gpu.js") as GpuJs;
}

/** Makes this worker thread answer requests with the session of `open`, until the thread ends. */
export function serveThread(open: () => Promise<Served>): void {
  const { memory } = workerData as { memory: SharedArrayBuffer };
  const control = new Control(memory);
  let reason = "its worker ended";
  process.on("uncaughtExceptionMonitor", (error) => {
    reason = `its worker crashed: ${error.message}`;
  });
  process.on("exit", () => control.end(reason));
  parentPort!.on("message", server(memory, open));
}
