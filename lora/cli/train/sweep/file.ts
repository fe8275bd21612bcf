/**
 * @file The file of a sweep: a run, and a grid of options in which its cells differ.
 *
 *     { "run":  { "base": "models/gpt2", "text": "notes.txt", "steps": 200, "validation": 0.1 },
 *       "grid": { "methods": ["lora", "dora"], "ranks": [2, 8], "rates": [0.001, 0.003], "seeds": [0, 1, 2] } }
 *
 * Cells are numbered from 0; the option that the grid names last changes first. A list of grids is all of their cells.
 */

import { existsSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import {
  equalJson,
  isJsonObject,
  type JsonObject,
  LowrankError,
  nearest,
  parseJsonObject,
  readFile,
} from "../../../../core/index.ts";
import { type RunSettings, runOptions, runSettings, type SettingName } from "../run/settings.ts";

/** The values of the options that differ from cell to cell, by name. */
export type CellValues = Readonly<Record<string, unknown>>;

/** One run of a sweep. */
export interface Cell {
  readonly index: number;
  readonly values: CellValues;
  readonly settings: RunSettings;
}

/** A grid: for each option the values to try. */
export type Grid = Readonly<Record<string, readonly unknown[]>>;

/** A sweep, as its file describes it. */
export interface Sweep {
  readonly file: string;
  readonly run: JsonObject;
  readonly grids: readonly Grid[];
  readonly cells: readonly Cell[];
  /** The folder of the results, when the command line names no other. */
  readonly results: string;
  /** Whether each cell's adapter is kept beside its result. */
  readonly saveAdapters: boolean;
}

/** What the lists of a grid may be called, beside the names of the options. */
const plurals: Readonly<Record<string, SettingName>> = {
  methods: "method",
  ranks: "rank",
  rates: "lr",
  seeds: "seed",
};

const FIELDS = ["run", "grid", "results", "saveAdapters"];
const MOST_CELLS = 10_000;
const paths = ["text", "data", "validationText", "validationData"] as const;

/**
 * Reads the file of a sweep, and checks every cell. Paths in it are looked for beside the file, then from the working
 * folder.
 * @throws LowrankError naming the field, or the cell, that is wrong
 */
export function readSweep(file: string): Sweep {
  if (!existsSync(file)) throw new LowrankError(`${file}: there is no such file`);
  if (/\.ya?ml$/i.test(file)) throw new LowrankError(`${file}: expected JSON; YAML is not read`);
  const fields = parseJsonObject(file, statSync(file).isDirectory() ? notAFile(file) : readFile(file));
  const refuse = (message: string): never => {
    throw new LowrankError(`${file}: ${message}`);
  };
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) refuse(`${unknown}: no field of a sweep; expected ${FIELDS.join(", ")}`);
  const { run, grid, results, saveAdapters = false } = fields;
  if (!isJsonObject(run))
    return refuse('run: expected an object of options of train, such as { "base": "models/gpt2", … }');
  if (results !== undefined && (typeof results !== "string" || results === ""))
    refuse(`results: expected a folder; got ${JSON.stringify(results)}`);
  if (typeof saveAdapters !== "boolean")
    return refuse(`saveAdapters: expected true or false; got ${JSON.stringify(saveAdapters)}`);
  const grids = gridsOf(grid, run, refuse);
  const count = grids.reduce((sum, one) => sum + sizeOf(one), 0);
  if (count > MOST_CELLS) refuse(`grid: expected at most ${MOST_CELLS} cells; got ${count}`);
  const all = grids.flatMap(valuesOf);
  const seen = new Map<string, number>();
  const cells = all.map((values, index): Cell => {
    const settings = settingsOf(file, run, values, index);
    const text = JSON.stringify(settings);
    const twin = seen.get(text);
    if (twin !== undefined) refuse(`grid: cells ${twin} and ${index} are the same (${describe(values)})`);
    seen.set(text, index);
    return { index, values, settings };
  });
  const named = typeof results === "string" ? results : `${basename(file).replace(/\.json$/i, "")}-results`;
  return {
    file,
    run,
    grids,
    cells,
    results: isAbsolute(named) ? named : join(dirname(file), named),
    saveAdapters,
  };
}

function notAFile(file: string): never {
  throw new LowrankError(`${file}: expected the file of a sweep; this is a folder`);
}

/** The grids of a file, with the options under their own names. */
function gridsOf(grid: unknown, run: JsonObject, refuse: (message: string) => never): Grid[] {
  const example = 'such as { "methods": ["lora", "dora"], "ranks": [2, 8] }';
  const list = Array.isArray(grid) ? grid : [grid];
  if (list.length === 0) refuse(`grid: expected lists of values by option, ${example}; got none`);
  return list.map((one): Grid => {
    if (!isJsonObject(one))
      return refuse(`grid: expected lists of values by option, ${example}; got ${JSON.stringify(one)}`);
    const axes = Object.entries(one).map(([given, values]): [string, readonly unknown[]] => {
      const name = plurals[given] ?? given;
      if (!Object.hasOwn(runOptions, name)) {
        const known = [...Object.keys(plurals), ...Object.keys(runOptions)];
        refuse(`grid: ${given}: no option of a run; nearest: ${nearest(given, known).join(", ")}`);
      }
      if (!Array.isArray(values) || values.length === 0)
        return refuse(`grid: ${given}: expected a list of values; got ${JSON.stringify(values)}`);
      if (Object.hasOwn(run, name)) refuse(`${name}: expected in the run or in the grid; it is in both`);
      const twin = values.find((value, i) => values.slice(0, i).some((other) => equalJson(other, value)));
      if (twin !== undefined) refuse(`grid: ${given}: ${JSON.stringify(twin)} is there twice`);
      return [name, values];
    });
    const names = axes.map(([name]) => name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) refuse(`grid: ${twice} is there twice, under two names`);
    return Object.fromEntries(axes);
  });
}

const sizeOf = (grid: Grid): number => Object.values(grid).reduce((size, { length }) => size * length, 1);

/** The cells of a grid: its last option changes first. */
function valuesOf(grid: Grid): CellValues[] {
  let cells: CellValues[] = [{}];
  for (const [name, values] of Object.entries(grid)) {
    cells = cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value })));
  }
  return cells;
}

function settingsOf(file: string, run: JsonObject, values: CellValues, index: number): RunSettings {
  const merged: Record<string, unknown> = { ...run, ...values };
  const folder = dirname(file);
  const found = (path: unknown): unknown =>
    typeof path === "string" && !isAbsolute(path) && existsSync(join(folder, path))
      ? join(folder, path)
      : path;
  try {
    if (Object.hasOwn(merged, "base")) merged.base = found(merged.base);
    for (const name of paths)
      if (Object.hasOwn(merged, name)) merged[name] = [merged[name]].flat().map(found);
    const settings = runSettings(merged);
    if (paths.some((name) => settings[name].includes("-")))
      throw new LowrankError("standard input (-): a sweep reads its data again and again; expected a file");
    return settings;
  } catch (error) {
    if (!(error instanceof LowrankError)) throw error;
    const words = describe(values);
    throw new LowrankError(`${file}: cell ${index}${words && ` (${words})`}: ${error.message}`, {
      cause: error,
    });
  }
}

/** A cell in words: `method dora, rank 8, lr 0.001, seed 2`. */
export const describe = (values: CellValues): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(", ");

/** A value of a cell as a reader expects it. */
export const shown = (value: unknown): string =>
  Array.isArray(value)
    ? value.map(shown).join("+")
    : typeof value === "string"
      ? value
      : String(JSON.stringify(value));
