/** @file The page's worker: runs a device, and answers with the results or with what went wrong. */

import { runOn } from "./on-device.ts";

const worker = (): Worker => new Worker("/gpu-worker.js", { type: "module" });

addEventListener("message", async ({ data: { name, only } }) => {
  postMessage(await runOn(name, only, { worker }).catch((error: Error) => error.message));
});
