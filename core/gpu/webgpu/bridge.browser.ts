/**
 * @file The bridge in a browser. A program that runs in a worker of a cross-origin isolated page may block, so it can
 * wait for a worker of its own that has the device.
 *
 *     page                worker: the program              worker in it: `serveWebGpu`
 *                         await loadGpu({ worker })    →   comes up, says so
 *                         a.matmul(b) blocks           →   asks WebGPU, answers in shared memory
 *
 * A worker cannot come up while the one that starts it is blocked. That is why `loadGpu` starts it, and not the first
 * product.
 */

import { SessionError } from "../sync-session.ts";
import { Bridge } from "./bridge.ts";
import { Control, type Request } from "./protocol.ts";

/** Milliseconds in which the worker has to come up. */
const PATIENCE = 30_000;

/**
 * The worker's first message, and its answer when it is up. It must not speak first: Chromium holds messages to a worker
 * back until this thread has taken note that the worker's program ran, and this thread will block.
 */
export const HELLO = "lowrank: is WebGPU served?";
export const READY = "lowrank: WebGPU is served";

/** The message with which a session begins. The session's requests come through the port. */
export interface Greeting {
  readonly memory: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** Opens sessions in one worker, which is up. */
export type OpenBridge = () => Bridge;

/**
 * Starts the worker, and waits until it is up.
 *
 * @param make starts a worker whose program calls `serveWebGpu`
 * @throws SessionError when this thread may not wait for it, or it does not come up
 */
export async function startBridges(make: () => Worker): Promise<OpenBridge> {
  requireWaiting();
  const worker = make();
  await isUp(worker);
  let hung = false;
  return () => {
    if (hung) throw new SessionError("absent", "the worker with WebGPU hung; await loadGpu again");
    const control = new Control();
    const { port1, port2: port } = new MessageChannel();
    worker.postMessage({ memory: control.memory, port } satisfies Greeting, [port]);
    return new Bridge({
      control,
      post: (request) => port1.postMessage(request),
      end: (hangs) => {
        port1.postMessage({ op: "close", freed: [] } satisfies Request);
        port1.close();
        if (!hangs) return;
        hung = true;
        worker.terminate();
      },
    });
  };
}

/** @throws SessionError unless this thread has shared memory and may block */
function requireWaiting(): void {
  if (typeof SharedArrayBuffer === "undefined")
    throw new SessionError("absent", "WebGPU needs a cross-origin isolated page, whose threads share memory");
  if (typeof document !== "undefined")
    throw new SessionError(
      "absent",
      "WebGPU needs a program that runs in a worker, which may wait; use gpu:webgl2",
    );
}

function isUp(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      worker.terminate();
      reject(new SessionError("absent", `the worker with WebGPU did not come up: ${reason}`));
    };
    const timer = setTimeout(() => fail(`it was not up within ${PATIENCE / 1000} s`), PATIENCE);
    worker.addEventListener("error", ({ message }) => fail(message || "the browser gives no reason"), {
      once: true,
    });
    worker.addEventListener("message", function listen({ data }) {
      if (data !== READY) return;
      worker.removeEventListener("message", listen);
      clearTimeout(timer);
      resolve();
    });
    worker.postMessage(HELLO);
  });
}
