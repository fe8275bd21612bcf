/**
 * @file What the cpu device needs of its surroundings: how many cores there are, a thread, and whether this thread may
 * sleep. Node's modules come from `process.getBuiltinModule`, so that bundlers for pages see no import of them.
 */

import { DeviceError } from "../errors.ts";
import { LEAST_MIB, MOST_MIB } from "./memory.ts";

const { process, navigator } = globalThis as {
  process?: NodeJS.Process;
  navigator?: { readonly hardwareConcurrency?: number };
};

/** More threads than this are used only when LOWRANK_THREADS or `setThreads` asks for them. */
const DEFAULT_THREADS = 8;

/** LOWRANK_THREADS, or the number of cores up to 8. */
export function defaultThreads(): number {
  const wished = Number(process?.env?.LOWRANK_THREADS);
  if (Number.isInteger(wished) && wished > 0) return wished;
  const cores =
    process?.getBuiltinModule?.("node:os").availableParallelism() ?? navigator?.hardwareConcurrency ?? 1;
  return Math.min(DEFAULT_THREADS, cores);
}

/**
 * LOWRANK_MEMORY_MIB: MiB of the memory that the kernels see, or undefined for as much as the system grants.
 * @throws DeviceError when it is no size
 */
export function wishedMemory(): number | undefined {
  const text = process?.env?.LOWRANK_MEMORY_MIB;
  if (!text) return undefined;
  const wished = Number(text);
  if (Number.isInteger(wished) && wished >= LEAST_MIB && wished <= MOST_MIB) return wished;
  throw new DeviceError(`cpu: LOWRANK_MEMORY_MIB: expected ${LEAST_MIB} to ${MOST_MIB}; got ${text}`);
}

/** False on the main thread of a page. */
export function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** The whole of a worker: the same kernels over the same memory. */
const SOURCE = `
  const serve = ({ module, memory, thread }) =>
    new WebAssembly.Instance(module, { env: { memory } }).exports.serve(thread);
  if (typeof require === "function") serve(require("node:worker_threads").workerData);
  else onmessage = ({ data }) => serve(data);
`;

/**
 * Starts a thread that does not keep the program alive. It comes up a little later; or, where a policy of the page or
 * of Node's permissions forbids threads, never: then this thread does all the work.
 */
export function startWorker(data: WorkerData): void {
  const threads = process?.getBuiltinModule?.("node:worker_threads");
  try {
    if (threads) {
      // Without the options of the parent, such as loaders, which a few lines of JavaScript do not need.
      new threads.Worker(SOURCE, { eval: true, workerData: data, execArgv: [], env: {} }).unref();
    } else {
      const url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
      new Worker(url).postMessage(data);
    }
  } catch {
    // Nothing is lost but time, and `startedWorkers` says so.
  }
}
