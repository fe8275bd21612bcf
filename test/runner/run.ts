/**
 * @file `npm test`: every *.test.ts, each in a process of its own, as many at a time as there are cores. Prints a
 * line per file, the whole output of those that fail, and ends with the totals. The files that took longest the last
 * time start first, so that the cores end together.
 *
 *     npm test                    all
 *     npm test -- lora core/cpu   files whose path holds one of these
 */

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";

const TIME_LIMIT = 900_000; // ms; a file that takes longer is taken to hang, on a busy machine too
const SECONDS_FILE = ".cache/test-seconds.json";

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: string;
}

const wanted = process.argv.slice(2);
const seconds = lastSeconds();
const longest = (file: string): number => seconds[file] ?? Infinity; // what is new might be long
const files = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => join("test", file))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort((a, b) => longest(b) - longest(a) || (a < b ? -1 : 1));
if (files.length === 0) {
  console.error(`npm test: no test file's path holds ${wanted.join(" or ")}`);
  process.exit(1);
}

const results: Result[] = [];
const queue = [...files];
await Promise.all(Array.from({ length: availableParallelism() }, work));

const total = (key: "passed" | "failed" | "skipped"): number =>
  results.reduce((sum, result) => sum + result[key], 0);
for (const { file, failed, output } of results) if (failed > 0) console.log(`\n── ${file}\n${output}`);
console.log(`\n${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`);
keepSeconds();
process.exit(total("failed") > 0 ? 1 : 0);

async function work(): Promise<void> {
  for (let file = queue.shift(); file; file = queue.shift()) {
    const result = await run(file);
    results.push(result);
    const { passed, failed, skipped, seconds } = result;
    const marks = [
      `${passed} passed`,
      failed > 0 ? `${failed} FAILED` : "",
      skipped > 0 ? `${skipped} skipped` : "",
    ];
    const counts = marks.filter(Boolean).join(", ");
    console.log(`${failed > 0 ? "✗" : "✓"} ${file}  ${counts}  ${seconds.toFixed(1)} s`);
    for (const line of result.output.split("\n")) if (/^skipped: /.test(line)) console.log(`    ${line}`);
  }
}

/** Runs one file. uvu closes each suite run with "Total: n", "Passed: n", "Skipped: n". */
function run(file: string): Promise<Result> {
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--import", "./test/runner/failures.ts", "--expose-gc", file],
      { timeout: TIME_LIMIT },
    );
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (code, signal) => {
      const text = stripVTControlCharacters(output)
        .split(/^(?= {2}Total:)/m)
        .at(-1) as string;
      const read = (word: string): number => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
      const [all, passed, skipped] = [read("Total"), read("Passed"), read("Skipped")];
      if (signal) output += `\nkilled by ${signal} (limit ${TIME_LIMIT / 1000} s)`;
      if (all + skipped === 0) output += "\nno test ran: does it end with test.run()?";
      // A file that dies before uvu's summary, or holds no test, is one failure.
      const failed = all > 0 ? all - passed : code === 0 && skipped > 0 ? 0 : 1; // Total leaves the skipped out
      resolve({
        file,
        passed,
        failed: failed === 0 && code !== 0 ? 1 : failed,
        skipped,
        seconds: (performance.now() - started) / 1000,
        output,
      });
    });
  });
}

function lastSeconds(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(SECONDS_FILE, "utf8"));
  } catch {
    return {};
  }
}

function keepSeconds(): void {
  const now = Object.fromEntries(results.map(({ file, seconds }) => [file, Math.round(seconds * 10) / 10]));
  mkdirSync(dirname(SECONDS_FILE), { recursive: true });
  writeFileSync(SECONDS_FILE, JSON.stringify({ ...seconds, ...now }, null, 1));
}
