/**
 * @file The protocol between the bridge and its worker. Requests are messages. Answers are written to shared memory,
 * because a caller that blocks in `Atomics.wait` receives no messages.
 */

import type { Limits } from "../limits.ts";
import type { Plan } from "../plan.ts";
import type { Adapter, Fault, Statistics } from "../sync-session.ts";

/** A request that is answered. Its arrays are views of shared memory, so sending does not copy them. */
export type Question = { readonly freed: readonly number[] } & (
  | { readonly op: "open" }
  | { readonly op: "upload"; readonly data: Float32Array }
  | { readonly op: "matmul"; readonly plan: Plan; readonly a: number; readonly b: number }
  | { readonly op: "download"; readonly array: number; readonly into: Float32Array }
  | { readonly op: "statistics" }
);

/** A request to the thread that has the device. Nothing is answered to `close`, after which nothing is asked. */
export type Request = Question | { readonly freed: readonly number[]; readonly op: "close" };

/** The answer to `open`. */
export interface Opened {
  readonly adapter: Adapter;
  readonly limits: Limits;
}

/** The type of the answer to each request. */
export interface Answers {
  readonly open: Opened;
  readonly upload: number;
  readonly matmul: number;
  readonly download: null;
  readonly statistics: Statistics;
}

const statuses = ["pending", "done", "missing", "absent", "failed", "memory", "lost"] as const;
/** The state of a request: not answered, done, or failed in one of the ways of a session. */
export type Status = "pending" | "done" | Fault;

const HEADER = 3; // int32s: the status, the length of the text, and 1 once the worker has ended
const TEXT_BYTES = 16384;

/**
 * The shared memory of one worker: a status to wait on, and a text, which is the answer as JSON or an error message.
 */
export class Control {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #text: Uint8Array;

  constructor(memory = new SharedArrayBuffer(4 * HEADER + TEXT_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, HEADER);
    this.#text = new Uint8Array(memory, 4 * HEADER);
  }

  /** The caller calls this before each request. */
  clear(): void {
    Atomics.store(this.#words, 0, 0);
  }

  /** The caller waits for the answer, at most `patience` milliseconds; then the status is still "pending". */
  wait(patience: number): { status: Status; text: string } {
    if (Atomics.load(this.#words, 2) === 1) return { status: "lost", text: "its worker has ended" };
    // The wait may end early: the notification of the last answer can arrive while the caller waits for this one.
    const deadline = performance.now() + patience;
    while (Atomics.load(this.#words, 0) === 0 && performance.now() < deadline) {
      Atomics.wait(this.#words, 0, 0, deadline - performance.now());
    }
    const length = this.#words[1];
    return {
      status: statuses[Atomics.load(this.#words, 0)],
      text: new TextDecoder().decode(this.#text.slice(0, length)),
    };
  }

  /** The worker answers the request. */
  answer(status: Exclude<Status, "pending">, text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, TEXT_BYTES);
    this.#text.set(bytes);
    this.#words[1] = bytes.length;
    Atomics.store(this.#words, 0, statuses.indexOf(status));
    Atomics.notify(this.#words, 0);
  }

  /** The worker says that it ends, and why. */
  end(text: string): void {
    Atomics.store(this.#words, 2, 1);
    this.answer("lost", text);
  }
}
