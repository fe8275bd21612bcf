/** @file A worker that ends before it has served anything. */

import { serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";

serveThread(() => process.exit(1));
