/** @file Runs a notebook, a TypeScript module, and gathers what each of its cells displayed. */
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { NotebookError } from "../terminal/errors.ts";
import { processTerminal, silentTerminal, type Terminal } from "../terminal/terminal.ts";
import { type Cell, parsePercent } from "./percent.ts";
import { type MimeBundle, Session, type SettingValue, type Verdict, withSession } from "./session.ts";

export interface ExecuteOptions {
  /** The long setting instead of the quick one. */
  readonly full?: boolean;
  /** Settings by name, as text; the notebook's `defineSettings` reads and checks them. */
  readonly overrides?: ReadonlyMap<string, string>;
  /** The value for the setting "seeds", if the notebook has one. */
  readonly seeds?: string;
  readonly terminal?: Terminal;
}

export interface Execution {
  readonly name: string;
  readonly cells: readonly Cell[];
  /** outputs[i]: what cell i displayed, in order. */
  readonly outputs: readonly (readonly MimeBundle[])[];
  readonly tables: number;
  readonly verdicts: readonly Verdict[];
  readonly full: boolean;
  /** The settings in force, and what was given for them; empty if the notebook has none. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  readonly changed: Readonly<Record<string, string>>;
  readonly seconds: number;
}

let runs = 0; // a module is evaluated once per URL: each run imports another one

/**
 * Runs the notebook at `path`. Whatever it throws is thrown on, with a stack that points into the notebook; a
 * setting that it does not have is a NotebookError.
 */
export async function executeNotebook(
  path: string,
  { full = false, overrides = new Map(), seeds, terminal = processTerminal }: ExecuteOptions = {},
): Promise<Execution> {
  const name = basename(path, ".ts");
  const cells = parsePercent(await readFile(path, "utf8"), path);
  const session = new Session({ name, cells, full, overrides, seeds, terminal });
  await evaluate(path, session);
  const given = [...overrides.keys()];
  if (given.length > 0 && !session.settings) {
    throw new NotebookError(`${name}: has no settings; given ${given.join(", ")}`);
  }
  const { outputs, tables, verdicts, seconds, settings } = session;
  const changed = Object.fromEntries(overrides);
  if (seeds !== undefined && settings?.seeds !== undefined) changed.seeds = seeds;
  return { name, cells, outputs, tables, verdicts, full, settings: settings ?? {}, changed, seconds };
}

/** What the notebook at `path` returned from its `defineSettings`, or null if it has none; it runs no further. */
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
