/** @file A worker on Dawn's null backend: it computes nothing, but its memory ends at 512 MiB. */

import { Session } from "../../../../core/gpu/session.ts";
import { loadDawn, serveThread } from "../../../../core/gpu/webgpu/dawn.node.ts";

serveThread(async () => {
  const session = new Session(await loadDawn(["backend=null"]), "webgpu");
  await session.start(); // without a look at the product
  return session;
});
