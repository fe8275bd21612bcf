/** @file The command behind `npm start`: its options, its errors, its exit code. */

import { mkdir, readdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { type DeviceName, setDevice } from "lowrank/core";
import { kept } from "../check/quick.ts";
import type { Reader } from "../experiments/reader.ts";
import { mean } from "../experiments/statistics.ts";
import { readNotebook } from "../gallery/notebook.ts";
import { choose, listing, notebooksIn, readersNotebooks, settingsListing } from "../notebook/folder.ts";
import type { RunRecord } from "../notebook/record.ts";
import { type RunRequest, type RunResult, runNotebook } from "../notebook/run.ts";
import { VERDICTS } from "../notebook/session.ts";
import { NotebookError, report } from "../terminal/errors.ts";
import { parseOptions, positiveInteger } from "../terminal/options.ts";
import { processTerminal, type Terminal } from "../terminal/terminal.ts";
import { uninterrupted } from "./interrupt.ts";
import { type Job, runAll } from "./parallel.ts";

const HELP = `Usage: npm start -- [NAME ...] [options]

Runs the named notebooks, or all of them. A single one prints its tables here. Each is written with its outputs as
NAME.ipynb, and all together as a site, with the live lab beside it:

  npm start                     the quick setting       → out/NAME.ipynb, out/gallery/index.html
  npm start -- --full           the long one            → notebooks/NAME.ipynb, gallery/index.html
  npm start -- NAME --full ...  with changed settings   → out/, as above

Git ignores out/ and gallery/. The files beside the notebooks are committed, and are always of the long setting.

  --list              list the notebooks, or the settings of those named, and stop
  --full              the long setting; without it, the quick one
  --seeds N           independent runs to average over (the setting "seeds")
  --set NAME=VALUE    change a setting; may be repeated; needs one notebook
  --text FILE         adapt to this text, any in UTF-8; needs one notebook, which --list marks with "text, base"
  --base FOLDER       adapt this model, a GPT-2 or Llama in Hugging Face's format; likewise
  --device NAME       compute on this device (npm run devices lists them)
  --jobs N            run N notebooks at a time (default: the number of cores)
  --out DIR           write to this folder instead
  --open              open the site in the browser at the end
  --help              this text`;

export interface CommandOptions {
  /** The folder of the notebooks. */
  readonly folder: string;
  /** The folder to which quick and changed runs are written. */
  readonly runs: string;
  readonly terminal?: Terminal;
  /** Writes a site from these `.ipynb` files and returns the path of its first page. */
  readonly gallery?: (options: {
    readonly notebooks: readonly string[];
    readonly out: string;
    readonly lab?: string;
  }) => Promise<string>;
  /** Writes the live lab into a folder and returns the path of its page. @default no lab */
  readonly lab?: ((out: string) => Promise<string>) | null;
}

/** Runs the command and returns its exit code: 0, or 1 after an error, which it has reported. */
export async function runNotebooks(args: readonly string[], options: CommandOptions): Promise<number> {
  const { terminal = processTerminal } = options;
  try {
    await run(args, { gallery: writeGallery, lab: null, ...options, terminal });
    return 0;
  } catch (error) {
    terminal.status(report(error));
    return 1;
  }
}

/** Loaded lazily, because its dependencies take a second to load. */
const writeGallery: Required<CommandOptions>["gallery"] = async (options) =>
  (await import("../gallery/index.ts")).writeGallery(options);

async function run(
  args: readonly string[],
  { folder, runs, terminal, gallery, lab }: Required<CommandOptions>,
): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return terminal.print(HELP);

  const names = await notebooksIn(folder);
  const chosen = choose(positionals, names);
  if (values.list) {
    const { columns } = terminal;
    const list = positionals.length > 0 ? settingsListing(folder, chosen, columns) : listing(folder, names);
    return terminal.print(await list);
  }
  const overrides = parseSettings(values.set);
  const seeds = values.seeds === undefined ? undefined : String(positiveInteger("seeds", values.seeds));
  if (values.set.length > 0 && chosen.length > 1) {
    throw new NotebookError(
      `--set needs one notebook: npm start -- NAME --set ...; one of ${names.join(", ")}`,
    );
  }
  const reader = await readerOf(values, chosen, folder, names);
  if (values.device !== undefined) {
    setDevice(values.device as DeviceName); // throws if it is unknown or does not work here
    process.env.LOWRANK_DEVICE = values.device; // for the notebooks' own processes
  }
  const keep = values.full && values.set.length === 0 && !values.seeds && !values.device && !reader;
  const out = resolve(values.out ?? (keep ? folder : runs));
  if (reader && out === resolve(folder))
    throw new NotebookError(
      `--out: expected another folder than ${here(folder)}, whose files are of its own texts and bases`,
    );
  await requireFolder(out);

  const requests = chosen.map((name) => ({ name, folder, out, full: values.full, overrides, seeds, reader }));
  const jobs = Math.min(
    chosen.length,
    values.jobs === undefined ? availableParallelism() : positiveInteger("jobs", values.jobs),
  );
  const failed = await runRequests(requests, jobs, terminal);

  const site = out === resolve(folder) ? join(out, "..", "gallery") : join(out, "gallery");
  const written = (await readdir(out)).filter((file) => names.some((name) => file === `${name}.ipynb`));
  if (written.length > 0) {
    const notebooks = written.sort().map((file) => join(out, file));
    const page = await uninterrupted(async () => {
      const live = await lab?.(join(keep ? runs : out, "lab"));
      return gallery({ notebooks, out: site, ...(live && { lab: live }) });
    });
    terminal.status(`gallery: ${written.length} notebook${plural(written)} → ${here(page)}`);
    if (values.open) await openPage(page);
  }
  if (failed.length > 0) {
    throw new NotebookError(`${failed.length} of ${chosen.length} notebooks failed: ${failed.join(", ")}`);
  }
}

/** The reader's text and model, checked, for a notebook that takes them; undefined if there are none. */
async function readerOf(
  { text, base }: Reader,
  chosen: readonly string[],
  folder: string,
  names: readonly string[],
): Promise<Reader | undefined> {
  if (text === undefined && base === undefined) return undefined;
  const option = text === undefined ? "--base" : "--text";
  const taking = await readersNotebooks(folder, names);
  const list = taking.join(", ") || "none";
  if (chosen.length > 1)
    throw new NotebookError(`${option} needs one notebook: npm start -- NAME ${option} ...; one of ${list}`);
  if (!taking.includes(chosen[0]))
    throw new NotebookError(
      `${option}: ${chosen[0]} runs on its own texts and bases only; those that take others: ${list}`,
    );
  const { checkReader } = await import("../experiments/reader.ts"); // loads the models' code, which --help need not
  checkReader({ text, base });
  return { text, base };
}

/** Runs a single notebook in this process, which shows its tables; several in processes of their own. Returns the failed ones. */
async function runRequests(
  requests: readonly RunRequest[],
  jobs: number,
  terminal: Terminal,
): Promise<readonly string[]> {
  const onResult = (result: RunResult): void => terminal.status(summary(result));
  if (requests.length === 1) {
    onResult(await runNotebook(requests[0], terminal));
    return [];
  }
  return runAll(await withSeconds(requests), { jobs, terminal, onResult });
}

/** Adds to each request the seconds of its last run in the same setting, or the mean of the others if none is known. */
async function withSeconds(requests: readonly RunRequest[]): Promise<Job[]> {
  const known = await Promise.all(requests.map(lastSeconds));
  const all = known.filter((seconds) => seconds !== null);
  const average = all.length > 0 ? mean(all) : 30;
  return requests.map((request, i) => ({ request, seconds: known[i] ?? average }));
}

async function lastSeconds({ name, folder, out, full }: RunRequest): Promise<number | null> {
  for (const file of [join(out, `${name}.ipynb`), join(folder, `${name}.ipynb`)]) {
    const record = (await readNotebook(file).catch(() => null))?.metadata.lowrank as RunRecord | undefined;
    if (record?.setting === (full ? "full" : "quick")) return record.seconds;
  }
  return full ? null : ((await kept(folder, name).catch(() => null))?.seconds ?? null);
}

function parse(args: readonly string[]) {
  return parseOptions(
    args,
    {
      list: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      seeds: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      text: { type: "string" },
      base: { type: "string" },
      device: { type: "string" },
      jobs: { type: "string" },
      out: { type: "string" },
      open: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
    "npm start",
  );
}

function parseSettings(set: readonly string[]): Record<string, string> {
  const pairs = set.map((setting) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    if (name === undefined) throw new NotebookError(`--set: expected NAME=VALUE; got "${setting}"`);
    return [name.trim(), value.trim()];
  });
  return Object.fromEntries(pairs);
}

async function requireFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(() => {});
  const found = await stat(path).catch(() => null);
  if (!found?.isDirectory()) throw new NotebookError(`--out: expected a folder; got "${path}"`);
}

function summary({ name, tables, file, record: { verdicts, seconds } }: RunResult): string {
  const counted = VERDICTS.filter((verdict) => verdicts[verdict] > 0);
  const claims = counted.map((verdict) => `${verdicts[verdict]} ${verdict}`).join(", ");
  return `${name}: ${tables} table${tables === 1 ? "" : "s"}${claims && `, claims: ${claims}`}, ${seconds.toFixed(1)} s → ${here(file)}`;
}

async function openPage(page: string): Promise<void> {
  const { openInBrowser } = await import("./open.ts");
  if (!(await openInBrowser(page)))
    throw new NotebookError(`--open: no browser could be started; the page is ${page}`);
}

function plural(list: readonly unknown[]): string {
  return list.length === 1 ? "" : "s";
}

/** The path relative to the working directory, if it lies below it. */
function here(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
