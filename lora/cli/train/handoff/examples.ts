/** @file The examples of a handoff, as lines of JSON. */

import { closeSync, openSync, writeSync } from "node:fs";
import type { Example } from "../run/records.ts";

/** Writes examples as lines, one after the other: there may be many. */
export function writeExamples(path: string, count: number, example: (i: number) => Example): void {
  const file = openSync(path, "w");
  try {
    for (let i = 0; i < count; i++) {
      const { ids, labels } = example(i);
      const counts = ids.every((id, j) => labels[j] === id);
      const line = { input_ids: [...ids], ...(!counts && { labels: [...labels] }) };
      writeSync(file, `${JSON.stringify(line)}\n`);
    }
  } finally {
    closeSync(file);
  }
}
