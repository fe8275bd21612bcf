/** @file Fills a folder with files, all of them or none: they are written beside it first, and put in place by renaming. */

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError, LowrankError, makeFolder } from "../../core/index.ts";

/**
 * Checks that a folder may be filled, before anything is done for it.
 * @param who names it in messages, such as "--out"
 * @throws LowrankError when it is a file, or holds something and may not be overwritten
 */
export function checkEmpty(who: string, out: string, overwrite: boolean): void {
  if (!existsSync(out)) return;
  let held: string[];
  try {
    held = readdirSync(out);
  } catch {
    throw new LowrankError(`${who}: expected a folder; ${out} is a file`);
  }
  if (held.length > 0 && !overwrite)
    throw new LowrankError(
      `${who}: expected a new or empty folder, or --overwrite; ${out} holds ${held.slice(0, 3).join(", ")}`,
    );
}

/**
 * Fills the folder `out` with what `fill` writes into a folder that it is given. A full disk or a kill leaves nothing in
 * place. In a folder that is overwritten, files of other names stay.
 * @param stale names of files that are removed from a folder that is overwritten
 * @throws CheckpointError when something cannot be written
 */
export function fillFolder(out: string, fill: (folder: string) => void, stale: readonly string[] = []): void {
  const target = resolve(out);
  let staging: string | undefined;
  try {
    const isNew = !existsSync(target) || readdirSync(target).length === 0;
    const beside = isNew ? dirname(target) : target;
    makeFolder(beside);
    staging = mkdtempSync(join(beside, `.${basename(target)}.partial-`));
    chmodSync(staging, 0o777 & ~process.umask()); // readable by whom other folders are
    fill(staging);
    if (isNew) {
      if (existsSync(target)) rmdirSync(target);
      renameSync(staging, target);
      return;
    }
    const names = readdirSync(staging);
    for (const name of stale) if (!names.includes(name)) rmSync(join(target, name), { force: true });
    for (const name of names) {
      const old = statSync(join(target, name), { throwIfNoEntry: false });
      if (old?.isDirectory()) rmSync(join(target, name), { recursive: true });
      renameSync(join(staging, name), join(target, name));
    }
    rmdirSync(staging);
  } catch (error) {
    if (staging !== undefined) rmSync(staging, { recursive: true, force: true });
    if (error instanceof LowrankError) throw error;
    throw new CheckpointError(`cannot write to ${out}: ${(error as Error).message}`, { cause: error });
  }
}
