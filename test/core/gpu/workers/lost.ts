/** @file A worker whose device is destroyed at the second product. */

import { openWebGpuSession } from "../../../../core/gpu/session.ts";
import { loadDawn, serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";
import { keepDevice, replacing } from "./replacing.ts";

serveThread(async () => {
  const library = await loadDawn();
  const device = keepDevice();
  const session = await openWebGpuSession(library);
  let products = 0;
  return replacing(session, {
    matmul: (plan, a, b) => {
      if (++products === 2) device().destroy();
      return session.matmul(plan, a, b);
    },
  });
});
