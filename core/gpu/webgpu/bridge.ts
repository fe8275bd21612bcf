/**
 * @file Bridge: makes asynchronous WebGPU synchronous. Another thread has the device, and the caller blocks in
 * `Atomics.wait` until it answers. Every wait has a limit, and every failure is an error of the call.
 */

import type { Limits } from "../limits.ts";
import type { Plan } from "../plan.ts";
import { type Adapter, SessionError, type Statistics, type SyncSession } from "../sync-session.ts";
import type { Answers, Control, Question, Request } from "./protocol.ts";

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

/** The line to the thread that has the device. */
export interface Line {
  /** The memory in which it answers. */
  readonly control: Control;
  post(request: Request): void;
  /** Nothing more is asked. @param hangs true when the thread did not answer in time */
  end(hangs: boolean): void;
}

type Op = Question["op"];
/** A request without `freed`, which `#request` adds. */
type Body<O extends Op> = Omit<Extract<Question, { op: O }>, "freed">;

/** A session in another thread, which has to be up, or to come up by itself while this one is blocked. */
export class Bridge implements SyncSession {
  readonly adapter: Adapter;
  readonly limits: Limits;
  readonly #line: Line;
  readonly #patience: Patience;
  /** Arrays to be freed, which the thread learns with the next request. */
  #freed: number[] = [];
  /** Multiplications that were requested since the last download, and may not be done yet. */
  #pending = 0;
  /** Why the session has ended, once it has. */
  #ended: string | null = null;

  /** @throws SessionError when no device answers */
  constructor(line: Line, patience: Patience = patient) {
    this.#line = line;
    this.#patience = patience;
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
    this.#end("it was closed", false);
  }

  #end(reason: string, hangs: boolean): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#line.end(hangs);
  }

  #request<O extends Op>(
    body: Body<O>,
    patience = this.#patience.call + this.#pending / SLOWEST,
  ): Answers[O] {
    if (this.#ended !== null) throw new SessionError("lost", this.#ended);
    const { control } = this.#line;
    const freed = this.#freed;
    this.#freed = [];
    control.clear();
    this.#line.post({ ...body, freed } as Request);
    const { status, text } = control.wait(patience);
    if (status === "done") return JSON.parse(text) as Answers[O];
    if (status !== "lost" && status !== "pending") throw new SessionError(status, text);
    const hangs = status === "pending";
    const reason = hangs ? `no answer to ${body.op} within ${Math.round(patience)} ms` : text;
    this.#end(reason, hangs);
    throw new SessionError("lost", reason);
  }
}
