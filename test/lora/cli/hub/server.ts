/**
 * @file A server on the loopback address that answers as the Hugging Face Hub does, and fails as it is told to: the
 * addresses api/models/…/revision, api/models/…/tree and …/resolve, commits, hashes in headers, large files on another
 * host (another port), parts of files.
 */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A file of a model: small ones are named by Git's hash, large ones (LFS) by their SHA-256 and lie elsewhere. */
export interface Served {
  readonly bytes: Uint8Array;
  readonly large?: boolean;
}

/** What goes wrong. */
export interface Faults {
  /** Breaks the connection after this many bytes of each answer with the content, for so many answers. */
  cut?: { name: string; after: number; times: number };
  /** Sends nothing more after this many bytes, for so many answers. */
  stall?: { name: string; after: number; times: number };
  /** Never answers requests whose path holds this. */
  silent?: string;
  /** Changes a byte of a file's content on its way. */
  flip?: string;
  /** Sends a file's content with more bytes after it. */
  longer?: string;
  /** Answers requests for parts with the whole. */
  noRanges?: boolean;
  /** Answers these statuses first, to any request. */
  statuses?: { status: number; headers?: Record<string, string>; body?: string }[];
  /** Does not list folders, as some mirrors. */
  noTree?: boolean;
  /** Names that are listed beside the files. */
  extra?: string[];
  /** Says that the listing goes on at another host. */
  nextElsewhere?: boolean;
  /** Is said to be the commit. */
  sha?: unknown;
  /** Is said to be the hash of each file. */
  oid?: unknown;
}

export interface Hub {
  readonly url: string;
  readonly faults: Faults;
  /** "METHOD path" of each request, with its headers. */
  readonly log: { line: string; range?: string; authorization?: string }[];
  /** The files of a model at a commit; `revision` names it, too. */
  add(repo: string, files: Readonly<Record<string, Served | string>>, revision?: string): string;
  close(): Promise<void>;
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const gitHash = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
export const nameOf = ({ bytes, large }: Served): string => (large ? sha256(bytes) : gitHash(bytes));

const PAGE = 3; // few, so that listings have several pages

/** Starts the server. */
export async function startHub(): Promise<Hub> {
  const repos = new Map<
    string,
    { commits: Map<string, Map<string, Served>>; revisions: Map<string, string> }
  >();
  const faults: Faults = {};
  const log: Hub["log"] = [];
  const servers: Server[] = [];
  const listen = async (
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<string> => {
    const server = createServer((request, response) => {
      const { range, authorization } = request.headers;
      log.push({ line: `${request.method} ${request.url?.split("?")[0]}`, range, authorization });
      if (faults.silent && request.url?.includes(faults.silent)) return;
      const first = faults.statuses?.shift();
      if (first) return void response.writeHead(first.status, first.headers).end(first.body);
      answer(request, response);
    });
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  const find = (repo: string, revision: string) => {
    const entry = repos.get(repo);
    const commit = entry?.revisions.get(revision) ?? revision;
    return { entry, commit, files: entry?.commits.get(commit) };
  };
  const missing = (response: ServerResponse, code: string, error: string): void => {
    response
      .writeHead(404, { "x-error-code": code, "content-type": "application/json" })
      .end(JSON.stringify({ error }));
  };
  const send = (
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    served: Served,
    head: object,
  ): void => {
    let { bytes } = served;
    if (faults.flip === name) bytes = bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte));
    if (faults.longer === name) bytes = new Uint8Array([...bytes, 1, 2, 3]);
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? -1);
    const isPart = from >= 0 && !faults.noRanges;
    if (isPart && from >= bytes.length) return void response.writeHead(416).end();
    const body = isPart ? bytes.subarray(from) : bytes;
    const range = isPart ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(isPart ? 206 : 200, { ...head, ...range, "content-length": body.length });
    if (request.method === "HEAD") return void response.end();
    const fault = (["cut", "stall"] as const).find(
      (kind) => faults[kind]?.name === name && faults[kind].times > 0,
    );
    if (!fault) return void response.end(body);
    const { after } = faults[fault] as { after: number };
    (faults[fault] as { times: number }).times--;
    response.write(body.subarray(0, after), () => {
      if (fault === "cut") setTimeout(() => response.destroy(), 20);
    });
  };

  const elsewhere = await listen((request, response) => {
    const [, hash, name] = (request.url ?? "").split("?")[0].split("/");
    const all = [...repos.values()].flatMap(({ commits }) =>
      [...commits.values()].flatMap((files) => [...files]),
    );
    const found = all.find(([, served]) => sha256(served.bytes) === hash);
    if (!found) return void response.writeHead(404).end();
    send(request, response, name, found[1], { etag: '"of-another-kind"' });
  });

  const url = await listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://hub");
    const path = decodeURIComponent(pathname);
    const info = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(path);
    const tree = /^\/api\/models\/(.+)\/tree\/([^/]+)$/.exec(path);
    const file = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const [, repo, revision, name] = info ?? tree ?? file ?? [];
    const { entry, commit, files } = find(repo, revision);
    if (!entry) {
      response.writeHead(401, { "x-error-code": "RepoNotFound" });
      return void response.end(JSON.stringify({ error: "Repository not found" }));
    }
    if (!files) return missing(response, "RevisionNotFound", `Invalid rev id: ${revision}`);
    const names = [...files.keys(), ...(faults.extra ?? [])];
    response.setHeader("x-repo-commit", commit);
    if (info) {
      const sha = "sha" in faults ? faults.sha : commit;
      const siblings = names.map((rfilename) => ({ rfilename }));
      response.setHeader("content-type", "application/json");
      return void response.end(
        JSON.stringify({ _id: "1", id: repo, sha, siblings, lastModified: "2026-01-01T00:00:00Z" }),
      );
    }
    if (tree) {
      if (faults.noTree) return void response.writeHead(404).end("no such address");
      const from = Number(searchParams.get("cursor") ?? 0);
      const entries = names.slice(from, from + PAGE).map((path) => {
        const served = files.get(path) ?? { bytes: new Uint8Array(1) };
        const oid = "oid" in faults ? faults.oid : gitHash(served.bytes);
        const lfs = {
          oid: "oid" in faults ? faults.oid : sha256(served.bytes),
          size: served.bytes.length,
          pointerSize: 130,
        };
        return { type: "file", oid, size: served.bytes.length, path, ...(served.large ? { lfs } : {}) };
      });
      if (from + PAGE < names.length)
        response.setHeader(
          "link",
          `<${faults.nextElsewhere ? elsewhere : url}${pathname}?recursive=false&cursor=${from + PAGE}>; rel="next"`,
        );
      return void response.end(JSON.stringify(entries));
    }
    const served = files.get(name);
    if (!served) return missing(response, "EntryNotFound", `Entry not found: ${name}`);
    if (!served.large) return send(request, response, name, served, { etag: `"${gitHash(served.bytes)}"` });
    const hash = sha256(served.bytes);
    const headers = { "x-linked-etag": `"${hash}"`, "x-linked-size": String(served.bytes.length) };
    response.writeHead(302, { ...headers, location: `${elsewhere}/${hash}/${name}?signed=1` }).end();
  });

  return {
    url,
    faults,
    log,
    add(repo, files, revision = "main") {
      const entries = Object.entries(files).map(([name, file]): [string, Served] => [
        name,
        typeof file === "string" ? { bytes: new TextEncoder().encode(file) } : file,
      ]);
      const commit = createHash("sha1")
        .update(JSON.stringify([repo, entries.map(([name, f]) => [name, nameOf(f)])]))
        .digest("hex");
      const entry = repos.get(repo) ?? { commits: new Map(), revisions: new Map() };
      repos.set(repo, entry);
      entry.commits.set(commit, new Map(entries));
      entry.revisions.set(revision, commit);
      return commit;
    },
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}
