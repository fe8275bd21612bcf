/** @file Brings a model or adapter from the Hub into the cache, or finds it there without a network. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type * as HubLibrary from "@huggingface/hub";
import { CheckpointError, LowrankError } from "../../../core/index.ts";
import { fetchBlob } from "./blob.ts";
import { chooseFiles, INDEX, shardsOf } from "./choose.ts";
import { type Connection, connect, type Subject, Unreachable } from "./connection.ts";
import { hasher, isContent } from "./content.ts";
import { putInSnapshot, writeRef } from "./link.ts";
import { fileUrl, type HubFile, importHub, type Listing, listModel } from "./listing.ts";
import {
  cachedCommit,
  checkRepo,
  checkRevision,
  type Environment,
  hubCache,
  isCommit,
  isOffline,
  MAIN,
  refFile,
  repoFolder,
  snapshotFolder,
} from "./place.ts";
import { missingFiles } from "./resolve.ts";

/** The options of `downloadSnapshot`. */
export interface DownloadOptions {
  /** A branch, a tag or a commit. @default "main" */
  readonly revision?: string;
  /** @default process.env */
  readonly env?: Environment;
  /** Is told of what a user may want to know: waiting, trying again, no network. */
  readonly note?: (text: string) => void;
  /** Is told how many bytes of how many are there, and of which file the last ones are. */
  readonly tell?: (done: number, total: number, name: string) => void;
  /** How @huggingface/hub is imported. */
  readonly load?: () => Promise<typeof HubLibrary>;
}

/** A file of a snapshot. */
export interface SnapshotFile {
  readonly name: string;
  readonly bytes: number;
  /** True when it was in the cache already. */
  readonly cached: boolean;
}

/** A model's files in the cache. */
export interface Snapshot {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly folder: string;
  readonly files: readonly SnapshotFile[];
  /** False when the Hub was not asked, or did not answer. */
  readonly online: boolean;
}

/**
 * Brings the configuration, the tokenizer and the weights (safetensors) of a model or adapter into the Hub's cache. Files
 * that are there are checked against their hashes, not downloaded again. Links and the branch's commit are written when
 * all contents are there and right.
 *
 * @throws LowrankError with what to do: no such model or revision, access restricted, no network and nothing cached, an
 *   interrupted download, a wrong content, a full disk
 */
export async function downloadSnapshot(repo: string, options: DownloadOptions = {}): Promise<Snapshot> {
  const { revision = MAIN, env = process.env, note = () => {} } = options;
  checkRepo(repo);
  checkRevision(revision);
  const about = { repo, revision };
  if (isOffline(env)) return cachedSnapshot(about, env, "HF_HUB_OFFLINE is set", options);
  const connection = connect(env, note);
  const hub = await importHub(options.load);
  let listing: Listing;
  try {
    listing = await listModel(hub, connection, about);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const snapshot = cachedSnapshot(about, env, error.message, options);
    note(`${error.message}: the snapshot in the cache is used, of commit ${snapshot.commit}`);
    return snapshot;
  }
  return await bring({ connection, about, listing, env, tell: options.tell ?? (() => {}) });
}

interface Bringing {
  readonly connection: Connection;
  readonly about: Subject;
  readonly listing: Listing;
  readonly env: Environment;
  readonly tell: NonNullable<DownloadOptions["tell"]>;
}

/** Downloads what is chosen of a listing and not in the cache. */
async function bring({ connection, about, listing, env, tell }: Bringing): Promise<Snapshot> {
  const { repo, revision } = about;
  const { commit, names } = listing;
  const folder = snapshotFolder(repo, commit, env);
  const blobs = join(repoFolder(repo, env), "blobs");
  const choice = chooseFiles(repo, names);
  const contents = new Map<string, { file: HubFile; path: string; cached: boolean }>();
  let [done, total] = [0, 0];

  const get = async (files: readonly HubFile[]): Promise<void> => {
    total += files.reduce((sum, { size }) => sum + size, 0);
    checkSpace(
      repo,
      blobs,
      files.filter((file) => sizeOf(find(file, folder, blobs)) !== file.size),
    );
    for (const file of files) {
      const told = (bytes: number): void => tell((done += bytes), total, file.name);
      const there = find(file, folder, blobs);
      const before = done;
      const cached = there !== undefined && isContent(there, file, told);
      if (!cached) done = before;
      const url = fileUrl(connection, about, commit, file.name);
      const path = cached ? there : await fetchBlob({ connection, about, file, url, blobs, tell: told });
      contents.set(file.name, { file, path, cached });
    }
  };

  if (choice.hasIndex) {
    // The index first: it names the shards.
    const others = await Promise.all(choice.names.map(listing.file));
    await get(others);
    const index = contents.get(INDEX)?.path as string;
    const shards = shardsOf(repo, readFileSync(index), names);
    await get(await Promise.all(shards.map(listing.file)));
  } else await get(await Promise.all(choice.names.map(listing.file)));

  for (const [name, { path, cached }] of contents) {
    const pointer = join(folder, name);
    if (path !== pointer) putInSnapshot(path, pointer, { isNew: !cached });
  }
  if (!isCommit(revision)) writeRef(refFile(repo, revision, env), commit);
  const files = Array.from(contents.values(), ({ file, cached }) => ({
    name: file.name,
    bytes: file.size,
    cached,
  }));
  return { repo, revision, commit, folder, files, online: true };
}

/** Where the content of a file may be: among the blobs, or in the snapshot where there are no links. */
function find({ name, hash }: HubFile, folder: string, blobs: string): string | undefined {
  return [join(blobs, hash), join(folder, name)].find(existsSync);
}

const sizeOf = (path: string | undefined): number | undefined =>
  path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size;

/** @throws CheckpointError when the disk has no room for what is to come, before anything has */
function checkSpace(repo: string, blobs: string, files: readonly HubFile[]): void {
  mkdirSync(blobs, { recursive: true });
  const partial = ({ hash }: HubFile): number => sizeOf(join(blobs, `${hash}.lowrank.incomplete`)) ?? 0;
  const needed = files.reduce((sum, file) => sum + Math.max(0, file.size - partial(file)), 0);
  const { bavail, bsize } = statfsSync(blobs);
  if (needed <= bavail * bsize) return;
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  throw new CheckpointError(
    `${repo}: ${megabytes(needed)} are to come, and ${blobs} has room for ${megabytes(bavail * bsize)}: make room, or set ` +
      "HF_HUB_CACHE to a folder elsewhere",
  );
}

/** The snapshot in the cache, without a network. Its contents are checked against their names. */
function cachedSnapshot(
  { repo, revision }: Subject,
  env: Environment,
  why: string,
  { tell = () => {} }: DownloadOptions,
): Snapshot {
  const commit = cachedCommit(repo, revision, env);
  const folder = commit && snapshotFolder(repo, commit, env);
  if (!commit || !folder || !existsSync(folder))
    throw new LowrankError(
      `${repo}: ${why}, and revision ${revision} of it is not in the cache ${hubCache(env)}`,
    );
  const missing = missingFiles(repo, folder);
  if (missing !== undefined)
    throw new LowrankError(`${repo}: ${why}, and the cache holds only a part of it (${missing})`);
  const { names, hasIndex } = chooseFiles(repo, readdirSync(folder));
  const all = hasIndex
    ? [...names, ...shardsOf(repo, readFileSync(join(folder, INDEX)), readdirSync(folder))]
    : names;
  const files = all.map((name) => ({ name, bytes: statSync(join(folder, name)).size, cached: true }));
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const { name } of files) {
    const blob = realpathSync(join(folder, name));
    const isNamed = basename(dirname(blob)) === "blobs" && hasher(basename(blob), 0) !== undefined;
    const isRight =
      !isNamed || isContent(blob, { hash: basename(blob) }, (n) => tell((done += n), total, name));
    if (!isRight)
      throw new CheckpointError(
        `${repo}: ${why}, and ${name} in the cache is damaged: ${blob} is not what its name, a hash, says`,
      );
  }
  return { repo, revision, commit, folder, files, online: false };
}
