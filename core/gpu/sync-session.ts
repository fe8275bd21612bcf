/**
 * @file SyncSession: the interface to gpu.js for the rest of the device. A session keeps arrays by number, multiplies
 * them, and answers at once. Also the modes of gpu.js, and the errors of a session.
 */

import type { Limits } from "./limits.ts";
import type { Plan } from "./plan.ts";

/** The modes of gpu.js: WebGPU, WebGL 2, WebGL 1 in Node, WebAssembly without a GPU, and JavaScript loops. */
export type GpuMode = "webgpu" | "webgl2" | "headlessgl" | "webasm" | "cpu";

/** What `loadGpu` takes in a browser. */
export interface LoadGpuOptions {
  /**
   * Starts a worker whose program calls `serveWebGpu`, for a program that runs in a worker of a cross-origin isolated
   * page: it may wait for that worker, and `gpu:webgpu` works in it. What it returns is a `Worker`, which types without
   * those of the DOM do not know.
   *
   * @default no WebGPU in a browser
   */
  readonly worker?: () => { postMessage(message: unknown): void; terminate(): void };
}

/**
 * What went wrong: `missing`, a package that the mode needs is not installed, or in a browser not loaded; `absent`, there
 * is no adapter for the mode here; `failed`, one call did not succeed; `memory`, the device is out of memory, which may
 * pass once arrays are freed; `lost`, the device is gone and the session ends.
 */
export type Fault = "missing" | "absent" | "failed" | "memory" | "lost";

/** An error of a session, with what it means for the caller. */
export class SessionError extends Error {
  readonly fault: Fault;
  /** What more there is to say where one is alone, and not a row of a list. */
  readonly advice: string;

  constructor(fault: Fault, message: string, advice = "") {
    super(message);
    this.fault = fault;
    this.advice = advice;
  }
}

/** The hardware or software that computes. */
export interface Adapter {
  readonly name: string;
  /** True when no GPU computes: the adapter is an emulation, or there is none. */
  readonly software: boolean;
}

/** Counts of what a session has done, and of the arrays that it holds now. */
export interface Statistics {
  readonly uploads: number;
  readonly products: number;
  readonly downloads: number;
  readonly arrays: number;
}

/** A session that answers at once: a `Session` of this thread, or a `Bridge` to one in a worker thread. */
export interface SyncSession {
  readonly adapter: Adapter;
  readonly limits: Limits;
  /** Copies `data` to the device and returns the number of the array there. */
  upload(data: Float32Array): number;
  /** Multiplies the arrays number `a` and `b`, and returns the number of the result, which stays on the device. */
  matmul(plan: Plan, a: number, b: number): number;
  /** The values of array number `array`, which has `length` of them. */
  download(array: number, length: number): Float32Array;
  /** Frees an array. Its number is not used again. */
  free(array: number): void;
  statistics(): Statistics;
  /** Frees everything. The session cannot be used afterwards. */
  close(): void;
}
