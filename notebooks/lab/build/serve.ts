/** @file A server on the loopback address for one page, cross-origin isolated, as threads need. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** With these headers a page may share memory between threads. */
export const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
} as const;

/** Serves the file at `path` under "/", on a free port, until closed. It is read anew for each request. */
export async function servePage(path: string): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(async ({ method, url = "/" }, response) => {
    if (!["GET", "HEAD"].includes(method ?? "") || url.split("?")[0] !== "/")
      return void response.writeHead(404).end();
    try {
      const body = await readFile(path);
      const headers = { ...isolation, "Content-Type": "text/html", "Cache-Control": "no-store" };
      response.writeHead(200, headers).end(body);
    } catch (error) {
      response.writeHead(500, { "Content-Type": "text/plain" }).end((error as Error).message);
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}
