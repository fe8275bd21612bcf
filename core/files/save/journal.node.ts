/**
 * @file The journal of a save of several files: `.lowrank-save.json` lists its renames while they are under way. Whoever
 * finds one, the next load or save, carries the renames out: a redo log.
 */

import * as fs from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { unless } from "../attempt.node.ts";
import { parseJsonObject } from "../json.ts";
import { isTemporaryOf, removeQuietly, syncFolder, writeTemporary } from "./temporary.node.ts";

export const JOURNAL = ".lowrank-save.json";

/** What a save does to one name. All are names in the folder. */
export interface Step {
  readonly name: string;
  /** The file that is renamed to `name`; null when `name` is removed. */
  readonly temporary: string | null;
  /** A second name of the old file during the save, from which it can be put back. */
  readonly backup: string;
  /** Size and time of change of the old file, null when there is none, and of the new one. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Size and time of change, which a rename keeps; null when there is no such file. */
export function identity(path: string): string | null {
  const stat = unless(["ENOENT", "ENOTDIR"], null, () => fs.lstatSync(path, { bigint: true }));
  return stat && `${stat.size} bytes, changed at ${stat.mtimeNs} ns`;
}

export interface Journal {
  /** By which this journal is told from another that took its place. */
  readonly text: string;
  /** Null when it is no journal of ours. */
  readonly steps: readonly Step[] | null;
}

/** The journal of an interrupted save, read at once; null when there is none. */
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

/** A folder may come from anywhere: its journal may touch nothing outside it, and only move what is a save's. */
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

/** A name in the folder itself, not a path that leads elsewhere. */
export const isPlain = (name: unknown): name is string =>
  typeof name === "string" && !["", ".", ".."].includes(name) && !/[/\\\0]/.test(name);

/**
 * Makes the journal appear, whole: from here on the save has happened.
 * @returns its text; null when another save's journal is there
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

/** Takes the journal away, if it is this one: the save is done, or undone. */
export function removeJournal(folder: string, text: string): void {
  const path = join(folder, JOURNAL);
  const there = unless(["ENOENT"], null, () => fs.readFileSync(path, "utf8"));
  if (there === text) fs.rmSync(path, { force: true });
}

/** Removes what the steps of a journal still need, or kept. */
export function removeTemporaries(folder: string, steps: readonly Step[]): void {
  for (const { temporary, backup } of steps) {
    if (temporary !== null) removeQuietly(join(folder, temporary));
    removeQuietly(join(folder, backup));
  }
}

/** Carries out one step; a no-op when that is done, by an earlier try or another process. */
export function apply(folder: string, { name, temporary }: Step): void {
  const path = join(folder, name);
  if (temporary === null) fs.rmSync(path, { force: true });
  else unless(["ENOENT"], undefined, () => fs.renameSync(join(folder, temporary), path));
}

/**
 * Finishes an interrupted save.
 * @throws CheckpointError when its journal is none of ours, or somebody has changed the files since: which of them belong
 *   together, nobody knows
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

function checkUnchanged(folder: string, { name, temporary, before, after }: Step): void {
  const now = identity(join(folder, name));
  const isApplied = temporary !== null && identity(join(folder, temporary)) === null;
  if (isApplied ? now === after : now === before || now === null) return;
  throw new CheckpointError(
    `${folder}: a save of several files was interrupted here, and ${name} was changed afterwards: the files may be of ` +
      `two models; save again, or delete ${JOURNAL} to load them as they are`,
  );
}
