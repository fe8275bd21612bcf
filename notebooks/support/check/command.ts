/** @file The command behind `npm run notebooks:check`: its options, its report, its exit code. */
import { join } from "node:path";
import { writeFileAtomic } from "lowrank/core";
import { readNotebook } from "../gallery/notebook.ts";
import { choose, notebooksIn } from "../notebook/folder.ts";
import { runNotebooks } from "../runner/command.ts";
import { NotebookError, report } from "../terminal/errors.ts";
import { parseOptions } from "../terminal/options.ts";
import { processTerminal, type Terminal } from "../terminal/terminal.ts";
import { faults, isOf, recordIn, withProseOf } from "./committed.ts";
import { differences } from "./compare.ts";
import { keep, kept, type QuickRun } from "./quick.ts";
import { tablesIn } from "./tables.ts";

const HELP = `Usage: npm run notebooks:check -- [NAME ...] [options]

Checks the named notebooks, or all of them:

  committed   notebooks/NAME.ipynb is a full run of the present NAME.ts, with its verdicts and at least five seeds
  numbers     a quick run shows the tables of notebooks/quick/NAME.json: text and numbers equal, a ± b within b,
              an interval within half of its length, decimals within a
              table's tolerance; folded tables count, too; volatile values such as times are not compared

The quick run is written to out/, as by npm start.

  --from DIR  check the quick run in DIR instead of running again: --from out after npm start
  --update    write the quick run's tables to notebooks/quick/, and changed prose to notebooks/NAME.ipynb
  --help      this text`;

/** Differences printed for each notebook; the others are counted. */
const MOST_SHOWN = 12;

export interface CheckOptions {
  /** The folder of the notebooks. */
  readonly folder: string;
  /** The folder to which quick runs are written. */
  readonly runs: string;
  readonly terminal?: Terminal;
}

/** Runs the command and returns its exit code: 1 if a check failed or could not be made. */
export async function checkNotebooks(
  args: readonly string[],
  { terminal = processTerminal, ...options }: CheckOptions,
): Promise<number> {
  try {
    return await check(args, { ...options, terminal });
  } catch (error) {
    terminal.status(report(error));
    return 1;
  }
}

async function check(
  args: readonly string[],
  { folder, runs, terminal }: Required<CheckOptions>,
): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    terminal.print(HELP);
    return 0;
  }
  const names = choose(positionals, await notebooksIn(folder));
  const run = values.from ?? runs;
  if (values.from === undefined) await runQuick(names, { folder, out: run, terminal });
  let failed = 0;
  const done = (name: string, what: string, found: readonly string[]): void => {
    if (found.length > 0) failed++;
    terminal.status(`${found.length > 0 ? "✗" : "✓"} ${name}: ${what}`);
    for (const one of found.slice(0, MOST_SHOWN)) terminal.status(`    ${one}`);
    if (found.length > MOST_SHOWN) terminal.status(`    … and ${found.length - MOST_SHOWN} more`);
  };
  for (const name of names) {
    const committed = await explained(async () => {
      if (values.update) await refreshProse(folder, name);
      return committedFaults(folder, name);
    });
    done(name, "committed", committed);
    const tables = await explained(async () => {
      const shown = await quickRun(run, folder, name);
      if (values.update) {
        keep(folder, name, shown);
        return [];
      }
      const found = differences((await kept(folder, name)).tables, shown.tables);
      const hint = `if that is meant: npm run notebooks:check -- ${name} --update`;
      return found.length > 0 ? [...found.slice(0, MOST_SHOWN - 1), hint] : [];
    });
    done(name, values.update ? "numbers written" : "numbers", tables);
  }
  terminal.status(`\n${2 * names.length - failed} passed, ${failed} failed, 0 skipped`);
  return failed > 0 ? 1 : 0;
}

function parse(args: readonly string[]) {
  return parseOptions(
    args,
    {
      from: { type: "string" },
      update: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
    "npm run notebooks:check",
  );
}

async function runQuick(
  names: readonly string[],
  { folder, out, terminal }: { folder: string; out: string; terminal: Terminal },
): Promise<void> {
  const quiet: Terminal = { ...terminal, print() {}, heading() {} };
  const gallery = async (): Promise<string> => out; // no site is needed
  const code = await runNotebooks([...names, "--out", out], { folder, runs: out, terminal: quiet, gallery });
  if (code !== 0) throw new NotebookError("a notebook failed; nothing is checked");
}

/** The result of `find`; a NotebookError that it throws becomes a finding. */
async function explained(find: () => Promise<string[]>): Promise<string[]> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof NotebookError) return [error.message];
    throw error;
  }
}

async function committedFaults(folder: string, name: string): Promise<string[]> {
  return faults(await readNotebook(join(folder, `${name}.ipynb`)), join(folder, `${name}.ts`));
}

/** Writes the source's prose into the committed `.ipynb`, if the code is still the code that ran. */
async function refreshProse(folder: string, name: string): Promise<void> {
  const file = join(folder, `${name}.ipynb`);
  const text = await withProseOf(await readNotebook(file), join(folder, `${name}.ts`));
  if (text !== null) writeFileAtomic(file, new TextEncoder().encode(text));
}

/** The tables of the run in folder `run`, which must be an unchanged quick run of the notebook's present source. */
async function quickRun(run: string, folder: string, name: string): Promise<QuickRun> {
  const notebook = await readNotebook(join(run, `${name}.ipynb`));
  const record = recordIn(notebook);
  if (record?.setting !== "quick" || record.changed !== undefined) {
    throw new NotebookError(
      `${notebook.path}: expected a quick run with nothing changed: npm start -- ${name}`,
    );
  }
  if (!(await isOf(notebook, join(folder, `${name}.ts`))))
    throw new NotebookError(`${notebook.path}: older than ${name}.ts: npm start -- ${name}`);
  return { seconds: record.seconds, tables: tablesIn(notebook) };
}
