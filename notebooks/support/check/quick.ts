/** @file Reads and writes notebooks/quick/NAME.json: the tables of a quick run, and its duration. */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "lowrank/core";
import { NotebookError } from "../terminal/errors.ts";
import type { ShownTable } from "./tables.ts";

export interface QuickRun {
  /** Duration on the machine that wrote the file: an estimate for other machines. */
  readonly seconds: number;
  readonly tables: readonly ShownTable[];
}

const fileOf = (folder: string, name: string): string => join(folder, "quick", `${name}.json`);

/** The committed quick run of a notebook. @throws NotebookError if the file is missing or unreadable */
export async function kept(folder: string, name: string): Promise<QuickRun> {
  const file = fileOf(folder, name);
  try {
    return JSON.parse(await readFile(file, "utf8")) as QuickRun;
  } catch (error) {
    throw new NotebookError(
      `${file}: ${(error as Error).message}; npm run notebooks:check -- ${name} --update writes it`,
    );
  }
}

/** Writes the file with one table row per line, so that Git shows readable differences. */
export function keep(folder: string, name: string, { seconds, tables }: QuickRun): void {
  mkdirSync(join(folder, "quick"), { recursive: true });
  const texts = tables.map(({ rows, ...table }) => {
    const head = JSON.stringify(table).slice(0, -1);
    return `${head},"rows":[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]}`;
  });
  const text = `{"seconds":${seconds},"tables":[\n${texts.join(",\n")}\n]}\n`;
  writeFileAtomic(fileOf(folder, name), new TextEncoder().encode(text));
}
