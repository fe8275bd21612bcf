/** @file Runs one cell of a sweep, and writes what came of it. */

import { hostname } from "node:os";
import { LowrankError, removeFile } from "../../../../core/index.ts";
import { saveAdapter } from "../../../index.ts";
import type { Lock } from "../../lock.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { prepareRun, runTraining } from "../run/training.ts";
import { type Cell, describe } from "./file.ts";
import type { CellRecord, CellResult, Results } from "./results.ts";

/** What became of a cell. */
export type Outcome =
  | { readonly kind: "done" | "failed"; readonly record: CellRecord }
  | { readonly kind: "before"; readonly record: CellRecord }
  | { readonly kind: "elsewhere" };

/**
 * Runs a cell unless it is done, or another process is at it. A failure is written down, to be tried again the next time.
 */
export async function runCell(
  cell: Cell,
  count: number,
  results: Results,
  saveAdapters: boolean,
  terminal: Terminal,
): Promise<Outcome> {
  const isDone = (): CellRecord | undefined => {
    const record = results.read(cell.index);
    return record?.status === "done" ? record : undefined;
  };
  const before = isDone();
  if (before) return { kind: "before", record: before };
  const lock = results.lock(cell.index);
  if (!lock) return { kind: "elsewhere" };
  const undo = releaseOnSignals(lock);
  try {
    const meanwhile = isDone(); // by the process that had the lock until now
    if (meanwhile) return { kind: "before", record: meanwhile };
    terminal.note(`cell ${cell.index} of 0–${count - 1}: ${describe(cell.values)}`);
    const record = await record_(cell, results, saveAdapters, lock, terminal);
    results.write(record);
    return { kind: record.status, record };
  } finally {
    undo();
    lock.release();
  }
}

async function record_(
  cell: Cell,
  results: Results,
  saveAdapters: boolean,
  lock: Lock,
  terminal: Terminal,
): Promise<CellRecord> {
  const began = performance.now();
  const end = (rest: Pick<CellRecord, "status" | "error" | "result">): CellRecord => ({
    format: "lowrank-sweep-cell-1",
    index: cell.index,
    cell: cell.values,
    ...rest,
    host: hostname(),
    finished: new Date().toISOString(),
    seconds: (performance.now() - began) / 1000,
  });
  try {
    return end({ status: "done", result: await train(cell, results, saveAdapters, lock, terminal) });
  } catch (error) {
    const isExpected =
      error instanceof LowrankError || typeof (error as NodeJS.ErrnoException).code === "string";
    const { message, stack } = error as Error;
    return end({ status: "failed", error: isExpected ? message : (stack ?? message) });
  }
}

async function train(
  { index, settings }: Cell,
  results: Results,
  saveAdapters: boolean,
  lock: Lock,
  terminal: Terminal,
): Promise<CellResult> {
  const run = await prepareRun({ ...settings, sampleTokens: 0 }, terminal.io.stdin, terminal.io.env);
  const progress = terminal.progress(`cell ${index}`, run.steps, "steps");
  try {
    const result = await runTraining(run, {
      onStep: ({ done, loss }) => {
        lock.touch();
        progress.update(done, `loss ${loss.toFixed(3)}`);
      },
    });
    const { beforeAndAfter, best, losses, validations, tokensPerSecond, memory } = result;
    if (saveAdapters) {
      removeFile(results.adapter(index)); // of a run that was killed between this and its result
      saveAdapter(run.adapted, results.adapter(index));
    }
    return {
      ...beforeAndAfter,
      best: best && { step: best.step, value: best.value },
      steps: run.steps,
      losses,
      validations: validations.map(({ step, value }) => ({ step, value })),
      trainable: run.adapted.trainableParameters().trainable,
      tokensPerSecond,
      peakBytes: memory.peakTotal,
    };
  } finally {
    progress.done();
  }
}

/** Gives the lock up when the process is told to end, as cluster managers do before they kill. */
function releaseOnSignals(lock: Lock): () => void {
  const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  const handlers = Object.entries(signals).map(([signal, code]) => {
    const handler = (): void => {
      lock.release();
      process.exit(code);
    };
    process.once(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const undo of handlers) undo();
  };
}
