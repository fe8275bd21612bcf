/**
 * @file A folder of large files that is written piece by piece and appears whole or not at all.
 *
 * A new folder is written under a temporary name beside its place, and renamed when it is complete. Into a folder that
 * exists already, each file is written under a temporary name, and all are renamed together, as save.node.ts does.
 */

import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ArgumentError, CheckpointError } from "../../errors.ts";
import { attempt, unless } from "../attempt.node.ts";
import { makeFolders } from "../folders.node.ts";
import { chunk } from "../read.node.ts";
import { identity, isPlain, JOURNAL, removeTemporaries, type Step } from "./journal.node.ts";
import { commit, settle } from "./save.node.ts";
import { isTemporary, removeLeftovers, syncFolder, temporaryName } from "./temporary.node.ts";

/** A file that is being written. */
export interface DraftFile {
  /** Writes bytes at a place of the file, in any order. @throws CheckpointError when the system refuses them */
  write(bytes: Uint8Array, at: number): void;
}

/** A folder that is being written; nothing of it is seen before `commit`. */
export interface FolderDraft {
  /**
   * Makes a file of `size` bytes, zeros where nothing is written.
   * @throws CheckpointError when the system refuses it, ArgumentError for a name that is a path or was made before
   */
  create(name: string, size: number): DraftFile;
  /**
   * Puts the folder in its place.
   * @param removed names of files that must not stay in a folder that exists already. @default none
   * @throws CheckpointError when it cannot; the place is then as before
   */
  commit(removed?: Iterable<string>): void;
  /** Removes what was written. A no-op after `commit`. */
  discard(): void;
}

/**
 * Begins a folder at `path`. Temporary files that killed processes have left of it are removed.
 *
 *     const draft = draftFolder("merged");
 *     try { draft.create("a.bin", 3).write(bytes, 0); draft.commit(); } finally { draft.discard(); }
 *
 * @param options overwrite: whether the folder may hold files already. @default false
 * @throws CheckpointError when it holds some, or when it cannot be written
 */
export function draftFolder(
  path: string,
  { overwrite = false }: { readonly overwrite?: boolean } = {},
): FolderDraft {
  const target = resolve(path);
  const parent = dirname(target);
  const isThere = attempt(`cannot write ${path}`, () => checkPlace(path, target, overwrite));
  const where = isThere ? target : join(parent, temporaryName(basename(target)));
  let above: string | undefined; // the highest folder that was made for this one
  attempt(`cannot write to ${path}`, () => {
    if (isThere) settle(target);
    else {
      above = makeFolders(parent);
      removeLeftovers(parent, [basename(target)], "folders");
      fs.mkdirSync(where);
    }
  });
  const open = new Map<string, { readonly handle: number; readonly temporary: string }>();
  let state: "writing" | "done" = "writing";

  const closeAll = (flush: boolean): void => {
    for (const [name, { handle }] of open) {
      attempt(`cannot write ${join(path, name)}`, () => {
        try {
          if (flush) fs.fsyncSync(handle);
        } finally {
          fs.closeSync(handle);
        }
      });
    }
  };
  const steps = (removed: Iterable<string>): Step[] => {
    const written = Array.from(open, ([name, { temporary }]) => step(target, name, temporary));
    const others = Array.from(new Set(removed)).filter((name) => isPlain(name) && !open.has(name));
    const gone = others.map((name) => step(target, name, null)).filter(({ before }) => before !== null);
    return [...gone, ...written];
  };

  return {
    create(name, size) {
      if (!isPlain(name) || open.has(name))
        throw new ArgumentError("draftFolder", "names of files, each once", { name });
      return attempt(`cannot write ${join(path, name)}`, () => {
        if (isThere) removeLeftovers(target, [name, JOURNAL]);
        const temporary = isThere ? temporaryName(name) : name;
        const handle = fs.openSync(join(where, temporary), "wx");
        open.set(name, { handle, temporary });
        fs.ftruncateSync(handle, size);
        return {
          write: (bytes, at) =>
            attempt(`cannot write ${join(path, name)}`, () => writeAll(handle, bytes, at)),
        };
      });
    },
    commit(removed = []) {
      closeAll(true);
      if (isThere) attempt(`cannot write to ${path}`, () => commit(target, steps(removed)));
      else
        attempt(`cannot write ${path}`, () => {
          syncFolder(where);
          fs.renameSync(where, target);
          syncFolder(parent);
        });
      state = "done";
      open.clear();
    },
    discard() {
      if (state === "done") return;
      state = "done";
      for (const { handle } of open.values()) {
        try {
          fs.closeSync(handle);
        } catch {} // closed by commit
      }
      if (!isThere) {
        fs.rmSync(where, { recursive: true, force: true });
        if (above !== undefined) removeEmpty(parent, above);
      }
      // While a journal is there, its temporary files are still to be renamed.
      else if (!fs.existsSync(join(target, JOURNAL))) removeTemporaries(target, steps([]));
      open.clear();
    },
  };
}

/** Removes `folder` and those above it up to `highest`, as far as they are empty. */
function removeEmpty(folder: string, highest: string): void {
  try {
    for (let at = folder; at.startsWith(highest); at = dirname(at)) fs.rmdirSync(at);
  } catch {} // another file is there by now
}

/** True when the folder is there already. @throws CheckpointError when it must not be written to */
function checkPlace(path: string, target: string, overwrite: boolean): boolean {
  const stat = unless(["ENOENT"], null, () => fs.statSync(target));
  if (!stat) return false;
  if (!stat.isDirectory())
    throw new CheckpointError(`${path}: expected a folder to write to, or a new name; a file is there`);
  const holds = fs.readdirSync(target);
  if (holds.length > 0 && !overwrite && !holds.every((name) => isTemporary(name)))
    throw new CheckpointError(
      `${path}: expected a new or empty folder to write to; it holds ${holds.slice(0, 3).join(", ")}` +
        `${holds.length > 3 ? ", …" : ""}. Choose another name, or ask to overwrite`,
    );
  return true;
}

/** The step that gives a file its name, or removes it. */
function step(folder: string, name: string, temporary: string | null): Step {
  const after = temporary === null ? null : identity(join(folder, temporary));
  return { name, temporary, backup: temporaryName(name), before: identity(join(folder, name)), after };
}

function writeAll(file: number, bytes: Uint8Array, start: number): void {
  for (let at = 0; at < bytes.length; )
    at += fs.writeSync(file, bytes, at, Math.min(chunk, bytes.length - at), start + at);
}
