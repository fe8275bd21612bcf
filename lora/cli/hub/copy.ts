/** @file Copies the files of a snapshot into a plain folder: all of them, or none. */

import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ArgumentError, CheckpointError } from "../../../core/index.ts";
import { INDEX, WEIGHTS } from "./choose.ts";

/** @throws ArgumentError when `out` cannot take a download: it is a file, or holds something and may not be overwritten */
export function checkOut(out: string, overwrite: boolean): void {
  if (!existsSync(out)) return;
  let held: string[];
  try {
    held = readdirSync(out);
  } catch {
    throw new ArgumentError("download", "--out a folder", { out });
  }
  if (held.length > 0 && !overwrite)
    throw new ArgumentError("download", "--out a new or empty folder, or --overwrite", {
      out: `${out} with ${held.slice(0, 3).join(", ")}`,
    });
}

/**
 * Copies the files `names` of `folder` to `out`. They are copied beside it first, so that a full disk or a kill leaves
 * nothing in place. In a folder that is overwritten, other files stay, except weights that are not of this model.
 * @throws CheckpointError when they cannot be written
 */
export function copyFiles(folder: string, names: readonly string[], out: string): void {
  const target = resolve(out);
  let staging: string | undefined;
  try {
    const isNew = !existsSync(target) || readdirSync(target).length === 0;
    const beside = isNew ? dirname(target) : target;
    mkdirSync(beside, { recursive: true });
    staging = mkdtempSync(join(beside, `.${basename(target)}.partial-`));
    for (const name of names)
      copyFileSync(join(folder, name), join(staging, name), constants.COPYFILE_FICLONE);
    if (isNew) {
      if (existsSync(target)) rmdirSync(target);
      renameSync(staging, target);
      return;
    }
    for (const name of [WEIGHTS, INDEX])
      if (!names.includes(name)) rmSync(join(target, name), { force: true });
    for (const name of names) renameSync(join(staging, name), join(target, name));
    rmdirSync(staging);
  } catch (error) {
    if (staging !== undefined) rmSync(staging, { recursive: true, force: true });
    throw new CheckpointError(`cannot write to ${out}: ${(error as Error).message}`, { cause: error });
  }
}
