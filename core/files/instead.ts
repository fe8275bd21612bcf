/** @file What there is instead of a file that is missing, for messages: in its folder, or in place of the folder. */

import { exists, isFolder, list } from "#disk";

/** Names of files that PyTorch writes as pickles, which hold code and which this library does not read. */
export const pickles = /\.(bin|pt|pth|ckpt)(\.index\.json)?$/;

/**
 * The end of the message "no FILE…": the file that is there instead and what to do with it, else what the folder holds.
 * @param advice patterns of names of files, and what the message says after such a name; the first that fits one counts
 */
export function insteadOf(folder: string, advice: readonly (readonly [RegExp, string])[]): string {
  if (!exists(folder)) return `; there is no such folder${download(folder)}`;
  if (!isFolder(folder)) return `; ${folder} is a file, and the folder that holds it is expected`;
  const files = list(folder);
  for (const [pattern, words] of [...advice, ...places]) {
    const found = files.find((name) => pattern.test(name));
    if (found !== undefined) return `, but ${found}${words}`;
  }
  return files.length > 0 ? `; the folder holds ${files.slice(0, 8).join(", ")}` : "; the folder is empty";
}

/** What else is taken for the folder of a model or an adapter. */
const places = [
  [/^snapshots$/, ": this is a folder of the Hub's cache; the files are in snapshots/REVISION of it"],
  [/\.(incomplete|part|crdownload|download|aria2)$/, ", which is an unfinished download: fetch it again"],
  [/^checkpoint-\d+$/, ": this holds the checkpoints of a training run; take one of them"],
] as const;

/** What to do about a folder that does not exist but has the form of a name on the Hub, or of a home folder. */
function download(folder: string): string {
  if (folder.startsWith("~")) return "; ~ stands for the home folder in a shell only: write it out";
  const name = folder.replace(/^(https?:\/\/)?(huggingface\.co|hf\.co)\/|^hf:\/\//, "").replace(/\/+$/, "");
  const isName = /^(\w[\w.-]*\/)?\w[\w.-]*$/.test(name);
  return isName ? `; if it is a name on the Hub, fetch it by: lowrank download ${name}` : "";
}
