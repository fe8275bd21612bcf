/** @file What has changed: since the last commit, and while one waits. */

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Milliseconds between two looks at the files. */
const PAUSE = 500;

/** Not looked at: what programs write, not people. */
const generated: readonly string[] = ["node_modules", "dist", "gallery", "out"];

/** The files that are not as they were committed, new ones too; relative to the current folder, the root. */
export function uncommitted(): string[] {
  const git = (...args: string[]): string[] =>
    execFileSync("git", [...args, "-z"], { encoding: "utf8" })
      .split("\0")
      .filter(Boolean);
  return [
    ...git("diff", "--name-only", "--relative", "HEAD"),
    ...git("ls-files", "--others", "--exclude-standard"),
  ];
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
