/** @file What a model on the Hub holds at a revision: its commit, and the names, sizes and hashes of its files. */

import type * as HubLibrary from "@huggingface/hub";
import { CheckpointError, LowrankError } from "../../../core/index.ts";
import { type Connection, type Subject, Unreachable } from "./connection.ts";
import { isCommit } from "./place.ts";

/** A file of a model on the Hub. */
export interface HubFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The name of its content in the cache: its SHA-256 where it is large, else Git's SHA-1. */
  readonly hash: string;
}

/** A model on the Hub at one commit. */
export interface Listing {
  readonly commit: string;
  /** The names of all files. */
  readonly names: readonly string[];
  /** Size and hash of one of them. */
  file(name: string): Promise<HubFile>;
}

/** Imports @huggingface/hub, which is installed only by those who download. */
export async function importHub(
  load: () => Promise<typeof HubLibrary> = () => import("@huggingface/hub"),
): Promise<typeof HubLibrary> {
  try {
    return await load();
  } catch (error) {
    if (!/^ERR_(MODULE|PACKAGE)|^MODULE_NOT/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw new LowrankError("downloads need the package @huggingface/hub: npm i @huggingface/hub", {
      cause: error,
    });
  }
}

/**
 * Asks the Hub what a model holds.
 * @throws Unreachable, or LowrankError when the Hub refuses or answers with something that is no listing
 */
export async function listModel(
  hub: typeof HubLibrary,
  connection: Connection,
  about: Subject,
): Promise<Listing> {
  const { endpoint } = connection;
  const { repo, revision } = about;
  const asking = askingWith(connection, about);
  const info = await hub.modelInfo({
    name: repo,
    revision,
    additionalFields: ["sha", "filePaths"],
    hubUrl: endpoint,
    fetch: asking,
  });
  const commit = info.sha;
  if (!isCommit(commit))
    throw new CheckpointError(
      `${repo}: ${endpoint} names no commit for ${revision}; got ${JSON.stringify(commit)}`,
    );
  const files = new Map<string, Partial<HubFile>>();
  try {
    const entries = hub.listFiles({
      repo,
      revision: commit,
      recursive: false,
      hubUrl: endpoint,
      fetch: asking,
    });
    for await (const { type, path, size, lfs, oid } of entries)
      if (type === "file") files.set(path, { name: path, size: lfs?.size ?? size, hash: lfs?.oid ?? oid });
  } catch (error) {
    // Mirrors that do not list folders still name the files; each tells its size and hash when it is asked for.
    if (error instanceof Unreachable || !info.filePaths?.length) throw error;
    for (const name of info.filePaths) files.set(name, { name });
  }
  const evil = [...files.keys(), ...(info.filePaths ?? [])].find((name) => !isInside(name));
  if (evil !== undefined)
    throw new CheckpointError(
      `${repo}: refused: ${endpoint} lists a file outside of the model's folder, ${JSON.stringify(evil)}`,
    );
  const file = async (name: string): Promise<HubFile> => {
    const known = files.get(name);
    if (!known) throw new CheckpointError(`${repo}: it has no file ${name}`);
    return checked(
      repo,
      isWhole(known) ? known : { ...known, ...(await ask(connection, about, commit, name)), name },
    );
  };
  return { commit, names: [...files.keys()], file };
}

/** `fetch` as the Hub's library calls it. Answers are read whole here, so that they cannot stall elsewhere. */
function askingWith(connection: Connection, about: Subject): typeof fetch {
  return async (url) => {
    const response = await connection.request(String(url), about, {
      headers: { accept: "application/json" },
      whole: true,
    });
    const text = await response.text();
    try {
      JSON.parse(text);
    } catch {
      throw new LowrankError(
        `${about.repo}: ${connection.endpoint} does not answer as the Hub does: is HF_ENDPOINT right?`,
      );
    }
    return new Response(text, { status: response.status, headers: response.headers });
  };
}

/** Whether a path from the Hub stays in the folder that it is joined to, on every system. */
export function isInside(path: string): boolean {
  const parts = path.split(/[/\\]/);
  return (
    path !== "" &&
    !/^[a-z]:/i.test(path) &&
    !path.includes("\0") &&
    !parts.some((part) => part === "" || part === "..")
  );
}

const isWhole = (file: Partial<HubFile>): file is HubFile =>
  file.size !== undefined && file.hash !== undefined;

/** Size and hash of one file, by the headers of its address. The Hub's own come before those of where it points to. */
async function ask(
  connection: Connection,
  about: Subject,
  commit: string,
  name: string,
): Promise<Partial<HubFile>> {
  let url = fileUrl(connection, about, commit, name);
  for (let hops = 0; hops < 5; hops++) {
    const { headers } = await connection.request(url, about, { method: "HEAD", redirect: "manual" });
    const hash = headers.get("x-linked-etag") ?? headers.get("etag");
    const size = headers.get("x-linked-size") ?? headers.get("content-length");
    const location = headers.get("location");
    // A renamed model points within the Hub; a large file elsewhere, with the hash beside it.
    if (location === null || headers.has("x-linked-etag"))
      return { size: size === null ? undefined : Number(size), hash: hash?.replace(/^W\/|"/g, "") };
    url = new URL(location, url).href;
  }
  throw new LowrankError(`${about.repo}: ${connection.endpoint} points ${name} to and fro`);
}

/** The address of a file at a commit. */
export const fileUrl = ({ endpoint }: Connection, { repo }: Subject, commit: string, name: string): string =>
  `${endpoint}/${repo}/resolve/${commit}/${name.split("/").map(encodeURIComponent).join("/")}`;

/** Refuses a size or a hash that cannot be one: the hash becomes the name of a file. */
function checked(repo: string, file: Partial<HubFile>): HubFile {
  const { name, size, hash } = file;
  const isSize = typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
  if (!isSize || typeof hash !== "string" || !/^[0-9A-Za-z][\w.-]{0,127}$/.test(hash))
    throw new CheckpointError(
      `${repo}: the Hub gives no usable size and hash of ${name}; got ${JSON.stringify({ size, hash })}`,
    );
  return { name: name as string, size, hash };
}
