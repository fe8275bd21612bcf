/**
 * @file Runs several notebooks at a time, each in a process of its own. On models this small a second thread helps
 * little, while a second notebook doubles the speed.
 */
import { fork } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { RunRequest, RunResult } from "../notebook/run.ts";
import type { Terminal } from "../terminal/terminal.ts";
import type { ChildMessage } from "./child.ts";
import { uninterrupted } from "./interrupt.ts";
import { type Overview, overview } from "./overview.ts";

export interface Job {
  readonly request: RunRequest;
  /** Estimated duration. */
  readonly seconds: number;
}

export interface ParallelOptions {
  /** Number of notebooks that run at a time. */
  readonly jobs: number;
  readonly terminal: Terminal;
  /** Called when a notebook has ended. */
  readonly onResult: (result: RunResult) => void;
}

/**
 * Runs all notebooks, longest first, and returns the names of those that failed. A failure is reported and does not
 * stop the others; an interrupt ends all of them, and then this process.
 */
export async function runAll(
  all: readonly Job[],
  { jobs, terminal, onResult }: ParallelOptions,
): Promise<string[]> {
  const queue = [...all].sort((a, b) => b.seconds - a.seconds);
  const failed: string[] = [];
  const stop = new AbortController();
  const bar = overview(queue, jobs, terminal);

  const work = async (): Promise<void> => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const { name } = job.request;
      bar.begin(name);
      const outcome = await runInChild(job.request, { jobs, terminal, bar, signal: stop.signal });
      bar.end(name);
      if (stop.signal.aborted) return;
      if ("result" in outcome) onResult(outcome.result);
      else {
        failed.push(name);
        terminal.status(`${name}: ${outcome.error}`);
      }
    }
  };
  try {
    await uninterrupted(
      () => Promise.all(Array.from({ length: jobs }, work)),
      () => {
        queue.length = 0;
        stop.abort();
      },
    );
  } finally {
    bar.stop();
  }
  return failed;
}

type Outcome = { readonly result: RunResult } | { readonly error: string };

interface ChildOptions {
  readonly jobs: number;
  readonly terminal: Terminal;
  readonly bar: Overview;
  readonly signal: AbortSignal;
}

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

function runInChild(request: RunRequest, { jobs, terminal, bar, signal }: ChildOptions): Promise<Outcome> {
  const { LOWRANK_THREADS = jobs > 1 ? "1" : undefined } = process.env;
  const child = fork(CHILD, [JSON.stringify(request)], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { ...process.env, ...(LOWRANK_THREADS ? { LOWRANK_THREADS } : {}) },
  });
  const kill = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", kill);

  let outcome: Outcome | null = null;
  const say = (line: string): void => {
    terminal.status(line);
    bar.draw();
  };
  child.on("message", (message: ChildMessage) => {
    if ("line" in message) say(message.line);
    else outcome = message;
  });
  createInterface({ input: child.stderr! }).on("line", (line) => {
    if (line.trim() !== "") say(`${request.name}: ${line}`);
  });

  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ error: error.message }));
    child.on("close", async (code, by) => {
      signal.removeEventListener("abort", kill);
      if (by) await delay(100); // Ctrl-C goes to all processes at once, and may reach this one last
      resolve(outcome ?? { error: `error: its process ended ${by ? `by ${by}` : `with exit code ${code}`}` });
    });
  });
}
