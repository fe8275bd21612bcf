/** @file The worker thread that owns the WebGPU device in Node. bridge.node.ts starts it. */

import { loadDawn, serveThread } from "./dawn.node.ts";
import { openWebGpuSession } from "./session.ts";

serveThread(async () => openWebGpuSession(await loadDawn()));
