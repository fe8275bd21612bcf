/** @file The worker with WebGPU in the page's worker. */

import { serveWebGpu } from "lowrank/core";

serveWebGpu();
