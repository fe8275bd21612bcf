/** @file `lowrank collect`: the table and the plots of a sweep. */

import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { LowrankError, makeFolder, writeFilesAtomic } from "../../../core/index.ts";
import { defineCommand } from "../command.ts";
import { choice, text } from "../flags.ts";
import { readSweep } from "./sweep/file.ts";
import { absences, columnsOf, csv, markdown, rowsOf } from "./sweep/formats.ts";
import { lossBy } from "./sweep/plot.ts";
import { readResults } from "./sweep/results.ts";
import { summarize } from "./sweep/summary.ts";

export const command = defineCommand({
  arguments: [{ name: "<results>", summary: "the folder of a sweep's results, or the sweep's file" }],
  options: {
    format: choice("of what is printed", ["table", "markdown", "csv"], { default: "table" }),
    out: text("folder", "where the plots and the tables go (the results' folder)"),
  },
  examples: ["collect grid.json", "collect grid-results --format csv"],
  notes:
    "A row is the mean over seeds, with their standard deviation (±); the lowest loss comes first. CSV has a line for each\n" +
    "cell. Writes summary.md, cells.csv, and the plots loss-by-rank.svg and loss-by-lr.svg where these vary.",
  run({ args: [given], options }, terminal) {
    const results = readResults(folderOf(given));
    const summary = summarize(results);
    const plots = ["rank", "lr"].flatMap((option): [string, string][] => {
      const svg = lossBy(option, summary);
      return svg === undefined ? [] : [[`loss-by-${option}.svg`, svg]];
    });
    const out = options.out ?? results.folder;
    const title = `Sweep: ${basename(results.folder)}`;
    const names = plots.map(([name]) => name);
    const page = markdown(summary, title, names);
    const lines = csv(results);
    const encoder = new TextEncoder();
    makeFolder(out);
    writeFilesAtomic(
      out,
      [...plots, ["summary.md", page], ["cells.csv", lines]].map(([name, content]) => [
        name,
        encoder.encode(content),
      ]),
    );
    const written = [...names, "summary.md", "cells.csv"].map((name) => join(out, name));
    terminal.result({ ...summary, results: results.folder, written }, () => {
      if (options.format === "csv") return terminal.write(lines);
      if (options.format === "markdown") return terminal.write(page);
      terminal.table(columnsOf(summary), rowsOf(summary));
      terminal.print();
      for (const line of absences(summary)) terminal.print(line);
    });
    terminal.note(`written: ${written.join(", ")}`);
  },
});

/** The folder of the results that a user names. */
function folderOf(given: string): string {
  if (!existsSync(given)) throw new LowrankError(`${given}: there is no such folder or file`);
  return statSync(given).isDirectory() ? given : readSweep(given).results;
}
