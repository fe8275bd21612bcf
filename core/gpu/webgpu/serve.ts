/** @file The worker's side of the bridge: performs requests on a session, one after the other. */

import type { Session } from "../session.ts";
import { SessionError } from "../sync-session.ts";
import { Control, type Question, type Request } from "./protocol.ts";

/** The part of a Session that requests need. Tests serve other objects. */
export type Served = Pick<
  Session,
  "adapter" | "limits" | "upload" | "matmul" | "download" | "free" | "statistics" | "close"
>;

/** Returns a function that performs requests and answers in `memory`. The first request opens the session. */
export function server(
  memory: SharedArrayBuffer,
  open: () => Promise<Served>,
): (request: Request) => Promise<void> {
  const control = new Control(memory);
  let session: Served | null = null;
  return async (request) => {
    if (request.op === "close") return session?.close();
    try {
      session ??= await open();
      for (const array of request.freed) session.free(array);
      control.answer("done", JSON.stringify(await perform(session, request)));
    } catch (error) {
      const { message } = error as Error;
      control.answer(error instanceof SessionError ? error.fault : "failed", message);
    }
  };
}

async function perform(session: Served, request: Question): Promise<unknown> {
  switch (request.op) {
    case "open":
      return { adapter: session.adapter, limits: session.limits };
    case "upload":
      return session.upload(request.data);
    case "matmul":
      return session.matmul(request.plan, request.a, request.b);
    case "download":
      request.into.set(await session.download(request.array));
      return null;
    case "statistics":
      return session.statistics();
  }
}
