/** @file The record of a run (setting, device, machine, time): stored in the `.ipynb` and shown as its last output. */
import { availableParallelism, cpus } from "node:os";
import { currentDevice } from "lowrank/core";
import type { Execution } from "./execute.ts";
import { type MimeBundle, type SettingValue, VERDICTS, type Verdict } from "./session.ts";

export interface RunRecord {
  readonly setting: "full" | "quick";
  /** Settings changed on the command line, "rank=2, seeds=5"; absent if there are none. */
  readonly changed?: string;
  readonly device: string;
  /** Processor and cores. */
  readonly machine: string;
  readonly node: string;
  /** Year, month and day, UTC. */
  readonly date: string;
  readonly seconds: number;
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** Number of claims by verdict. */
  readonly verdicts: Readonly<Record<Verdict, number>>;
}

/** The record of a run that has just ended. */
export function recordOf({ full, changed, settings, verdicts, seconds }: Execution): RunRecord {
  const changes = Object.entries(changed).map(([name, value]) => `${name}=${value}`);
  const { name, adapter } = currentDevice();
  const cores = availableParallelism();
  return {
    setting: full ? "full" : "quick",
    ...(changes.length > 0 ? { changed: changes.join(", ") } : {}),
    device: `${name} (${adapter})`,
    machine: `${cpus()[0]?.model.trim() || process.arch}, ${cores} core${cores === 1 ? "" : "s"}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    seconds: Number(seconds.toFixed(1)),
    settings,
    verdicts: countVerdicts(verdicts),
  };
}

function countVerdicts(verdicts: readonly Verdict[]): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict) => verdicts.filter((v) => v === verdict).length;
  return Object.fromEntries(VERDICTS.map((verdict) => [verdict, count(verdict)])) as Record<Verdict, number>;
}

/** The record as a line of Markdown. */
export function footer({ setting, changed, device, machine, node, date, seconds }: RunRecord): MimeBundle {
  const what = `${setting} setting${changed ? `, changed: ${changed}` : ""}`;
  const text = `**This run:** ${what}; device ${device}; ${machine}; Node ${node}; ${date}; ${seconds} s.`;
  return { "text/markdown": text, "text/plain": text.replaceAll("**", "") };
}
