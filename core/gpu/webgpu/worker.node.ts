/** @file The program of the worker thread that has the WebGPU device in Node. bridge.node.ts starts it. */

import { openWebGpuSession } from "../session.ts";
import { loadDawn, serveThread } from "./dawn.node.ts";

serveThread(async () => openWebGpuSession(await loadDawn()));
