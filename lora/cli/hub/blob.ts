/**
 * @file Downloads the content of one file into the cache: what an interrupted download left is gone on with, and nothing is
 * put in place before it is known to be right.
 */

import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { CheckpointError, type LowrankError } from "../../../core/index.ts";
import { type Lock, tryLock } from "../lock.ts";
import { type Connection, networkError, Passing, pause, type Subject } from "./connection.ts";
import { addFile, hasher, isContent } from "./content.ts";
import type { HubFile } from "./listing.ts";

/** What is downloaded, and to where. */
export interface BlobRequest {
  readonly connection: Connection;
  readonly about: Subject;
  readonly file: HubFile;
  readonly url: string;
  /** The folder `blobs` of the model in the cache. */
  readonly blobs: string;
  /** Is called with the number of bytes that have come; a negative one when they have to come again. */
  readonly tell: (bytes: number) => void;
}

/**
 * Downloads a file to `blobs/HASH`, and returns that path.
 * @throws CheckpointError when what came is not what the Hub lists (nothing of it is kept), when the disk is full or the
 *   connection broke off too often (what came is kept beside, and gone on with the next time)
 */
export async function fetchBlob(request: BlobRequest): Promise<string> {
  const { blobs, file } = request;
  mkdirSync(blobs, { recursive: true });
  const path = join(blobs, file.hash);
  const partial = `${path}.lowrank.incomplete`;
  const lock = await waitForLock(`${path}.lowrank.lock`, request);
  try {
    if (isContent(path, file))
      request.tell(file.size); // another process was first
    else {
      const wasThere = statSync(partial, { throwIfNoEntry: false })?.size ?? 0;
      const isRight = await fetchOnce(request, partial, lock);
      if (!isRight && wasThere > 0) {
        request.connection.note(
          `${file.name}: what an earlier download left is not the beginning of it; from the start`,
        );
      }
      if (!isRight && !(wasThere > 0 && (await fetchOnce(request, partial, lock)))) throw damaged(request);
      renameSync(partial, path);
    }
    return path;
  } finally {
    lock.release();
  }
}

/** Waits until no other process downloads the same file. */
async function waitForLock(path: string, { connection, file }: BlobRequest): Promise<Lock> {
  for (let waited = 0; ; waited++) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (waited === 0) connection.note(`${file.name}: another process downloads it; waiting`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

const damaged = ({ about, file }: BlobRequest): LowrankError =>
  new CheckpointError(
    `${about.repo}: ${file.name}: what came is not the file that the Hub lists (its ${file.size} bytes have the hash ` +
      `${file.hash}): nothing of it was kept; try again, and if it happens again something on the way changes files`,
  );

/** Brings the partial file to its full length, and tells whether it is right; one that is not is removed. */
async function fetchOnce(request: BlobRequest, partial: string, lock: Lock): Promise<boolean> {
  const { connection, file, tell } = request;
  const handle = openSync(partial, "a+");
  try {
    const state = openState(request, handle, partial);
    for (let tried = 1; state.at < file.size; ) {
      const before = state.at;
      try {
        await pull(request, state, lock);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        tried = state.at > before ? 1 : tried + 1;
        if (tried > connection.tries) throw interrupted(request, state.at, error);
        connection.note(`${file.name}: ${error.message}; going on at byte ${state.at}`);
        await pause(tried, error.wait);
      }
    }
    attemptWrite(request, state.at, () => fsyncSync(handle));
    if (state.at === file.size && (!state.hash || state.hash.digest("hex") === file.hash)) return true;
    tell(-Math.min(state.at, file.size));
    rmSync(partial, { force: true });
    return false;
  } finally {
    closeSync(handle);
  }
}

/** How far a partial file is, and the hash of what is there. */
interface State {
  readonly handle: number;
  at: number;
  hash: ReturnType<typeof hasher>;
}

function openState({ file, tell }: BlobRequest, handle: number, partial: string): State {
  const there = statSync(partial).size;
  const at = there > file.size ? 0 : there;
  if (at < there) ftruncateSync(handle, 0);
  const hash = hasher(file.hash, file.size);
  if (hash && at > 0) addFile(hash, partial, at);
  tell(at);
  return { handle, at, hash };
}

/** Begins again: the server cannot go on in the middle. */
function restart({ file, tell }: BlobRequest, state: State): void {
  ftruncateSync(state.handle, 0);
  tell(-state.at);
  state.at = 0;
  state.hash = hasher(file.hash, file.size);
}

/** Asks for what is missing and writes what comes. Throws `Passing` when it breaks off or nothing comes for too long. */
async function pull(request: BlobRequest, state: State, lock: Lock): Promise<void> {
  const { connection, about, file, url, tell } = request;
  const stop = new AbortController();
  const headers: Record<string, string> = state.at > 0 ? { range: `bytes=${state.at}-` } : {};
  const response = await connection.request(url, about, { headers, signal: stop.signal, tries: 1 });
  const isRest =
    response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${state.at}-`);
  if (state.at > 0 && !isRest) restart(request, state);
  if (response.status !== 200 && !isRest) {
    stop.abort();
    throw new Passing(`${connection.endpoint} answers ${response.status} to a request for a part`);
  }
  const reader = response.body?.getReader();
  try {
    while (reader) {
      const bytes = await next(reader, connection, stop);
      if (!bytes) break;
      if (state.at + bytes.length > file.size) {
        tell(file.size - state.at);
        state.at = file.size + 1; // more than there is: not the file
        return;
      }
      attemptWrite(request, state.at, () => writeAll(state.handle, bytes));
      state.hash?.update(bytes);
      state.at += bytes.length;
      tell(bytes.length);
      lock.touch();
    }
  } finally {
    stop.abort();
  }
  if (state.at < file.size)
    throw new Passing(`${connection.endpoint} sent ${state.at} of ${file.size} bytes`);
}

/** The next bytes; undefined at the end. */
async function next(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { endpoint, patience }: Connection,
  stop: AbortController,
): Promise<Uint8Array | undefined> {
  const timer = setTimeout(() => stop.abort(), patience);
  try {
    return (await reader.read()).value;
  } catch (error) {
    if (stop.signal.aborted) throw new Passing(`no byte from ${endpoint} for ${patience / 1000} s`);
    throw networkError(endpoint, error);
  } finally {
    clearTimeout(timer);
  }
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
}

/** Runs a write; a full disk gets a sentence. */
function attemptWrite({ about, file, blobs }: BlobRequest, at: number, write: () => void): void {
  try {
    write();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const words = code === "ENOSPC" || code === "EDQUOT" ? "the disk is full" : message;
    throw new CheckpointError(
      `${about.repo}: ${file.name}: cannot write to ${blobs}: ${words}; ${at} of ${file.size} bytes are kept there: ` +
        "make room (or set HF_HUB_CACHE to a folder elsewhere) and run the same command, which goes on from there",
      { cause: error },
    );
  }
}

const interrupted = ({ about, file }: BlobRequest, at: number, error: Error): LowrankError =>
  new CheckpointError(
    `${about.repo}: ${file.name}: interrupted after ${at} of ${file.size} bytes: ${error.message}; what came is kept: ` +
      "the same command goes on from there",
    { cause: error },
  );
