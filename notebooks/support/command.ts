/** @file The command behind `npm start`: its options, its errors, its exit code. */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "lowrank/core";
import { NotebookError, unknownName } from "./errors.ts";
import { type Execution, executeNotebook } from "./execute.ts";
import { toIpynb } from "./ipynb.ts";
import { parsePercent } from "./percent.ts";
import { processTerminal, type Terminal } from "./terminal.ts";

const HELP = `Usage: npm start -- [NAME ...] [options]

Runs notebooks, all of them unless named, and writes each with its outputs beside it as NAME.ipynb.

  --list              list the notebooks and stop
  --full              the long setting; without it, the quick one
  --seeds N           independent runs to average over (the setting "seeds")
  --set NAME=VALUE    change a setting; may be repeated; needs one notebook
  --device NAME       compute on this device (npm run devices lists them)
  --out DIR           write the .ipynb files there instead
  --help              this text`;

export interface CommandOptions {
  /** The folder in which the notebooks lie. */
  readonly folder: string;
  readonly terminal?: Terminal;
}

/** Runs the command with `args` and returns its exit code: 0, or 1 after an error, which has been reported. */
export async function runNotebooks(
  args: readonly string[],
  { folder, terminal = processTerminal }: CommandOptions,
): Promise<number> {
  try {
    await run(args, folder, terminal);
    return 0;
  } catch (error) {
    terminal.status(report(error));
    return 1;
  }
}

async function run(args: readonly string[], folder: string, terminal: Terminal): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return terminal.print(HELP);

  const names = await notebooksIn(folder);
  if (values.list) return terminal.print(await listing(folder, names));

  const chosen = choose(positionals, names, folder);
  const overrides = parseSettings(values.set);
  const seeds = parseSeeds(values.seeds);
  if (values.set.length > 0 && chosen.length > 1) {
    throw new NotebookError(
      `--set needs one notebook: npm start -- NAME --set ...; one of ${names.join(", ")}`,
    );
  }
  const out = resolve(values.out ?? folder);
  await requireFolder(out, values.out !== undefined);

  // The engine reads it when it first needs a device, and refuses a name it does not know.
  if (values.device !== undefined) process.env.LOWRANK_DEVICE = values.device;

  for (const name of chosen) {
    const path = join(folder, `${name}.ts`);
    const execution = await executeNotebook(path, { full: values.full, overrides, seeds, terminal });
    const target = join(out, `${name}.ipynb`);
    writeFileAtomic(target, new TextEncoder().encode(toIpynb(execution)));
    terminal.status(summary(execution, relative(process.cwd(), target)));
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        list: { type: "boolean", default: false },
        full: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        seeds: { type: "string" },
        set: { type: "string", multiple: true, default: [] },
        device: { type: "string" },
        out: { type: "string" },
      },
    });
  } catch (error) {
    const reason = (error as Error).message.split(/\. |\n/)[0];
    throw new NotebookError(`${reason}; npm start -- --help lists the options`);
  }
}

/** Names of the notebooks: the `.ts` files of the folder itself. */
async function notebooksIn(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -3))
    .sort();
}

async function listing(folder: string, names: readonly string[]): Promise<string> {
  const width = Math.max(...names.map((name) => name.length), 0);
  const titles = await Promise.all(names.map((name) => title(join(folder, `${name}.ts`))));
  return names.map((name, i) => `${name.padEnd(width)}  ${titles[i]}`.trimEnd()).join("\n") || "no notebooks";
}

/** The first heading of the prose. */
async function title(path: string): Promise<string> {
  const cells = parsePercent(await readFile(path, "utf8"), path);
  const prose = cells.filter(({ type }) => type === "markdown").map(({ source }) => source);
  return /^#+ (.*)$/m.exec(prose.join("\n"))?.[1] ?? "";
}

function choose(given: readonly string[], names: readonly string[], folder: string): readonly string[] {
  if (names.length === 0) throw new NotebookError(`no notebooks in ${folder}`);
  for (const name of given) if (!names.includes(name)) throw unknownName("notebook", name, names);
  return given.length > 0 ? [...new Set(given)] : names;
}

function parseSettings(set: readonly string[]): Map<string, string> {
  const overrides = new Map<string, string>();
  for (const setting of set) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    if (name === undefined) throw new NotebookError(`--set: expected NAME=VALUE; got "${setting}"`);
    overrides.set(name.trim(), value.trim());
  }
  return overrides;
}

function parseSeeds(seeds: string | undefined): string | undefined {
  if (seeds === undefined || /^[1-9]\d*$/.test(seeds)) return seeds;
  throw new NotebookError(`--seeds: expected a positive integer; got "${seeds}"`);
}

async function requireFolder(path: string, create: boolean): Promise<void> {
  if (create) await mkdir(path, { recursive: true }).catch(() => {});
  const found = await stat(path).catch(() => null);
  if (!found?.isDirectory()) throw new NotebookError(`--out: expected a folder; got "${path}"`);
}

function summary({ name, tables, verdicts, seconds }: Execution, file: string): string {
  const count = (verdict: string) => verdicts.filter((v) => v === verdict).length;
  const claims =
    verdicts.length > 0
      ? `, claims: ${count("holds")} hold, ${count("partly")} partly, ${count("does not hold")} do not`
      : "";
  return `${name}: ${tables} table${tables === 1 ? "" : "s"}${claims}, ${seconds.toFixed(1)} s → ${file}`;
}

/** A user's mistake, or a device that cannot be had, in one line; all else with its stack into the notebook. */
function report(error: unknown): string {
  const plain = error instanceof NotebookError || (error instanceof Error && error.name === "DeviceError");
  if (plain) return `error: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
