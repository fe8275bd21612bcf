/** @file `lowrank merge`: adapters merged into a base model's folder, as a new folder that needs no adapter any more. */

import { LowrankError } from "../../../core/index.ts";
import { type MergeReport, mergeSteps } from "../../index.ts";
import { adapterOption, baseOption, megabytes, parseAdapter } from "../base.ts";
import { defineCommand } from "../command.ts";
import { choice } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { outOption, overwriteOption, percent, short, sizeOption } from "./output.ts";
import { runSteps } from "./steps.ts";

export const command = defineCommand({
  options: {
    base: baseOption,
    adapter: adapterOption,
    out: outOption("the merged model"),
    dtype: choice("the format of its numbers, by default each tensor's in the base", ["F32", "F16", "BF16"]),
    maxShardSize: sizeOption("the largest file of weights, such as 5GB; by default the files of the base"),
    overwrite: overwriteOption,
  },
  examples: [
    "merge --base models/llama --adapter my-adapter --out models/llama-mine",
    "merge --base models/llama --adapter style=0.5 --adapter facts --out merged --dtype BF16",
  ],
  notes:
    "The base is merged tensor by tensor, in a few hundred megabytes whatever its size. Everything else in its folder is\n" +
    "copied. `lost` is the part of the update that rounding to the format erases: ‖round(W + ΔW) − (W + ΔW)‖ / ‖ΔW‖.",
  async run({ options }, terminal) {
    const { adapter, out, dtype, maxShardSize, overwrite } = options;
    const { env } = terminal.io;
    const base = resolveFolder(options.base, { who: "--base", env });
    if (adapter.length === 0)
      throw new LowrankError("--adapter: expected the folder of an adapter; got none");
    const steps = mergeSteps({
      base,
      out,
      overwrite,
      adapters: adapter.map((given) => parseAdapter(given, env)),
      ...(dtype && { dtype }),
      ...(maxShardSize !== undefined && { maxShardSize }),
    });
    const report = await runSteps(steps, terminal, "merging");
    terminal.result({ out, ...report }, () => show(report, out, terminal));
  },
});

/** The most tensors in the table: others would scroll away what matters. */
const ROWS = 12;

function show(
  { changed, total, untied, vocabulary, weights, left, bytes }: MergeReport,
  out: string,
  terminal: Terminal,
): void {
  const worst = [...changed].sort((a, b) => b.lost - a.lost).slice(0, ROWS);
  terminal.table(
    ["tensor", "shape", "format", "‖ΔW‖", "‖ΔW‖ / ‖W‖", "lost"],
    [
      ...worst.map(({ name, shape, dtype, delta, relative, lost }) => [
        ...[name, `[${shape.join(", ")}]`, dtype],
        ...[short(delta), percent(relative), percent(lost)],
      ]),
      ["all together", "", "", short(total.delta), percent(total.relative), percent(total.lost)],
    ],
  );
  if (changed.length > ROWS)
    terminal.print(`${changed.length - ROWS} more tensors lose less; --json lists all ${changed.length}.`);
  terminal.print(`\nmerged: ${out}, ${megabytes(bytes)} in ${files(weights.length)}`);
  if (total.lost > 0.1)
    terminal.note(
      `${percent(total.lost)} of the update is lost to rounding; --dtype F32 keeps it, and so does using the adapter unmerged`,
    );
  if (untied)
    terminal.note("the head was tied to the table of tokens; the adapter made two matrices of them");
  if (vocabulary) terminal.note(`the vocabulary has ${vocabulary.after} tokens, ${vocabulary.before} before`);
  if (left.length > 0) terminal.note(`not copied, weights before merging: ${left.join(", ")}`);
}

const files = (count: number): string => (count === 1 ? "one file" : `${count} files`);
