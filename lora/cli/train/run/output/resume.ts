/**
 * @file What a run leaves to be continued from, in the folder `checkpoint` of its output: the state that `fit` saves, and
 * the description of the run, so that a run with other settings, data, base or device is not taken for it.
 */

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import {
  currentDevice,
  equalJson,
  exists,
  isJsonObject,
  LowrankError,
  listFolder,
  makeFolder,
  parseJsonObject,
  readFile,
  removeFile,
  writeFileAtomic,
} from "../../../../../core/index.ts";
import { spelled } from "../check.ts";
import { type RunSettings, runSettings } from "../settings.ts";
import type { Source } from "../source.ts";
import type { PreparedRun } from "../training.ts";

/** The folder, in the output's. */
export const FOLDER = "checkpoint";

/** What a run that is continued must have in common with the one that was saved. */
interface Description {
  readonly settings: RunSettings;
  /** SHA-256 of the base's configuration and weights. */
  readonly base: string;
  /** SHA-256 of the tokens and labels. */
  readonly data: string;
  readonly device: string;
  readonly steps: number;
}

/** The file of `fit`'s checkpoint. */
export const statePath = (out: string): string => join(out, FOLDER, "state.safetensors");

const descriptionPath = (out: string): string => join(out, FOLDER, "run.json");

/** True when there is a run to continue in `out`. */
export const hasRun = (out: string): boolean => exists(descriptionPath(out)) && exists(statePath(out));

/**
 * The settings of the run in `out`, for a command that continues it.
 * @param given the settings that were typed, which must be those of the run
 * @throws LowrankError when there is no run, or a setting is another one: it is named with both values
 */
export function savedSettings(out: string, given: Readonly<Record<string, unknown>>): RunSettings {
  if (!hasRun(out))
    throw new LowrankError(
      `--resume: there is no run to continue in ${out}; expected the --out of a run with --save-every`,
    );
  const { settings } = readDescription(out);
  for (const [name, value] of Object.entries(given)) {
    const before = settings[name as keyof RunSettings];
    if (!equalJson(before, value))
      throw new LowrankError(
        `${spelled(name)}: the run in ${out} has ${shown(before)}; got ${shown(value)}. Leave it out to continue that run, or start another one`,
      );
  }
  return settings;
}

const shown = (value: unknown): string => (value === undefined ? "none" : JSON.stringify(value));

/** Says what the run is, for `--resume`, or checks that it is the one that was saved. */
export function describeRun(run: PreparedRun, out: string, resumes: boolean): void {
  const { settings, folder, data, steps } = run;
  const now: Description = {
    settings,
    base: hashOfBase(folder),
    data: hashOfData([data.train, ...(data.validation ? [data.validation] : [])]),
    device: currentDevice().name,
    steps,
  };
  if (!resumes) {
    makeFolder(join(out, FOLDER));
    removeFile(statePath(out)); // of an earlier run, which --overwrite replaces
    writeFileAtomic(descriptionPath(out), new TextEncoder().encode(`${JSON.stringify(now, null, 2)}\n`));
    return;
  }
  const before = readDescription(out);
  const other = {
    base: `--base: ${settings.base} is not the model any more that the run in ${out} was started with`,
    data: `the data are not those any more that the run in ${out} was started with`,
    device: `--device: the run in ${out} was started on ${before.device}; got ${now.device}, whose last bits differ`,
    steps: `the run in ${out} has ${before.steps} steps; got ${now.steps}`,
  };
  for (const [name, message] of Object.entries(other))
    if (before[name as keyof Description] !== now[name as keyof Description]) throw new LowrankError(message);
}

function readDescription(out: string): Description {
  const path = descriptionPath(out);
  const fields = parseJsonObject(path, readFile(path));
  if (!isJsonObject(fields.settings)) throw new LowrankError(`${path}: expected the settings of a run`);
  return { ...(fields as unknown as Description), settings: runSettings(fields.settings) };
}

/** SHA-256 of what a base computes with. */
function hashOfBase(folder: string): string {
  const hash = createHash("sha256");
  const part = Buffer.alloc(1 << 20);
  for (const name of listFolder(folder).filter(
    (name) => name === "config.json" || name.endsWith(".safetensors"),
  )) {
    hash.update(name);
    const file = openSync(join(folder, name), "r");
    try {
      for (let read = readSync(file, part); read > 0; read = readSync(file, part))
        hash.update(part.subarray(0, read));
    } finally {
      closeSync(file);
    }
  }
  return hash.digest("hex");
}

function hashOfData(sources: readonly Source[]): string {
  const hash = createHash("sha256");
  for (const source of sources) {
    hash.update(`${source.size}`);
    for (let i = 0; i < source.size; i++) {
      const { ids, labels } = source.at(i, 0);
      hash.update(Int32Array.of(ids.length, ...ids, ...labels));
    }
  }
  return hash.digest("hex");
}
