/**
 * @file `npm test`: every *.test.ts, each in a process of its own, as many at a time as there are cores. Prints a
 * line per file, the whole output of those that fail, and ends with the totals.
 *
 *     npm test                    all
 *     npm test -- lora core/cpu   files whose path holds one of these
 */

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";

const TIME_LIMIT = 300_000; // ms; a file that takes longer is taken to hang

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
}

const wanted = process.argv.slice(2);
const files = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => join("test", file))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
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
process.exit(total("failed") > 0 ? 1 : 0);

async function work(): Promise<void> {
  for (let file = queue.shift(); file; file = queue.shift()) {
    const result = await run(file);
    results.push(result);
    const { passed, failed, skipped } = result;
    const marks = [
      `${passed} passed`,
      failed > 0 ? `${failed} FAILED` : "",
      skipped > 0 ? `${skipped} skipped` : "",
    ];
    console.log(`${failed > 0 ? "✗" : "✓"} ${file}  ${marks.filter(Boolean).join(", ")}`);
    for (const line of result.output.split("\n")) if (/^skipped: /.test(line)) console.log(`    ${line}`);
  }
}

/** Runs one file. uvu closes each suite run with "Total: n", "Passed: n", "Skipped: n". */
function run(file: string): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--import", "./test/support/failures.ts", "--expose-gc", file],
      { timeout: TIME_LIMIT },
    );
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (code, signal) => {
      const text = stripVTControlCharacters(output);
      const read = (word: string): number => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
      const [all, passed, skipped] = [read("Total"), read("Passed"), read("Skipped")];
      if (signal) output += `\nkilled by ${signal} (limit ${TIME_LIMIT / 1000} s)`;
      // A file that dies before uvu's summary, or holds no test, is one failure.
      const failed = all > 0 ? all - passed : code === 0 && skipped > 0 ? 0 : 1; // Total leaves the skipped out
      resolve({ file, passed, failed: failed === 0 && code !== 0 ? 1 : failed, skipped, output });
    });
  });
}
