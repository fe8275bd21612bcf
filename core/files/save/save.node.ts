/**
 * @file Atomic saves: a save of one file or of several happens whole or not at all, even when the process is killed.
 *
 * One file is written as a temporary file beside it, flushed to the disk, and renamed. Files that belong together,
 * such as the weights and the configuration of a model, need several renames. A kill between two of them must not
 * leave the weights of one model with the configuration of another, so a journal lists the renames:
 *
 *     1. write each file as a temporary file, flush it           killed up to here: the old files are in place
 *     2. create the journal, which lists the renames             killed after this: the next load or save
 *     3. rename each temporary file                              carries out the renames that are left
 *     4. remove the journal
 *
 * The files themselves contain nothing of this: other programs can read them, and they can be edited by hand.
 */

import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { ArgumentError, CheckpointError } from "../../errors.ts";
import { attempt, unless } from "../attempt.node.ts";
import { readFile } from "../read.node.ts";
import {
  apply,
  finish,
  identity,
  isPlain,
  JOURNAL,
  placeJournal,
  readJournal,
  removeJournal,
  removeTemporaries,
  type Step,
} from "./journal.node.ts";
import {
  type Content,
  removeLeftovers,
  removeQuietly,
  syncFolder,
  temporaryName,
  writeTemporary,
} from "./temporary.node.ts";

/**
 * Writes a file, whole or not at all. After a failure, or when the process is killed, the old file is in place, or
 * none if there was none. Temporary files that killed saves of the same name have left are removed.
 * @throws CheckpointError when it cannot be written
 */
export function writeFileAtomic(path: string, content: Content): void {
  attempt(`cannot write ${path}`, () => {
    const [folder, name] = [dirname(path), basename(path)];
    settle(folder);
    removeLeftovers(folder, [name]);
    const temporary = join(folder, writeTemporary(folder, name, content));
    try {
      fs.renameSync(temporary, path);
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
    syncFolder(folder);
  });
}

/**
 * Writes files that belong together, all or none of them. After a failure the old files are in place. When the
 * process is killed, `readSaved` reads either the old files or the new ones.
 * @param folder the folder of all these files, which must exist
 * @param files contents by name; null removes a file that an earlier save may have left
 * @throws CheckpointError when they cannot be written, ArgumentError for a name that is a path
 */
export function writeFilesAtomic(
  folder: string,
  files: Iterable<readonly [name: string, content: Content | null]>,
): void {
  const contents = new Map(files);
  const names = [...contents.keys()];
  const strange = names.find((name) => !isPlain(name));
  if (strange !== undefined) throw new ArgumentError("writeFilesAtomic", "names of files", { name: strange });
  attempt(`cannot write to ${folder}`, () => {
    settle(folder);
    removeLeftovers(folder, [...names, JOURNAL]);
  });
  const steps: Step[] = [];
  try {
    for (const [name, content] of contents) {
      const step = attempt(`cannot write ${join(folder, name)}`, () => prepare(folder, name, content));
      if (step) steps.push(step);
    }
    attempt(`cannot write to ${folder}`, () => commit(folder, steps));
  } catch (error) {
    // While the journal is there, its temporary files are still to be renamed.
    if (!fs.existsSync(join(folder, JOURNAL))) removeTemporaries(folder, steps);
    throw error;
  }
}

/**
 * Finishes an interrupted save before the next one. If files were changed since, it is dropped: they are replaced
 * anyway.
 */
export function settle(folder: string): void {
  const journal = readJournal(folder);
  if (!journal) return;
  try {
    finish(folder, journal);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    removeJournal(folder, journal.text);
    removeTemporaries(folder, journal.steps ?? []);
  }
}

/**
 * Writes the temporary file of a step. Returns null when there is nothing to do: the file to be removed does not
 * exist.
 */
function prepare(folder: string, name: string, content: Content | null): Step | null {
  const path = join(folder, name);
  const before = identity(path);
  if (before !== null && fs.lstatSync(path).isDirectory()) throw new Error("a folder of that name is there");
  if (content === null && before === null) return null;
  const temporary = content && writeTemporary(folder, name, content);
  const after = temporary && identity(join(folder, temporary));
  return { name, temporary, backup: temporaryName(name), before, after };
}

/** Carries the steps out, under a journal. When a step fails, those before it are undone. */
export function commit(folder: string, steps: readonly Step[]): void {
  syncFolder(folder);
  let journal = placeJournal(folder, steps);
  for (let tries = 0; journal === null && tries < 100; tries++) {
    settle(folder); // another process has a journal there
    journal = placeJournal(folder, steps);
  }
  if (journal === null) throw new Error(`other processes keep saving to it (${JOURNAL})`);
  const begun: Step[] = [];
  try {
    for (const step of steps) {
      begun.push(step);
      if (step.before !== null) link(join(folder, step.name), join(folder, step.backup));
      apply(folder, step);
    }
  } catch (error) {
    undo(folder, begun, error as Error);
    removeJournal(folder, journal);
    throw error;
  }
  syncFolder(folder);
  try {
    removeJournal(folder, journal);
  } catch {
    // The save is done. A journal that stays lists renames that are no-ops.
  }
  removeTemporaries(folder, steps);
}

/** Gives a file a second name. Where the file system has no links, a failed save cannot be undone. */
function link(path: string, other: string): void {
  const noLinks = ["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EXDEV", "EMLINK", "ENOENT"];
  unless(noLinks, undefined, () => fs.linkSync(path, other));
}

/**
 * Puts the old files back. The new ones get their temporary names back first, so that if the process is killed here the
 * journal still leads to them.
 */
function undo(folder: string, begun: readonly Step[], reason: Error): void {
  const at = (name: string): string => join(folder, name);
  const isApplied = ({ name, temporary, after }: Step): boolean =>
    identity(at(name)) === after && (temporary === null || identity(at(temporary)) === null);
  const applied = begun.filter(isApplied);
  if (!applied.every(({ backup, before }) => before === null || identity(at(backup)) === before)) {
    throw new CheckpointError(
      `cannot finish the save to ${folder}: ${reason.message}; part of its files are renamed, the next save or load finishes it`,
      { cause: reason },
    );
  }
  for (const { name, temporary, backup, before } of applied.reverse()) {
    if (temporary !== null) fs.renameSync(at(name), at(temporary));
    if (before !== null) fs.renameSync(at(backup), at(name));
  }
  syncFolder(folder);
}

/**
 * Reads files of a folder that belong to one save. An interrupted save is finished first. When another process saves
 * while the files are read, they are read again.
 *
 *     const [config, weights] = readSaved(folder, (file) => [file("config.json"), file("model.safetensors")]);
 *
 * @param read reads files by `file(name)`, or at the path `place(name)`, and does nothing else: it may be called
 *   several times
 * @throws CheckpointError when a file cannot be read, when files were changed after an interrupted save, or when
 *   another process does not stop saving
 */
export function readSaved<T>(
  folder: string,
  read: (file: (name: string) => Uint8Array<ArrayBuffer>, place: (name: string) => string) => T,
): T {
  if (folder.includes("\0"))
    throw new CheckpointError(`${JSON.stringify(folder)}: there is no such folder; a path has no zero bytes`);
  for (let tries = 1; ; tries++) {
    const seen = new Map([[join(folder, JOURNAL), null as string | null]]);
    try {
      const pending = attempt(`cannot read ${folder}`, () => settled(folder, seen));
      const place = (name: string): string => {
        const path = join(folder, pending.get(name) ?? name);
        if (!seen.has(path)) seen.set(path, identity(path));
        return path;
      };
      const result = read((name) => readFile(place(name)), place);
      if (isAsSeen(seen)) return result;
    } catch (error) {
      if (isAsSeen(seen) || tries === 10) throw error;
    }
    if (tries === 10)
      throw new CheckpointError(`${folder}: another process keeps saving to it; load it when that is done`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // longer than a rename takes
  }
}

/** True when no file has changed since it was seen. */
const isAsSeen = (seen: ReadonlyMap<string, string | null>): boolean =>
  [...seen].every(([path, then]) => identity(path) === then);

/**
 * Finishes an interrupted save. In a folder that is read-only, returns instead the names of the temporary files that
 * would be renamed, by the names that they would get.
 */
function settled(folder: string, seen: Map<string, string | null>): ReadonlyMap<string, string> {
  const path = join(folder, JOURNAL);
  seen.set(path, identity(path));
  const journal = readJournal(folder);
  const readOnly = ["EACCES", "EPERM", "EROFS"];
  if (!journal || unless(readOnly, false, () => finish(folder, journal) ?? true)) {
    seen.set(path, null);
    return new Map();
  }
  const steps = (journal.steps ?? []).filter(
    ({ temporary }) => temporary && identity(join(folder, temporary)),
  );
  return new Map(steps.map(({ name, temporary }) => [name, temporary as string]));
}
