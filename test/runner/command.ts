/**
 * @file The command behind `npm test`: a line for each file, the whole output of those that fail, the totals, and an
 * exit code. HELP in options.ts describes it.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { nextChange, uncommitted, writeTimes } from "./changes.ts";
import { type Result, type RunOptions, runFile } from "./child.ts";
import { concerned, testFiles } from "./concerns.ts";
import { didYouMean, HELP, type Options, readOptions } from "./options.ts";

const ASSEMBLY = join("core", "cpu", "assembly", "/");
const SECONDS_FILE = ".cache/test-seconds.json";

/** Where lines go: the console, or what a test reads. */
export type Print = Pick<Console, "log" | "error">;

/** Runs `npm test` with `args` in the current folder. @returns the exit code: 1 when a test fails, or on a mistake */
export async function runTests(args: readonly string[], print: Print = console): Promise<number> {
  try {
    const options = readOptions(args);
    if (options.help) {
      print.log(HELP);
      return 0;
    }
    const files = chosenFiles(options);
    if (options.watch) return await watch(files, options, print);
    if (files.length === 0) print.log("uncommitted changes concern no test");
    return report(await runAll(files, options, print), options, print);
  } catch (error) {
    print.error(`npm test: ${(error as Error).message}`);
    return 1;
  }
}

/** @throws Error when a part was given that no file's path holds */
function chosenFiles({ parts, changed }: Pick<Options, "parts" | "changed">): string[] {
  const all = testFiles();
  for (const part of parts) {
    if (!all.some((file) => file.includes(part)))
      throw new Error(`no test file's path holds ${part}${didYouMean(part, all)}`);
  }
  const files = all.filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
  return changed ? concerned(uncommitted(), files) : files;
}

/** Runs `files`, and prints a line for each as it ends; stops when `signal` aborts. */
async function runAll(
  files: readonly string[],
  { grep, signal }: RunOptions,
  print: Print,
): Promise<Result[]> {
  const seconds = lastSeconds();
  const longest = (file: string): number => seconds[file] ?? Infinity; // what is new might be long
  // The files that took longest the last time start first, so that the cores end together.
  const queue = [...files].sort((a, b) => longest(b) - longest(a) || (a < b ? -1 : 1));
  const results: Result[] = [];
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file && !signal?.aborted; file = queue.shift()) {
      const result = await runFile(file, { grep, signal });
      if (result === null) return;
      results.push(result);
      printLine(result, print);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (grep === undefined) keepSeconds(results);
  return results;
}

function printLine({ file, passed, failed, skipped, leftOut, seconds, output }: Result, print: Print): void {
  if (passed + failed + skipped === 0) return; // all were left out
  const marks = [
    `${passed} passed`,
    failed > 0 ? `${failed} FAILED` : "",
    skipped > 0 ? `${skipped} skipped` : "",
    leftOut.length > 0 ? `${leftOut.length} left out` : "",
  ];
  const counts = marks.filter(Boolean).join(", ");
  print.log(`${failed > 0 ? "✗" : "✓"} ${file}  ${counts}  ${seconds.toFixed(1)} s`);
  for (const line of output.split("\n")) if (/^skipped: /.test(line)) print.log(`    ${line}`);
}

/** Prints what failed, and the totals, which .ci/run reads. @returns the exit code. @throws when --grep left all out */
function report(results: readonly Result[], { grep }: Pick<Options, "grep">, print: Print): number {
  const total = (key: "passed" | "failed" | "skipped"): number =>
    results.reduce((sum, result) => sum + result[key], 0);
  const leftOut = results.flatMap((result) => result.leftOut);
  if (grep !== undefined && leftOut.length > 0) {
    if (total("passed") + total("failed") + total("skipped") === 0)
      throw new Error(`--grep: no test holds "${grep}" in its name${didYouMean(grep, leftOut)}`);
    const tests = leftOut.length === 1 ? "test" : "tests";
    print.log(`\n${leftOut.length} ${tests} left out by --grep ${JSON.stringify(grep)}`);
  }
  for (const { file, failed, output } of results) if (failed > 0) print.log(`\n── ${file}\n${output}`);
  print.log(`\n${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`);
  return total("failed") > 0 ? 1 : 0;
}

/**
 * Runs `files` when some were asked for, and from then on, after every change, those of them that it concerns. A change
 * during a run stops it; what has not ended then runs again.
 */
async function watch(files: readonly string[], options: Options, print: Print): Promise<never> {
  const { parts, grep } = options;
  let times = writeTimes();
  let waiting = parts.length > 0 || options.changed ? files : [];
  for (;;) {
    const stop = new AbortController();
    const change = nextChange(times).finally(() => stop.abort());
    const results = await runAll(waiting, { grep, signal: stop.signal }, print);
    if (!stop.signal.aborted) {
      if (waiting.length > 0) reportAndGoOn(results, options, print);
      print.log("waiting for changes; Ctrl-C ends");
    }
    const { changed, times: now } = await change;
    times = now;
    print.log(`\n${changed.join(", ")}`);
    if (changed.some((file) => file.startsWith(ASSEMBLY))) buildKernels();
    const unfinished = waiting.filter((file) => !results.some((result) => result.file === file));
    waiting = [...new Set([...unfinished, ...concerned(changed, chosenFiles({ parts, changed: false }))])];
    if (waiting.length === 0) print.log("concerns no test");
  }
}

function reportAndGoOn(results: readonly Result[], options: Options, print: Print): void {
  try {
    report(results, options, print);
  } catch (error) {
    print.error((error as Error).message);
  }
}

/** Compiles core/cpu/assembly, as npm does before a run. A mistake in it is told by the compiler. */
function buildKernels(): void {
  spawnSync("npm", ["run", "-s", "build:wasm"], { stdio: "inherit" });
}

function lastSeconds(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(SECONDS_FILE, "utf8"));
  } catch {
    return {};
  }
}

function keepSeconds(results: readonly Result[]): void {
  const now = Object.fromEntries(results.map(({ file, seconds }) => [file, Math.round(seconds * 10) / 10]));
  mkdirSync(dirname(SECONDS_FILE), { recursive: true });
  writeFileSync(SECONDS_FILE, JSON.stringify({ ...lastSeconds(), ...now }, null, 1));
}
