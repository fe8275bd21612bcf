/**
 * @file The results of a sweep: a folder with sweep.json, which says what they are of, and a file for each cell.
 *
 *     RESULTS/sweep.json             the run, the grid, and the hashes of the data
 *     RESULTS/cells/0007.json        what came of cell 7, or why it failed
 *     RESULTS/cells/0007.lock        while a process works on it
 *     RESULTS/adapters/0007/         its adapter, where the sweep keeps them
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import {
  CheckpointError,
  equalJson,
  isJsonObject,
  type JsonObject,
  LowrankError,
  makeFolder,
  parseJsonObject,
  readFile,
  writeFileAtomic,
} from "../../../../core/index.ts";
import { type Environment, resolveFolder } from "../../hub/index.ts";
import { type Lock, tryLock } from "../../lock.ts";
import type { Cell, CellValues, Sweep } from "./file.ts";

/** What came of a cell. */
export interface CellRecord {
  readonly format: "lowrank-sweep-cell-1";
  readonly index: number;
  readonly cell: CellValues;
  readonly status: "done" | "failed";
  /** Why it failed. */
  readonly error?: string;
  readonly result?: CellResult;
  readonly host: string;
  readonly finished: string;
  readonly seconds: number;
}

/** The numbers of a run. A loss that is not finite is null, as in all JSON. */
export interface CellResult {
  /** What the losses before and after are of: examples that were held out, or those trained on. */
  readonly of: "validation" | "training";
  readonly before: number | null;
  readonly after: number | null;
  readonly best: { readonly step: number; readonly value: number | null } | null;
  readonly steps: number;
  readonly losses: readonly (number | null)[];
  readonly validations: readonly { readonly step: number; readonly value: number | null }[];
  readonly trainable: number;
  readonly tokensPerSecond: number;
  readonly peakBytes: number;
}

/** The folder of a sweep's results. */
export interface Results {
  readonly folder: string;
  readonly run: JsonObject;
  readonly grids: readonly Readonly<Record<string, readonly unknown[]>>[];
  readonly cells: readonly CellValues[];
  /** What came of a cell; undefined when nothing did, or its file is not what it should be. */
  read(index: number): CellRecord | undefined;
  write(record: CellRecord): void;
  /** Takes a cell; null while another process has it. */
  lock(index: number): Lock | null;
  /** The folder of a cell's adapter. */
  adapter(index: number): string;
}

const FILE = "sweep.json";
const FORMAT = "lowrank-sweep-1";

/**
 * Opens the results of a sweep, and begins them where there are none.
 * @throws LowrankError when the folder holds something else, or results of another run, grid or data: it says what differs
 */
export function openResults(sweep: Sweep, folder: string, env?: Environment): Results {
  const path = join(folder, FILE);
  const { run, grids, cells } = sweep;
  const now = {
    format: FORMAT,
    run,
    grids,
    cells: cells.map(({ values }) => values),
    data: hashes(sweep.cells, env),
  };
  if (!existsSync(path)) {
    if (existsSync(folder) && readdirSync(folder).some((name) => !/^\.|^(cells|sweep\.json)$/.test(name)))
      throw new LowrankError(
        `${folder}: expected a new or empty folder, or results of this sweep; it holds other files`,
      );
    makeFolder(join(folder, "cells"));
    writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(now, null, 2)}\n`));
  }
  const before = read(path);
  const changes = differences(before, now);
  if (changes.length > 0)
    throw new LowrankError(
      `${sweep.file} has changed since the results in ${folder}: ${changes.join("; ")}: restore it, or name another folder with --out`,
    );
  return resultsIn(folder, before);
}

/**
 * The results in a folder, to read them.
 * @throws LowrankError when it holds none
 */
export function readResults(folder: string): Results {
  const path = join(folder, FILE);
  if (!existsSync(path))
    throw new LowrankError(`${folder}: expected results of a sweep; there is no ${FILE} in it`);
  return resultsIn(folder, read(path));
}

interface Description {
  readonly run: JsonObject;
  readonly grids: Results["grids"];
  readonly cells: readonly CellValues[];
  readonly data: JsonObject;
}

function read(path: string): Description {
  const fields = parseJsonObject(path, readFile(path));
  const { format, run, grids, cells, data } = fields;
  const isWhole =
    format === FORMAT &&
    isJsonObject(run) &&
    Array.isArray(grids) &&
    grids.every(isJsonObject) &&
    isJsonObject(data);
  if (!isWhole || !Array.isArray(cells) || !cells.every(isJsonObject))
    throw new CheckpointError(
      `${path}: expected what lowrank sweep writes (${FORMAT}); got ${JSON.stringify(format)}`,
    );
  return fields as unknown as Description;
}

function resultsIn(folder: string, { run, grids, cells }: Description): Results {
  const nameOf = (index: number): string => String(index).padStart(String(cells.length - 1).length, "0");
  const pathOf = (index: number): string => join(folder, "cells", `${nameOf(index)}.json`);
  return {
    folder,
    run,
    grids,
    cells,
    read(index) {
      const path = pathOf(index);
      if (!existsSync(path)) return undefined;
      try {
        const fields = parseJsonObject(path, readFile(path));
        return isRecord(fields, index, cells[index]) ? fields : undefined;
      } catch (error) {
        if (error instanceof CheckpointError) return undefined; // not JSON: a copy that was cut off
        throw error;
      }
    },
    write(record) {
      makeFolder(join(folder, "cells"));
      writeFileAtomic(pathOf(record.index), new TextEncoder().encode(`${JSON.stringify(record, null, 1)}\n`));
    },
    lock(index) {
      makeFolder(join(folder, "cells"));
      return tryLock(join(folder, "cells", `${nameOf(index)}.lock`));
    },
    adapter: (index) => join(folder, "adapters", nameOf(index)),
  };
}

function isRecord(fields: JsonObject, index: number, values: CellValues): fields is JsonObject & CellRecord {
  const { format, status, result, cell } = fields;
  const isOurs = format === "lowrank-sweep-cell-1" && fields.index === index && equalJson(cell, values);
  if (!isOurs || (status !== "done" && status !== "failed")) return false;
  return status === "failed" || (isJsonObject(result) && "after" in result && Array.isArray(result.losses));
}

/** The hashes of all that the cells read: their data and the base's configuration, and the size of its weights. */
function hashes(cells: readonly Cell[], env?: Environment): Record<string, string> {
  const files = new Set<string>();
  const bases = new Set<string>();
  for (const { settings } of cells) {
    bases.add(settings.base);
    for (const name of ["text", "data", "validationText", "validationData"] as const)
      for (const file of settings[name]) files.add(file);
  }
  const found: [string, string][] = [];
  for (const file of files) {
    if (!existsSync(file)) throw new LowrankError(`there is no file ${file}, which the sweep trains on`);
    found.push([file, sha256(file)]);
  }
  for (const base of bases) {
    const folder = resolveFolder(base, { who: "base", env });
    const config = join(folder, "config.json");
    const weights = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
    const bytes = weights.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    found.push([
      base,
      `${existsSync(config) ? sha256(config) : "no config.json"}, ${bytes} bytes of weights`,
    ]);
  }
  // By the last part of their paths: on another machine, or from another folder, the paths may be others.
  const data: Record<string, string> = {};
  for (const [path, hash] of found) {
    const name = basename(resolve(path));
    let key = name;
    for (let n = 2; Object.hasOwn(data, key); n++) key = `${name} (${n})`;
    data[key] = hash;
  }
  return data;
}

/** The beginning of a file's SHA-256. */
const sha256 = (file: string): string =>
  createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 24);

/** What differs between two descriptions of a sweep, in words. */
function differences(before: Description, now: Description): string[] {
  const changes: string[] = [];
  const compare = (where: string, a: JsonObject, b: JsonObject): void => {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (equalJson(a[name], b[name])) continue;
      const [was, is] = [a[name], b[name]].map((value) => (value === undefined ? "not there" : short(value)));
      changes.push(`${where}${name} was ${was}, is ${is}`);
    }
  };
  compare("run.", before.run, now.run);
  if (before.grids.length !== now.grids.length)
    changes.push(`there were ${before.grids.length} grids, there are ${now.grids.length}`);
  else
    for (const [i, grid] of before.grids.entries())
      compare(now.grids.length > 1 ? `grid ${i}: ` : "grid.", grid, now.grids[i]);
  compare("content of ", before.data, now.data);
  if (changes.length === 0 && !equalJson(before.cells, now.cells))
    changes.push("the order of the grid's options");
  return changes;
}

const short = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};
