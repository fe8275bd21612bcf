/** @file The bridge in Node: a worker thread has the device. */

import { Worker } from "node:worker_threads";
import { Bridge, type Patience } from "./bridge.ts";
import { Control } from "./protocol.ts";

/**
 * A session in a worker thread of its own. The worker does not keep the program alive; it ends with `close`, or when it
 * is lost.
 *
 * @param entry the worker's program
 * @throws SessionError when no device answers
 */
export function openBridge(entry: URL, patience?: Patience): Bridge {
  const control = new Control();
  const worker = startWorker(entry, { memory: control.memory });
  worker.unref(); // the worker does not keep the program alive
  worker.on("error", () => {}); // the caller learns of it through shared memory
  const line = {
    control,
    post: (request: object) => worker.postMessage(request),
    end: () => void worker.terminate(),
  };
  return new Bridge(line, patience);
}

/**
 * Starts the worker: directly from built JavaScript, through tsx from TypeScript sources, since tsx does not hook new
 * threads by itself. Modules that the program was started with (`--import`) are not loaded: an error in one would go
 * unseen.
 */
function startWorker(entry: URL, workerData: object): Worker {
  if (!entry.pathname.endsWith(".ts")) return new Worker(entry, { workerData, execArgv: [] });
  const bootstrap = `import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};
    register();
    await import(${JSON.stringify(entry.href)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(bootstrap)}`), {
    workerData,
    execArgv: [],
  });
}
