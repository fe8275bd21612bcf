/** @file What a target of the fuzzer is, and what targets share: files, states, comparisons. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Module } from "lowrank/nn";
import type { Files } from "./mutate.ts";

export interface Target {
  /** The files as they should be. */
  readonly files: Files;
  /**
   * Gives the files, which lie in `folder`, to the library.
   * @returns what is wrong with the load, null when nothing is
   * @throws what the library throws, after a check that nothing has changed: `Changed` if something has
   */
  load(files: Files, folder: string): string | null;
}

/** Thrown in the place of a refusal that has changed something. */
export class Changed extends Error {}

export const bits = (values: ArrayBufferView): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
export const stateOf = (model: Module): string =>
  `${model} ${Array.from(model.stateDict(), ([name, { data }]) => name + bits(data))}`;

/** Runs `load`; when it throws, `state` must be what it was. */
export function unlessRefused<T>(state: () => string, load: () => T): T {
  const before = state();
  try {
    return load();
  } catch (error) {
    if (state() !== before)
      throw new Changed(`refused, but something has changed: ${(error as Error).message}`);
    throw error;
  }
}

/** The first name whose text differs. */
export function firstOther(
  expected: ReadonlyMap<string, string>,
  got: ReadonlyMap<string, string>,
): string | null {
  for (const [name, text] of expected) if (got.get(name) !== text) return `${name} is not as in the file`;
  return expected.size === got.size ? null : `${expected.size} tensors in the file, ${got.size} loaded`;
}

export function filesOf(save: (folder: string) => void, names: readonly string[]): Files {
  const folder = mkdtempSync(join(tmpdir(), "lowrank-fuzz-"));
  try {
    save(folder);
    return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Makes `folder` hold these files, and no others. */
export function place(files: Files, folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}
