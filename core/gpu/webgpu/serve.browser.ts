/** @file The program of the worker that has the WebGPU device in a browser. bridge.browser.ts asks it. */

import type { GpuJs } from "../gpu-js.ts";
import { openWebGpuSession } from "../session.ts";
import { SessionError } from "../sync-session.ts";
import { type Greeting, HELLO, READY } from "./bridge.browser.ts";
import { Control } from "./protocol.ts";
import { server } from "./serve.ts";

/** The worker's own global object, of which the page's types know nothing. */
interface WorkerScope {
  addEventListener(type: "message", listener: (event: MessageEvent<Greeting | typeof HELLO>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  postMessage(message: unknown): void;
}

/** Answers the sessions of `bridge.browser.ts` until the worker ends. @param load loads gpu.js */
export function serve(load: () => Promise<GpuJs>): void {
  const scope = globalThis as unknown as WorkerScope;
  const controls: Control[] = [];
  scope.addEventListener("error", ({ message }) => {
    for (const control of controls) control.end(`its worker crashed: ${message}`);
  });
  scope.addEventListener("message", ({ data }) => {
    if (data === HELLO) return scope.postMessage(READY);
    const { memory, port } = data;
    controls.push(new Control(memory));
    const perform = server(memory, async () => {
      requireAdapter();
      return openWebGpuSession(await load());
    });
    port.onmessage = ({ data }) => void perform(data);
  });
}

/** From now on an adapter is asked for as the Node worker does: the fast one, and with a sentence where there is none. */
function requireAdapter(): void {
  const { gpu } = navigator;
  if (!gpu) throw new SessionError("absent", "this browser has no WebGPU");
  const requestAdapter = (Object.getPrototypeOf(gpu) as GPU).requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter({ powerPreference: "high-performance", ...options });
    if (adapter) return adapter;
    throw new SessionError("absent", "no adapter answers; the browser has WebGPU, but no GPU for it");
  };
}
