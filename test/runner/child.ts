/** @file One test file, run in a process of its own. */

import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

const TIME_LIMIT = 900_000; // ms; a file that takes longer is taken to hang, on a busy machine too

export interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The names of the tests that --grep left out. */
  readonly leftOut: readonly string[];
  readonly seconds: number;
  readonly output: string;
}

export interface RunOptions {
  /** Only the tests with this in their name. */
  readonly grep?: string;
  /** Ends the process when it is aborted. */
  readonly signal?: AbortSignal;
}

const preload = (file: string): string[] => ["--import", new URL(file, import.meta.url).href];

/** Runs one file. uvu closes each suite run with "Total: n", "Passed: n", "Skipped: n". Null when it was aborted. */
export function runFile(file: string, { grep, signal }: RunOptions): Promise<Result | null> {
  return new Promise((resolve) => {
    const started = performance.now();
    const named = grep === undefined ? [] : preload("./by-name.ts");
    const child = spawn(
      process.execPath,
      ["--import", "tsx", ...preload("./failures.ts"), ...named, "--expose-gc", file],
      { timeout: TIME_LIMIT, signal, env: { ...process.env, LOWRANK_TEST_GREP: grep } },
    );
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", () => {}); // an abort; "close" follows
    child.on("close", (code, killer) => {
      if (signal?.aborted) return resolve(null);
      if (killer) output += `\nkilled by ${killer} (limit ${TIME_LIMIT / 1000} s)`;
      const seconds = (performance.now() - started) / 1000;
      resolve({ file, seconds, ...read(output, code) });
    });
  });
}

/** What the output of a file says, and its exit code. */
export function read(
  printed: string,
  code: number | null,
): Pick<Result, "passed" | "failed" | "skipped" | "leftOut" | "output"> {
  let output = printed;
  const [line, list] = /^Left out: (\[.*\])\n/m.exec(output) ?? [];
  if (line !== undefined) output = output.replace(line, "");
  const leftOut: string[] = list === undefined ? [] : JSON.parse(list);

  const text = stripVTControlCharacters(output)
    .split(/^(?= {2}Total:)/m)
    .at(-1) as string;
  const number = (word: string): number => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
  const [all, passed, skipped] = [number("Total"), number("Passed"), number("Skipped")];
  if (all + skipped + leftOut.length === 0) output += "\nno test ran: does it end with test.run()?";
  // A file that dies before uvu's summary, or holds no test, is one failure. Total leaves the skipped out.
  const failed = all > 0 ? all - passed : code === 0 && skipped + leftOut.length > 0 ? 0 : 1;
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, skipped, leftOut, output };
}
