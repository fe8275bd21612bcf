/** @file A worker whose device has WebGPU's default limits: 128 MiB in a buffer that kernels use. */

import { openWebGpuSession } from "../../../../core/gpu/session.ts";
import { loadDawn, serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";
import { keepDevice } from "./replacing.ts";

serveThread(async () => {
  const library = await loadDawn();
  keepDevice();
  return openWebGpuSession(library);
});
