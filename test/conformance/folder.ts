/** @file Cases from the disk. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Files } from "./cases.ts";

/** Where the published cases are; its README.md describes the files. */
export const oracles = fileURLToPath(new URL("../oracles", import.meta.url));

/** The JSON and safetensors files of a folder and those below it. */
export function readFolder(folder: string): Files {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(`expected a folder of cases; there is none at ${folder}`);
  }
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(json|safetensors)$/.test(path) && statSync(join(folder, path)).isFile())
    .map((path) => [path.replaceAll("\\", "/"), new Uint8Array(readFileSync(join(folder, path)))] as const);
  return new Map(files);
}
