/** @file What has changed: since the last commit, and while one waits. */

import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Milliseconds between two looks at the files. */
const PAUSE = 500;

/** Not looked at: what programs write, not people. */
const generated: readonly string[] = ["node_modules", "dist", "gallery", "out"];

/**
 * The files that are not as they were committed, new ones too; relative to the current folder, the root.
 * @throws Error where there is no git, or the folder is not in a repository
 */
export function uncommitted(): string[] {
  return [
    ...git("diff", "--name-only", "--relative", "HEAD"),
    ...git("ls-files", "--others", "--exclude-standard"),
  ];
}

/** The paths that a command of git lists. */
function git(...args: readonly string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync("git", [...args, "-z"], { encoding: "utf8" });
  if (status !== 0)
    throw new Error(`--changed: git cannot say what has changed (${(error?.message ?? stderr).trim()})`);
  return stdout.split("\0").filter(Boolean);
}

export type Times = ReadonlyMap<string, number>;

/** When each file below the current folder was last written. */
export function writeTimes(): Times {
  const times = new Map<string, number>();
  const look = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || generated.includes(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) look(path);
      else times.set(path, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    }
  };
  look(".");
  return times;
}

/** Waits until a file is written, added or removed. @returns which, and the times now */
export async function nextChange(
  before: Times,
): Promise<{ readonly changed: readonly string[]; readonly times: Times }> {
  for (;;) {
    const times = writeTimes();
    const changed = [...new Set([...before.keys(), ...times.keys()])].filter(
      (file) => before.get(file) !== times.get(file),
    );
    if (changed.length > 0) return { changed, times };
    await setTimeout(PAUSE);
  }
}
