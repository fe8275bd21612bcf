/** @file The tools of .ci/pack: package managers, bundlers, runtimes; installed there on first use. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Skipped } from "./checks.ts";

const folder = resolve(".ci/pack");

/** Why the tools are not there; null when they are. */
let missing: string | null | undefined;

/** The path of a file of a tool, or of its program in node_modules/.bin. @throws Skipped when it cannot be installed */
export function tool(...path: readonly string[]): string {
  missing ??= install();
  const file = join(folder, "node_modules", ...path);
  if (existsSync(file)) return file;
  throw new Skipped(missing || `${path.join("/")} was not installed on this platform`);
}

/** Installs what .ci/pack/package.json names, unless it is there in those versions. Returns why it could not; or "". */
function install(): string {
  const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const isThere = Object.entries(devDependencies).every(([name, version]) => {
    const manifest = join(folder, "node_modules", name, "package.json");
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
  });
  if (isThere) return "";
  console.log("Installing bundlers, runtimes and package managers into .ci/pack/node_modules (370 MB, once)");
  // Not `npm ci`, which refuses a lock without optional packages for other systems that the registry does not have.
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell: process.platform === "win32" });
  if (npm.status === 0) return "";
  const complaint =
    npm.error?.message ??
    npm.stderr.split("\n").find((line) => /^npm error (?!code|syscall|errno)/.test(line));
  return `npm could not install the tools of .ci/pack (${complaint?.trim()})`;
}
