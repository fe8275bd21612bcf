/**
 * @file The journal of a save of several files: `.lowrank-save.json` lists the renames while they are carried out. It
 * is a redo log: the next load or save that finds one carries out the renames that are left.
 */

import * as fs from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { unless } from "../attempt.node.ts";
import { parseJsonObject } from "../json.ts";
import { isTemporaryOf, removeQuietly, syncFolder, writeTemporary } from "./temporary.node.ts";

/** The name of the journal. */
export const JOURNAL = ".lowrank-save.json";

/** One step of a save: a rename, or the removal of a file. All names are names in the folder. */
export interface Step {
  readonly name: string;
  /** The temporary file that is renamed to `name`; null when `name` is removed. */
  readonly temporary: string | null;
  /** A second name of the old file during the save, from which it can be restored. */
  readonly backup: string;
  /** The `identity` of the old file, null when there is none, and that of the new one. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Size and time of the last change of a file, which a rename keeps; null when there is no such file. */
export function identity(path: string): string | null {
  const stat = unless(["ENOENT", "ENOTDIR"], null, () => fs.lstatSync(path, { bigint: true }));
  return stat && `${stat.size} bytes, changed at ${stat.mtimeNs} ns`;
}

/** A journal that was found. */
export interface Journal {
  /** Its text, which tells it from another journal in its place. */
  readonly text: string;
  /** Null when the file is not a journal of this library. */
  readonly steps: readonly Step[] | null;
}

/** Reads the journal of an interrupted save; null when there is none. */
export function readJournal(folder: string): Journal | null {
  const bytes = unless(["ENOENT", "ENOTDIR"], null, () => fs.readFileSync(join(folder, JOURNAL)));
  return bytes && { text: bytes.toString(), steps: stepsOf(bytes) };
}

function stepsOf(journal: Uint8Array): readonly Step[] | null {
  try {
    const { steps } = parseJsonObject(JOURNAL, journal);
    return Array.isArray(steps) && steps.every(isStep) ? steps : null;
  } catch {
    return null;
  }
}

/**
 * True for a step that changes nothing outside the folder and renames only temporary files: a folder may be
 * untrusted.
 */
function isStep(value: unknown): value is Step {
  if (typeof value !== "object" || value === null) return false;
  const { name, temporary, backup, before, after } = value as Record<string, unknown>;
  const isTemporary = (file: unknown) => isPlain(file) && isTemporaryOf(name as string, file);
  return (
    isPlain(name) &&
    name !== JOURNAL &&
    (temporary === null || isTemporary(temporary)) &&
    isTemporary(backup) &&
    [before, after].every((text) => text === null || typeof text === "string")
  );
}

/** True for a name in the folder itself, false for a path that leads elsewhere. */
export const isPlain = (name: unknown): name is string =>
  typeof name === "string" && !["", ".", ".."].includes(name) && !/[/\\\0]/.test(name);

/**
 * Creates the journal, whole. From then on the save has happened.
 * @returns its text; null when the journal of another save is there
 */
export function placeJournal(folder: string, steps: readonly Step[]): string | null {
  const about =
    "A save of several files was interrupted; loadPretrained, loadAdapter or the next save finish it.";
  const text = `${JSON.stringify({ about, steps }, null, 2)}\n`;
  const temporary = join(folder, writeTemporary(folder, JOURNAL, new TextEncoder().encode(text)));
  const path = join(folder, JOURNAL);
  try {
    const placed = unless(["EEXIST"], null, () => {
      const noLinks = ["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EXDEV", "EINVAL", "EMLINK"];
      const linked = unless(noLinks, false, () => fs.linkSync(temporary, path) ?? true);
      if (!linked) fs.renameSync(temporary, path);
      return text;
    });
    syncFolder(folder);
    return placed;
  } finally {
    removeQuietly(temporary);
  }
}

/** Removes the journal with this text: the save is done, or undone. The journal of another save stays. */
export function removeJournal(folder: string, text: string): void {
  const path = join(folder, JOURNAL);
  const there = unless(["ENOENT"], null, () => fs.readFileSync(path, "utf8"));
  if (there === text) fs.rmSync(path, { force: true });
}

/** Removes the temporary files and the second names of the steps. */
export function removeTemporaries(folder: string, steps: readonly Step[]): void {
  for (const { temporary, backup } of steps) {
    if (temporary !== null) removeQuietly(join(folder, temporary));
    removeQuietly(join(folder, backup));
  }
}

/** Carries out one step. A no-op when it was carried out before, by an earlier try or another process. */
export function apply(folder: string, { name, temporary }: Step): void {
  const path = join(folder, name);
  if (temporary === null) fs.rmSync(path, { force: true });
  else unless(["ENOENT"], undefined, () => fs.renameSync(join(folder, temporary), path));
}

/**
 * Finishes an interrupted save.
 * @throws CheckpointError when the journal is not one of this library, or when a file was changed since, so that it is
 *   unknown which files belong together
 */
export function finish(folder: string, { text, steps }: Journal): void {
  if (!steps) {
    const path = join(folder, JOURNAL);
    throw new CheckpointError(`${path}: expected the renames of a save in this folder; delete this file`);
  }
  for (const step of steps) checkUnchanged(folder, step);
  for (const step of steps) apply(folder, step);
  syncFolder(folder);
  removeJournal(folder, text);
  removeTemporaries(folder, steps);
}

/** Throws when the file of a step is neither the old nor the new one. */
function checkUnchanged(folder: string, { name, temporary, before, after }: Step): void {
  const now = identity(join(folder, name));
  const isApplied = temporary !== null && identity(join(folder, temporary)) === null;
  if (isApplied ? now === after : now === before || now === null) return;
  throw new CheckpointError(
    `${folder}: a save of several files was interrupted here, and ${name} was changed afterwards: the files may be of ` +
      `two models; save again, or delete ${JOURNAL} to load them as they are`,
  );
}
