/** @file A turn of the event loop: what waits for it, such as a click, a timer or a frame, comes first. */

/** Resolves when the event loop has had a turn. Unlike with `setTimeout`, pages do not wait for 4 ms. */
export function turn(): Promise<void> {
  const { setImmediate } = globalThis;
  if (setImmediate) return new Promise((resolve) => void setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
