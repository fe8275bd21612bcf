/**
 * @file The file system in a browser, which has none: the functions of `disk.node.ts`, which throw and say what to
 * do.
 */

import { CheckpointError } from "../errors.ts";
import type * as node from "./disk.node.ts";

const absent = (name: string) => (): never => {
  throw new CheckpointError(
    `${name}: a browser has no files; fetch the bytes and give them to parseSafetensors, or offer those of serializeSafetensors for download`,
  );
};

export const readFile: typeof node.readFile = absent("readFile");
export const readPart: typeof node.readPart = absent("readPart");
export const fileSize: typeof node.fileSize = absent("fileSize");
export const readSaved: typeof node.readSaved = absent("readSaved");
export const writeFileAtomic: typeof node.writeFileAtomic = absent("writeFileAtomic");
export const writeFilesAtomic: typeof node.writeFilesAtomic = absent("writeFilesAtomic");
export const draftFolder: typeof node.draftFolder = absent("draftFolder");
export type DraftFile = node.DraftFile;
export type FolderDraft = node.FolderDraft;
export const realPath: typeof node.realPath = () => null;
export const isFolder: typeof node.isFolder = () => false;
export const exists: typeof node.exists = () => false;
export const list: typeof node.list = absent("list");
export const makeFolder: typeof node.makeFolder = absent("makeFolder");
export const makeTemporaryFolder: typeof node.makeTemporaryFolder = absent("makeTemporaryFolder");
export const remove: typeof node.remove = absent("remove");
