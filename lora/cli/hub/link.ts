/** @file Puts files into a snapshot of the cache: as links to their contents, or as files where there are no links. */

import {
  copyFileSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";

/**
 * Makes `pointer` stand for the content `blob`, by a relative link. Where the file system has no links, a new content is
 * moved there, and one that others may link to is copied, as huggingface_hub does.
 */
export function putInSnapshot(
  blob: string,
  pointer: string,
  { isNew, symlink = symlinkSync }: { readonly isNew: boolean; readonly symlink?: typeof symlinkSync },
): void {
  mkdirSync(dirname(pointer), { recursive: true });
  const to = relative(dirname(pointer), blob);
  if (linkOf(pointer) === to) return;
  const temporary = `${pointer}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    symlink(to, temporary);
  } catch (error) {
    if (!noLinks.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    if (isNew) {
      renameSync(blob, pointer);
      return;
    }
    copyFileSync(blob, temporary);
  }
  renameSync(temporary, pointer);
}

/** What systems say that have no symbolic links, or do not let this user make them. */
const noLinks = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL", "EACCES", "UNKNOWN"]);

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Writes the commit of a branch or tag, at once. */
export function writeRef(path: string, commit: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${process.pid}.tmp`);
  writeFileSync(temporary, commit);
  renameSync(temporary, path);
}
