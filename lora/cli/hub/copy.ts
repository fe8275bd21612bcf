/** @file Copies the files of a snapshot into a plain folder: all of them, or none. */

import { constants, copyFileSync } from "node:fs";
import { join } from "node:path";
import { fillFolder } from "../folder.ts";
import { INDEX, WEIGHTS } from "./choose.ts";

/**
 * Copies the files `names` of `folder` to `out`. In a folder that is overwritten, other files stay, except weights that
 * are not of this model.
 * @throws CheckpointError when they cannot be written
 */
export function copyFiles(folder: string, names: readonly string[], out: string): void {
  const copy = (to: string): void => {
    for (const name of names) copyFileSync(join(folder, name), join(to, name), constants.COPYFILE_FICLONE);
  };
  fillFolder(out, copy, [WEIGHTS, INDEX]);
}
