/** @file From what a user calls a model to its folder: a path, or a name of the Hub whose files are in the cache. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ArgumentError, CheckpointError } from "../../../core/index.ts";
import { chooseFiles, INDEX, shardsOf } from "./choose.ts";
import {
  cachedCommit,
  cachedCommits,
  type Environment,
  hubCache,
  isRepo,
  MAIN,
  snapshotFolder,
} from "./place.ts";

/** The options of `resolveFolder`. */
export interface ResolveOptions {
  /** Where HF_HOME and its like are looked up. @default process.env */
  readonly env?: Environment;
  /** What messages call the name, such as "--base". @default "folder" */
  readonly who?: string;
}

/**
 * The folder of a model: `name` itself when there is such a folder, else the snapshot of the model of that name in the
 * Hub's cache, where `lowrank download` and transformers put it. The network is never used.
 *
 * @param name a path; or ORG/NAME, at its main branch; or ORG/NAME@REVISION
 * @returns the path of a folder
 * @example
 * resolveFolder("Qwen/Qwen2-0.5B"); // "/home/me/.cache/huggingface/hub/models--Qwen--Qwen2-0.5B/snapshots/91d2…"
 * @throws CheckpointError when there is neither; it says what to download
 */
export function resolveFolder(name: string, options: ResolveOptions = {}): string {
  const { env = process.env, who = "folder" } = options;
  if (typeof name !== "string" || name === "")
    throw new ArgumentError(who, "the path of a folder, or the name of a model on the Hub", { name });
  if (existsSync(name)) {
    if (statSync(name).isDirectory()) return name;
    throw new CheckpointError(`${who}: expected the path of a folder; ${name} is a file`);
  }
  const [repo, revision = MAIN] = splitAt(name);
  if (!isRepo(repo))
    throw new CheckpointError(`${who}: there is no folder ${name}; expected the path of a folder`);
  const fetching = `lowrank download ${repo}${revision === MAIN ? "" : ` --revision ${revision}`}`;
  const commit = cachedCommit(repo, revision, env);
  const folder = commit === undefined ? undefined : snapshotFolder(repo, commit, env);
  if (folder !== undefined && existsSync(folder)) {
    const missing = missingFiles(name, folder);
    if (missing === undefined) return folder;
    throw new CheckpointError(
      `${who}: of ${name} the Hub's cache holds only a part (${missing}): ${fetching}`,
    );
  }
  const others = cachedCommits(repo, env);
  const known = others.length > 0 ? `; it holds ${others.map((one) => `${repo}@${one}`).join(", ")}` : "";
  throw new CheckpointError(
    `${who}: there is no folder ${name}; and no model of that name in the Hub's cache ${hubCache(env)}${known}: ${fetching}`,
  );
}

/** ORG/NAME@REVISION in two. */
function splitAt(name: string): [string, string?] {
  const at = name.indexOf("@");
  return at < 0 ? [name] : [name.slice(0, at), name.slice(at + 1)];
}

/**
 * What a snapshot lacks of a model's or adapter's files, in words; undefined when nothing.
 * A link whose blob is gone counts as missing.
 */
export function missingFiles(source: string, folder: string): string | undefined {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name)));
  try {
    const { names: chosen, hasIndex } = chooseFiles(source, names);
    if (hasIndex) shardsOf(source, readFileSync(join(folder, INDEX)), names);
    else if (!chosen.some((name) => name.endsWith(".safetensors"))) return "without weights";
  } catch (error) {
    return (error as Error).message.replace(`${source}: `, "");
  }
  return undefined;
}
