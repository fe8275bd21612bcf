/** @file A worker that crashes at the first upload. */

import { openWebGpuSession } from "../../../../core/gpu/session.ts";
import { loadDawn, serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";
import { replacing } from "./replacing.ts";

serveThread(async () =>
  replacing(await openWebGpuSession(await loadDawn()), {
    upload: () => {
      setTimeout(() => {
        throw new Error("crashed on purpose");
      });
      return new Promise(() => {});
    },
  }),
);
