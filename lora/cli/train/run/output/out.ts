/** @file The folder that a run writes to: what may be in it before, and the files that are written, all or none. */

import { accessSync, constants, rmdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  exists,
  LowrankError,
  listFolder,
  makeFolder,
  removeFile,
  writeFilesAtomic,
} from "../../../../../core/index.ts";
import { FOLDER, hasRun, statePath } from "./resume.ts";

/**
 * Checks that a run may write to `out`, before anything is read.
 * @throws LowrankError when it is a file, the folder of a model or of the data, or is not empty and may not be replaced
 */
export function checkOut(out: string, base: string, { overwrite = false, resume = false }): void {
  if (!exists(out)) return;
  if (!statSync(out).isDirectory()) throw new LowrankError(`--out: ${out} is a file; expected a folder`);
  if (resolve(out) === resolve(base) || exists(join(out, "config.json")))
    throw new LowrankError(`--out: ${out} is the folder of a model; expected another one, for the adapter`);
  const files = listFolder(out);
  if (files.length === 0 || overwrite || resume) return;
  if (hasRun(out) && !exists(join(out, "adapter_config.json")))
    throw new LowrankError(
      `--out: ${out} holds a run that was interrupted; --resume continues it, --overwrite starts again`,
    );
  throw new LowrankError(
    `--out: ${out} is not empty (${files.slice(0, 4).join(", ")}${files.length > 4 ? ", …" : ""}); expected another folder, or --overwrite`,
  );
}

/** Makes the folder, so that a run whose result could not be written does not begin. @throws LowrankError */
export function makeOut(out: string): void {
  makeFolder(out);
  try {
    accessSync(out, constants.W_OK);
  } catch (error) {
    throw new LowrankError(`--out: cannot write to ${out}`, { cause: error });
  }
}

/**
 * Writes the files of a run, all of them or none.
 * @throws CheckpointError when they cannot be written
 */
export function writeRun(out: string, files: ReadonlyMap<string, Uint8Array | string>): void {
  const encoder = new TextEncoder();
  makeFolder(out);
  try {
    writeFilesAtomic(
      out,
      Array.from(files, ([name, content]) => [
        name,
        typeof content === "string" ? encoder.encode(content) : content,
      ]),
    );
  } catch (error) {
    removeIfEmpty(out);
    throw error;
  }
}

/** Removes what a run has left that failed before its first checkpoint. */
export function removeBegun(out: string): void {
  if (exists(statePath(out))) return;
  removeFile(join(out, FOLDER));
  removeIfEmpty(out);
}

function removeIfEmpty(folder: string): void {
  if (exists(folder) && listFolder(folder).length === 0) rmdirSync(folder);
}
