/**
 * @file The platform under the cpu device, Node or a browser: the number of cores, settings in the environment,
 * threads, and whether this thread may sleep. Node's modules come from `process.getBuiltinModule`, so that bundlers
 * for pages see no import of them.
 */

import { DeviceError } from "../errors.ts";
import { LEAST_MIB, MOST_MIB } from "./memory.ts";

const { process, navigator } = globalThis as {
  process?: NodeJS.Process;
  navigator?: { readonly hardwareConcurrency?: number };
};

/** More threads than this are used only when LOWRANK_THREADS or `setThreads` asks for them. */
const DEFAULT_THREADS = 8;

/** The threads that LOWRANK_THREADS asks for. Defaults to the number of cores, at most 8. */
export function defaultThreads(): number {
  const wished = Number(process?.env?.LOWRANK_THREADS);
  if (Number.isInteger(wished) && wished > 0) return wished;
  const cores =
    process?.getBuiltinModule?.("node:os").availableParallelism() ?? navigator?.hardwareConcurrency ?? 1;
  return Math.min(DEFAULT_THREADS, cores);
}

/**
 * The size of the kernels' memory that LOWRANK_MEMORY_MIB asks for, in MiB; undefined when the variable is not set.
 * @throws DeviceError when its value is not a size
 */
export function wishedMemory(): number | undefined {
  const text = process?.env?.LOWRANK_MEMORY_MIB;
  if (!text) return undefined;
  const wished = Number(text);
  if (Number.isInteger(wished) && wished >= LEAST_MIB && wished <= MOST_MIB) return wished;
  throw new DeviceError(`cpu: LOWRANK_MEMORY_MIB: expected ${LEAST_MIB} to ${MOST_MIB}; got ${text}`);
}

/** True when this thread may block in `Atomics.wait`. The main thread of a page may not. */
export function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** What a worker receives when it starts. */
export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** The program of a worker: an instance of the same kernels over the same memory, which serves jobs until the end. */
const SOURCE = `
  const serve = ({ module, memory, thread }) =>
    new WebAssembly.Instance(module, { env: { memory } }).exports.serve(thread);
  if (typeof require === "function") serve(require("node:worker_threads").workerData);
  else onmessage = ({ data }) => serve(data);
`;

/**
 * Starts a worker, which does not keep the program alive. It comes up a little later. Where a policy of the page or
 * Node's permissions forbid threads it never comes up, and this thread does all the work.
 */
export function startWorker(data: WorkerData): void {
  const threads = process?.getBuiltinModule?.("node:worker_threads");
  try {
    if (threads) {
      // Without the options of this process, such as loaders: a few lines of JavaScript do not need them.
      new threads.Worker(SOURCE, { eval: true, workerData: data, execArgv: [], env: {} }).unref();
    } else {
      const url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
      new Worker(url).postMessage(data);
    }
  } catch {
    // Only time is lost, and `startedWorkers` shows it.
  }
}
