// What real sizes take: each case of memory-case.ts in a process of its own, one after the other.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type MemoryOutcome, memoryCases } from "./memory-case.ts";
import { align } from "./table.ts";

export interface MemoryResult extends Partial<MemoryOutcome> {
  readonly name: string;
  /** Why there are no figures. */
  readonly failure?: string;
}

/** Runs the cases whose names hold `filter`. */
export function benchMemory(filter: string, progress: (text: string) => void): MemoryResult[] {
  const names = memoryCases.filter((name) => name.includes(filter));
  return names.map((name) => {
    progress(name);
    const program = fileURLToPath(new URL("./memory-case.ts", import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", program, name], {
      encoding: "utf8",
    });
    if (status === 0) return { name, ...(JSON.parse(stdout) as MemoryOutcome) };
    const lines = stderr.split("\n");
    return { name, failure: lines.find((line) => line.includes("Error: ")) ?? `exit ${status}` };
  });
}

/** One line a case, in MiB. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const mebibytes = (bytes = 0): string => (bytes / 2 ** 20).toFixed(0);
  const rows = results.map(({ name, resident, arena, counted, failure }) =>
    failure ? [name, failure, "", ""] : [name, ...[resident, arena, counted].map(mebibytes)],
  );
  return align([["MiB at their peak", "process", "arena", "counted"], ...rows]);
}
