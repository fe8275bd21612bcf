/** @file A server on localhost for the page, its scripts and the oracles; cross-origin isolated, as threads need. */

import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

/** The path of a page whose policy allows its scripts and no more: WebAssembly is forbidden. */
export const STRICT_PAGE = "strict";
const strict = { "Content-Security-Policy": "script-src 'self'" };

/** Serves `scripts`, by path, and the files of the folder `oracles`, if any, until closed. */
export async function serve(
  scripts: ReadonlyMap<string, Uint8Array>,
  oracles?: string,
): Promise<{ url: string; server: Server }> {
  const paths = (oracles === undefined ? [] : readdirSync(oracles, { recursive: true, encoding: "utf8" }))
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => /\.(json|safetensors)$/.test(path));
  const files = new Map<string, () => { type: string; body: string | Uint8Array }>([
    ["/", () => ({ type: "text/html", body: html })],
    [`/${STRICT_PAGE}`, () => ({ type: "text/html", body: html })],
    ...Array.from(scripts, ([path, body]) => [path, () => ({ type: "text/javascript", body })] as const),
    ["/oracles/", () => ({ type: "application/json", body: JSON.stringify(paths) })],
    ...paths.map((path) => {
      const read = () => ({
        type: "application/octet-stream",
        body: readFileSync(join(oracles ?? "", path)),
      });
      return [`/oracles/${path}`, read] as const;
    }),
  ]);
  const server = createServer(({ url = "/" }, response) => {
    const file = files.get(decodeURIComponent(url));
    if (!file) return void response.writeHead(404).end();
    const { type, body } = file();
    const policy = url === `/${STRICT_PAGE}` ? strict : {};
    response.writeHead(200, { ...isolation, ...policy, "Content-Type": type }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}
