/** @file Makes folders one after the other: Node's own `recursive` does not end where the system knows no such place, as in /proc. */

import * as fs from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and those above it. @returns the highest that was made; undefined when all are there */
export function makeFolders(path: string): string | undefined {
  const isFolder = (): boolean => fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isFolder()) return undefined;
  const above = dirname(path);
  const highest = above !== path && !fs.existsSync(above) ? makeFolders(above) : undefined;
  try {
    fs.mkdirSync(path);
    return highest ?? path;
  } catch (error) {
    if (!isFolder()) throw error; // else another process was faster
    return highest;
  }
}
