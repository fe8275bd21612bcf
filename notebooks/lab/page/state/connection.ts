/**
 * @file The line to the engine. A worker that fails or stops answering does not leave the page waiting: every question then
 * gets an error with one sentence, and a new worker can be started.
 */
import { wrap } from "comlink";
import type { Engine } from "../../engine/types.ts";

export interface Connection {
  /** Asks the engine. @throws Error with one sentence when the worker failed or did not answer */
  ask<T>(question: (engine: Engine) => Promise<T>): Promise<T>;
  close(): void;
}

/** Longest time that one question may take while the page is visible, in seconds. */
const PATIENCE = 60;

/** @throws where the browser refuses a worker */
export function connect(makeWorker: () => Worker): Connection {
  const worker = makeWorker();
  const engine = wrap<Engine>(worker) as unknown as Engine;
  let fail: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => {}); // the questions report it
  worker.addEventListener("error", (event) =>
    fail(new Error(`The worker failed: ${event.message || "the browser gives no reason"}.`)),
  );
  worker.addEventListener("messageerror", () => fail(new Error("The worker sent what cannot be read.")));
  return {
    async ask(question) {
      const { promise, stop } = patience();
      try {
        return await Promise.race([question(engine), failure, promise]);
      } finally {
        stop();
      }
    },
    close() {
      fail(new Error("The worker was ended."));
      worker.terminate();
    },
  };
}

/** Rejects after `PATIENCE` seconds in which the page was visible. */
function patience(): { promise: Promise<never>; stop: () => void } {
  let timer: ReturnType<typeof setInterval> | undefined;
  const promise = new Promise<never>((_, reject) => {
    let waited = 0;
    timer = setInterval(() => {
      if (!document.hidden) waited++;
      if (waited >= PATIENCE) reject(new Error(`The worker did not answer for ${PATIENCE} seconds.`));
    }, 1000);
  });
  return { promise, stop: () => clearInterval(timer) };
}
