/**
 * @file What a caller and the worker that owns a WebGPU device say to each other. Requests are messages; the
 * answer is written to shared memory, since a caller who blocks in `Atomics.wait` receives no messages.
 */

import type { Limits } from "../limits.ts";
import type { Plan } from "../plan.ts";
import type { Adapter, Fault, Statistics } from "../sync-session.ts";

/** Arrays in a request are views of shared memory: neither side copies to send. */
export type Request = { readonly freed: readonly number[] } & (
  | { readonly op: "open" }
  | { readonly op: "upload"; readonly data: Float32Array }
  | { readonly op: "matmul"; readonly plan: Plan; readonly a: number; readonly b: number }
  | { readonly op: "download"; readonly array: number; readonly into: Float32Array }
  | { readonly op: "statistics" }
);

export interface Opened {
  readonly adapter: Adapter;
  readonly limits: Limits;
}

/** The value that each request is answered with. */
export interface Answers {
  readonly open: Opened;
  readonly upload: number;
  readonly matmul: number;
  readonly download: null;
  readonly statistics: Statistics;
}

const statuses = ["pending", "done", "absent", "failed", "memory", "lost"] as const;
export type Status = "pending" | "done" | Fault;

const HEADER = 3; // int32s: status, length of the text, 1 once the worker has ended
const TEXT_BYTES = 16384;

/** The shared memory of one worker: a status to wait on, and a text, JSON of the value or the error's message. */
export class Control {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #text: Uint8Array;

  constructor(memory = new SharedArrayBuffer(4 * HEADER + TEXT_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, HEADER);
    this.#text = new Uint8Array(memory, 4 * HEADER);
  }

  /** Caller: before a request. */
  clear(): void {
    Atomics.store(this.#words, 0, 0);
  }

  /** Caller: blocks until an answer, the worker's end, or `patience` milliseconds, which leave "pending". */
  wait(patience: number): { status: Status; text: string } {
    if (Atomics.load(this.#words, 2) === 1) return { status: "lost", text: "its worker has ended" };
    // A caller who saw the last answer before it was told of it is woken for that answer while waiting for this one.
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

  /** Worker: the answer to the request. */
  answer(status: Exclude<Status, "pending">, text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, TEXT_BYTES);
    this.#text.set(bytes);
    this.#words[1] = bytes.length;
    Atomics.store(this.#words, 0, statuses.indexOf(status));
    Atomics.notify(this.#words, 0);
  }

  /** Worker: its last word. */
  end(text: string): void {
    Atomics.store(this.#words, 2, 1);
    this.answer("lost", text);
  }
}
