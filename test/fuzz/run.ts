/**
 * @file `npm run fuzz`: files of every kind that the library reads, changed at random, until the time is up.
 *
 *     npm run fuzz                                     10,000 cases, another seed each time
 *     npm run fuzz -- --seconds 600 --target lora
 *     npm run fuzz -- --seed 7 --case 1234             one case again, with its message
 *
 * The cases run in a process of their own, so that one that hangs or takes all memory can be named.
 */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import { type Outcome, type Result, runCase } from "./cases.ts";
import { targets } from "./targets.ts";

/** Milliseconds that a case may take; most take one. */
const HANGS = 20_000;

const help = `npm run fuzz -- [options]: changed files must be refused with nothing changed, or loaded as they say

  --runs N       how many cases; 10000 unless given
  --seconds N    how long, instead
  --seed N       where the changes come from; printed, so that a run can be repeated
  --target NAME  one of ${Object.keys(targets).join(", ")}; all unless given
  --case I       only case I of the seed and target, with all that is said
  --help         this`;

interface Settings {
  readonly seed: number;
  readonly names: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly until: number;
}

if (process.send) process.once("message", (settings: Settings) => work(settings));
else await main();

/** In the child: one case after another, each told when it is done. */
async function work({ seed, names, from, to, until }: Settings): Promise<void> {
  console.warn = () => {};
  const folder = mkdtempSync(join(tmpdir(), "lowrank-fuzz-"));
  try {
    for (let i = from; i < to && Date.now() < until; i++) {
      const result = runCase(seed, i, folder, names);
      await new Promise((sent) => process.send?.([i, result], sent));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.disconnect?.();
}

async function main(): Promise<void> {
  const { seed, names, only, seconds, runs } = options();
  const counts = new Map(names.map((name) => [name, { refused: 0, loaded: 0, wrong: 0 }]));
  const wrong: string[] = [];
  let last = "";
  const count = (i: number, { target, outcome, what }: Result): void => {
    (counts.get(target) as Record<Outcome, number>)[outcome]++;
    last = `${outcome}: ${what}`;
    if (outcome === "wrong") wrong.push(`case ${i} (${target}): ${what}`);
  };
  const to = only === null ? runs : only + 1;
  const until = runs === Infinity ? Date.now() + 1000 * seconds : Infinity;
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: "fuzz {bar} {value}/{total} {cases} cases, {wrong} wrong",
        linewrap: true,
        clearOnComplete: true,
        gracefulExit: false,
      })
    : null;
  const began = Date.now();
  bar?.start(runs === Infinity ? seconds : runs, 0, { cases: 0, wrong: 0 });
  let next = only ?? 0;
  while (next < to && Date.now() < until) {
    const settings = {
      seed,
      names,
      from: next,
      to: Math.min(to, Number.MAX_SAFE_INTEGER),
      until: Math.min(until, 1e15),
    };
    const died = await cases(settings, (i, result) => {
      next = i + 1;
      count(i, result);
      bar?.update(runs === Infinity ? (Date.now() - began) / 1000 : next, {
        cases: next,
        wrong: wrong.length,
      });
    });
    if (died === null) break;
    count(next, { target: names[next % names.length], outcome: "wrong", what: died });
    next++;
  }
  bar?.stop();
  process.exitCode = wrong.length > 0 ? 1 : 0;
  if (only !== null) return console.log(last);
  console.log(`seed ${seed}`);
  for (const [name, { refused, loaded, wrong }] of counts)
    console.log(`${name.padEnd(12)} ${refused} refused, ${loaded} loaded, ${wrong} wrong`);
  for (const one of wrong.slice(0, 20)) console.log(`\nWRONG ${one}`);
  if (wrong.length > 20) console.log(`\nand ${wrong.length - 20} more`);
}

/** Runs cases in a child. @returns why the child died in the case after the last that was told; null when it ended */
function cases(settings: Settings, told: (i: number, result: Result) => void): Promise<string | null> {
  return new Promise((resolve) => {
    const child: ChildProcess = fork(fileURLToPath(import.meta.url), {
      execArgv: ["--import", "tsx", "--max-old-space-size=1024"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let said = "";
    let reason: string | null = null;
    const hangs = (): void => {
      reason = `it hangs: nothing for ${HANGS / 1000} seconds`;
      child.kill("SIGKILL");
    };
    let watchdog = setTimeout(hangs, 3 * HANGS); // the start takes longer
    child.stderr?.on("data", (chunk) => (said = (said + chunk).slice(-2000)));
    child.on("message", ([i, result]: [number, Result]) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(hangs, HANGS);
      told(i, result);
    });
    child.on("close", (code, signal) => {
      clearTimeout(watchdog);
      resolve(code === 0 ? null : (reason ?? `the process died: ${signal ?? code} ${said}`));
    });
    child.send(settings);
  });
}

function options() {
  const fail = (problem: string): never => {
    console.error(`fuzz: ${problem}\n\n${help}`);
    process.exit(1);
  };
  const parse = () => {
    const text = { type: "string" } as const;
    const options = {
      seconds: text,
      runs: text,
      seed: text,
      target: text,
      case: text,
      help: { type: "boolean" },
    } as const;
    try {
      return parseArgs({ options }).values;
    } catch (error) {
      return fail((error as Error).message);
    }
  };
  const given = parse();
  if (given.help) {
    console.log(help);
    process.exit(0);
  }
  const number = (name: "seconds" | "runs" | "seed" | "case", otherwise: number): number => {
    const text = given[name];
    if (text === undefined) return otherwise;
    const value = Number(text);
    const least = name === "seed" || name === "case" ? 0 : 1;
    return /^\d+$/.test(text) && value >= least && value < 2 ** 32
      ? value
      : fail(`--${name}: expected a whole number from ${least} on; got ${text}`);
  };
  if (given.target !== undefined && !Object.hasOwn(targets, given.target))
    fail(`--target: there is no ${given.target}`);
  return {
    seconds: number("seconds", Infinity),
    runs: number("runs", given.seconds === undefined ? 10_000 : Infinity),
    seed: number("seed", Date.now() % 2 ** 32),
    only: given.case === undefined ? null : number("case", 0),
    names: given.target === undefined ? Object.keys(targets) : [given.target],
  };
}
