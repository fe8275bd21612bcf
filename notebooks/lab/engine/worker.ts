/**
 * @file The worker of the page: the engine behind Comlink. Where the page is cross-origin isolated it starts its own program
 * a second time, as the worker that has WebGPU.
 */
import { expose } from "comlink";
import { serveWebGpu } from "lowrank/core";
import { createEngine } from "./engine.ts";

const WEBGPU = "lowrank WebGPU";

const { name, location } = globalThis as { readonly name?: string; readonly location: Location };
if (name === WEBGPU) serveWebGpu();
else expose(createEngine({ worker: () => new Worker(location.href, { name: WEBGPU }) }));
