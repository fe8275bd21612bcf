/**
 * @file Bridge: makes asynchronous WebGPU synchronous, in Node. A worker thread has the device, and the caller blocks
 * in `Atomics.wait` until it answers. Every wait has a limit, and every failure is an error of the call.
 */

import { Worker } from "node:worker_threads";
import type { Limits } from "../limits.ts";
import type { Plan } from "../plan.ts";
import { type Adapter, SessionError, type Statistics, type SyncSession } from "../sync-session.ts";
import { type Answers, Control, type Request } from "./protocol.ts";

/** Milliseconds that opening and every other call may take, not counting the products that it waits for. */
export interface Patience {
  readonly start: number;
  readonly call: number;
}
const patient: Patience = { start: 60_000, call: 30_000 };

/**
 * Multiplications a millisecond of the slowest adapter. SwiftShader on one slow core does 30,000, with 4-bit codes
 * 10,000.
 */
const SLOWEST = 3_000;

type Op = Request["op"];
/** A request without `freed`, which `#request` adds. */
type Body<O extends Op> = Omit<Extract<Request, { op: O }>, "freed">;

/**
 * A session in a worker thread. The worker does not keep the program alive; it ends with `close`, or when it is lost.
 */
export class Bridge implements SyncSession {
  readonly adapter: Adapter;
  readonly limits: Limits;
  readonly #worker: Worker;
  readonly #control = new Control();
  readonly #patience: Patience;
  /** Arrays to be freed, which the worker learns with the next request. */
  #freed: number[] = [];
  /** Multiplications that were requested since the last download, and may not be done yet. */
  #pending = 0;
  /** Why the session has ended, once it has. */
  #ended: string | null = null;

  /**
   * @param entry the worker's program
   * @throws SessionError when no device answers
   */
  constructor(entry: URL, patience: Patience = patient) {
    this.#patience = patience;
    this.#worker = startWorker(entry, { memory: this.#control.memory });
    this.#worker.unref(); // the worker does not keep the program alive
    this.#worker.on("error", () => {}); // the caller learns of it through shared memory
    try {
      const opened = this.#request<"open">({ op: "open" }, patience.start);
      this.adapter = opened.adapter;
      this.limits = opened.limits;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  upload(data: Float32Array): number {
    const shared = new Float32Array(new SharedArrayBuffer(data.byteLength));
    shared.set(data);
    return this.#request<"upload">({ op: "upload", data: shared });
  }

  matmul(plan: Plan, a: number, b: number): number {
    const [x, y, z] = plan.output;
    this.#pending += x * y * z * plan.arguments.inner;
    return this.#request<"matmul">({ op: "matmul", plan, a, b });
  }

  download(array: number, length: number): Float32Array {
    const into = new Float32Array(new SharedArrayBuffer(4 * length));
    this.#request<"download">({ op: "download", array, into });
    this.#pending = 0;
    return into.slice();
  }

  /** The array is freed before the next request. */
  free(array: number): void {
    this.#freed.push(array);
  }

  statistics(): Statistics {
    return this.#request<"statistics">({ op: "statistics" });
  }

  close(): void {
    this.#ended ??= "it was closed";
    void this.#worker.terminate();
  }

  #request<O extends Op>(
    body: Body<O>,
    patience = this.#patience.call + this.#pending / SLOWEST,
  ): Answers[O] {
    if (this.#ended !== null) throw new SessionError("lost", this.#ended);
    const freed = this.#freed;
    this.#freed = [];
    this.#control.clear();
    this.#worker.postMessage({ ...body, freed });
    const { status, text } = this.#control.wait(patience);
    if (status === "done") return JSON.parse(text) as Answers[O];
    if (status !== "lost" && status !== "pending") throw new SessionError(status, text);
    this.#ended = status === "lost" ? text : `no answer to ${body.op} within ${Math.round(patience)} ms`;
    this.close();
    throw new SessionError("lost", this.#ended);
  }
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
