/** @file Runs a notebook, a TypeScript module, and collects the outputs of each cell. */
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import type { Reader } from "../experiments/reader.ts";
import { NotebookError } from "../terminal/errors.ts";
import { processTerminal, silentTerminal, type Terminal } from "../terminal/terminal.ts";
import { type Cell, parsePercent } from "./percent.ts";
import { type MimeBundle, Session, type SettingValue, type Verdict, withSession } from "./session.ts";

export interface ExecuteOptions {
  /**
   * Run the long setting instead of the quick one.
   * @default false
   */
  readonly full?: boolean;
  /** Changed settings by name, as text; the notebook's `defineSettings` parses and checks them. */
  readonly overrides?: ReadonlyMap<string, string>;
  /** Value of the setting "seeds", for a notebook that has one. */
  readonly seeds?: string;
  /** The reader's own text and model, for a notebook that takes them. */
  readonly reader?: Reader;
  readonly terminal?: Terminal;
}

export interface Execution {
  readonly name: string;
  readonly cells: readonly Cell[];
  /** outputs[i]: the outputs of cell i, in order. */
  readonly outputs: readonly (readonly MimeBundle[])[];
  readonly tables: number;
  readonly verdicts: readonly Verdict[];
  readonly full: boolean;
  /** The settings in force; empty if the notebook has none. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** The settings changed by the options, as given. */
  readonly changed: Readonly<Record<string, string>>;
  readonly seconds: number;
}

let runs = 0; // a module is evaluated once per URL, so each run imports a new URL

/**
 * Runs the notebook at `path`. An error thrown in it is rethrown, with a stack that points into the notebook.
 *
 * @throws NotebookError for a setting that the notebook does not have
 */
export async function executeNotebook(
  path: string,
  {
    full = false,
    overrides = new Map(),
    seeds,
    reader = {},
    terminal = processTerminal,
  }: ExecuteOptions = {},
): Promise<Execution> {
  const name = basename(path, ".ts");
  const cells = parsePercent(await readFile(path, "utf8"), path);
  const session = new Session({ name, cells, full, overrides, seeds, reader, terminal });
  await evaluate(path, session);
  const given = [...overrides.keys()];
  if (given.length > 0 && !session.settings) {
    throw new NotebookError(`${name}: has no settings; given ${given.join(", ")}`);
  }
  const { outputs, tables, verdicts, seconds, settings } = session;
  const own = Object.entries(reader).filter(([, value]) => value !== undefined);
  const changed = Object.fromEntries([...overrides, ...own.map(([key, path]) => [key, basename(path)])]);
  if (seeds !== undefined && settings?.seeds !== undefined) changed.seeds = seeds;
  return { name, cells, outputs, tables, verdicts, full, settings: settings ?? {}, changed, seconds };
}

/** The settings that the notebook at `path` declares, or null if it has none. The notebook runs only up to that point. */
export async function declaredSettings(path: string): Promise<object | null> {
  const source = await readFile(path, "utf8");
  if (!source.includes("defineSettings(")) return null;
  let declared: object | null = null;
  const enough = new Error("the settings are declared");
  const onSettings = (settings: object): void => {
    declared = settings;
    throw enough;
  };
  const cells = parsePercent(source, path);
  const options = { name: basename(path, ".ts"), cells, full: false, overrides: new Map(), seeds: undefined };
  await evaluate(path, new Session({ ...options, terminal: silentTerminal, onSettings })).catch((error) => {
    if (error !== enough) throw error;
  });
  return declared;
}

async function evaluate(path: string, session: Session): Promise<void> {
  if (runs === 0) register("./cell-loader.ts", import.meta.url);
  const url = `${pathToFileURL(path).href}?cells=${++runs}`;
  await withSession(session, async () => {
    await import(url);
    session.finish();
  });
}
