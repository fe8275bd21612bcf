/**
 * @file Where the Hugging Face Hub's files lie on this machine: the cache that transformers and huggingface_hub use, by
 * the same environment variables and in the same layout.
 *
 *     models--ORG--NAME/
 *       blobs/HASH                      the contents, named by their SHA-256 (large files) or Git's SHA-1
 *       refs/main                       the commit that a branch or tag was at
 *       snapshots/COMMIT/config.json    a link to ../../blobs/HASH
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ArgumentError } from "../../../core/index.ts";

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A branch, tag or commit of a model when none is named. */
export const MAIN = "main";

/** The 40 hexadecimal digits of a commit. */
export const isCommit = (text: unknown): text is string =>
  typeof text === "string" && /^[0-9a-f]{40}$/.test(text);

/** The folder of the Hub's settings and cache: HF_HOME, else huggingface in the user's folder of caches. */
export function hubHome(env: Environment = process.env): string {
  return expand(env.HF_HOME || join(env.XDG_CACHE_HOME || "~/.cache", "huggingface"), env);
}

/** The Hub's cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else `hub` in HF_HOME. */
export function hubCache(env: Environment = process.env): string {
  return expand(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome(env), "hub"), env);
}

/** A path with `~` and `$NAME` replaced, as Python's expanduser and expandvars do. */
function expand(path: string, env: Environment): string {
  const atHome = path.replace(/^~(?=$|[/\\])/, env.HOME || homedir());
  return atHome.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, bare) => env[braced ?? bare] ?? whole);
}

/** True for 1, true, yes and on, in any case. */
export const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

/** True when the environment forbids the network: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
export const isOffline = (env: Environment): boolean => isOn(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE);

/** Whether a text can be the name of a model on the Hub: ORG/NAME, or NAME for a few old ones. */
export function isRepo(text: string): boolean {
  const parts = text.split("/");
  const isPart = (part: string): boolean => /^[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?$/.test(part);
  return parts.length <= 2 && parts.every(isPart) && text.length <= 96 && !/--|\.\./.test(text);
}

/** @throws ArgumentError when a text cannot be the name of a model on the Hub */
export function checkRepo(repo: string): void {
  if (!isRepo(repo))
    throw new ArgumentError("download", "the name of a model on the Hub, such as ORG/NAME", { name: repo });
}

/** @throws ArgumentError when a text cannot be a branch, a tag or a commit: it becomes a part of paths and addresses */
export function checkRevision(revision: string): void {
  const isName = /^[\w.+-]+(\/[\w.+-]+)*$/.test(revision) && !/(^|\/)\.|\.\.|\.lock$/.test(revision);
  if (!isName) throw new ArgumentError("download", "a branch, a tag or a commit, such as main", { revision });
}

/** The folder of a model in the cache. */
export const repoFolder = (repo: string, env: Environment): string =>
  join(hubCache(env), `models--${repo.replace("/", "--")}`);

/** The folder of one commit of a model in the cache. */
export const snapshotFolder = (repo: string, commit: string, env: Environment): string =>
  join(repoFolder(repo, env), "snapshots", commit);

/** The file that holds the commit of a branch or tag. */
export const refFile = (repo: string, revision: string, env: Environment): string =>
  join(repoFolder(repo, env), "refs", ...revision.split("/"));

/** The commit of a revision by the cache, or undefined when the cache does not know it. */
export function cachedCommit(repo: string, revision: string, env: Environment): string | undefined {
  if (isCommit(revision)) return revision;
  const file = refFile(repo, revision, env);
  if (existsSync(file) && statSync(file).isFile()) {
    const text = readFileSync(file, "utf8").trim();
    return isCommit(text) ? text : undefined;
  }
  if (!/^[0-9a-f]{7,39}$/.test(revision)) return undefined;
  const whole = cachedCommits(repo, env).filter((commit) => commit.startsWith(revision));
  return whole.length === 1 ? whole[0] : undefined;
}

/** The commits of a model of which the cache holds files, sorted. */
export function cachedCommits(repo: string, env: Environment): string[] {
  const folder = join(repoFolder(repo, env), "snapshots");
  return existsSync(folder) ? readdirSync(folder).filter(isCommit).sort() : [];
}
