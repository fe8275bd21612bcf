/**
 * @file What the rest of the device sees of gpu.js: `SyncSession`, which holds arrays by number and multiplies them, and
 * answers at once; and the errors of a session.
 */

import type { Limits } from "./limits.ts";
import type { Plan } from "./plan.ts";

export type GpuMode = "webgpu" | "webgl2" | "headlessgl" | "webasm" | "cpu";

/**
 * What went wrong: `absent`, there is no adapter for the mode here; `failed`, one call did not succeed; `memory`, the
 * device is out of memory, which may pass once arrays are freed; `lost`, the device is gone and the session ends.
 */
export type Fault = "absent" | "failed" | "memory" | "lost";

export class SessionError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault, message: string) {
    super(message);
    this.fault = fault;
  }
}

export interface Adapter {
  readonly name: string;
  /** True when no GPU hardware computes: an emulated adapter, or none at all. */
  readonly software: boolean;
}

/** What a session has done, and how many arrays it holds now. */
export interface Statistics {
  readonly uploads: number;
  readonly products: number;
  readonly downloads: number;
  readonly arrays: number;
}

/** What the rest of the device sees: a session that answers at once, itself or behind a worker. */
export interface SyncSession {
  readonly adapter: Adapter;
  readonly limits: Limits;
  upload(data: Float32Array): number;
  matmul(plan: Plan, a: number, b: number): number;
  download(array: number, length: number): Float32Array;
  free(array: number): void;
  statistics(): Statistics;
  close(): void;
}
