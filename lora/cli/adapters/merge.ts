/** @file `lowrank merge`: adapters merged into a base model's folder, as a new folder that needs no adapter any more. */

import { randomBytes } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { draftFolder, LowrankError, removeFile } from "../../../core/index.ts";
import { type QuantizeCheckpointReport, quantizeSteps } from "../../../quant/index.ts";
import { type MergeOptions, type MergeReport, mergeSteps } from "../../index.ts";
import { adapterOption, baseOption, megabytes, parseAdapter } from "../base.ts";
import { defineCommand } from "../command.ts";
import { choice } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { outOption, overwriteOption, percent, short, sizeOption } from "./output.ts";
import { showQuantized } from "./quantize.ts";
import { runSteps } from "./steps.ts";

export const command = defineCommand({
  options: {
    base: baseOption,
    adapter: adapterOption,
    out: outOption("the merged model"),
    dtype: choice("the format of its numbers, by default each tensor's in the base", ["F32", "F16", "BF16"]),
    maxShardSize: sizeOption("the largest file of weights, such as 5GB; by default the files of the base"),
    quantize: choice("quantize the merged linear layers, with double quantization", [
      "nf4",
      "fp4",
      "int4",
      "int8",
    ]),
    overwrite: overwriteOption,
  },
  examples: [
    "merge --base models/llama --adapter my-adapter --out models/llama-mine",
    "merge --base models/llama --adapter style=0.5 --adapter facts --out merged --dtype BF16",
    "merge --base models/llama --adapter my-adapter --out models/llama-nf4 --quantize nf4",
  ],
  notes:
    "The base is merged tensor by tensor, in a few hundred megabytes whatever its size. Everything else in its folder is\n" +
    "copied. `lost` is the part of the update that rounding to the format erases: ‖round(W + ΔW) − (W + ΔW)‖ / ‖ΔW‖.",
  async run({ options }, terminal) {
    const { adapter, out, dtype, maxShardSize, overwrite, quantize } = options;
    const { env } = terminal.io;
    const base = resolveFolder(options.base, { who: "--base", env });
    if (adapter.length === 0)
      throw new LowrankError("--adapter: expected the folder of an adapter; got none");
    const merge = {
      base,
      out,
      overwrite,
      adapters: adapter.map((given) => parseAdapter(given, env)),
      ...(dtype && { dtype }),
      ...(maxShardSize !== undefined && { maxShardSize }),
    };
    if (quantize === undefined) {
      const report = await runSteps(mergeSteps(merge), terminal, "merging");
      terminal.result({ out, ...report }, () => show(report, out, terminal));
      return;
    }
    if (dtype !== undefined || maxShardSize !== undefined)
      throw new LowrankError(
        `--${dtype ? "dtype" : "max-shard-size"}: expected none with --quantize, which writes codes in one file`,
      );
    const { merged, quantized } = await mergeAndQuantize(merge, quantize, terminal);
    const lost = lostToCodes(merged, quantized);
    terminal.result({ out, merged, quantized, lost }, () => {
      showQuantized(quantized, out, quantize, terminal);
      terminal.print(
        `quantizing moves the adapted weights by ${short(lost)} times ΔW: ‖Q(W + ΔW) − (W + ΔW)‖ / ‖ΔW‖`,
      );
    });
  },
});

/** Merges in float32 into a temporary folder beside `out`, and quantizes from there: the sum is rounded once. */
async function mergeAndQuantize(
  merge: MergeOptions,
  format: "nf4" | "fp4" | "int4" | "int8",
  terminal: Terminal,
) {
  const { out, overwrite = false } = merge;
  const draft = draftFolder(out, { overwrite }); // refuses now what it would refuse in the end
  draft.discard();
  const name = `.${basename(resolve(out))}.${process.pid}.${randomBytes(8).toString("hex")}.tmp`; // as core names such folders
  const temporary = join(dirname(resolve(out)), name);
  try {
    const first = mergeSteps({ ...merge, out: temporary, overwrite: false, dtype: "F32" });
    const merged = await runSteps(first, terminal, "merging");
    const second = quantizeSteps({ base: temporary, out, overwrite, format, doubleQuant: true });
    return { merged, quantized: await runSteps(second, terminal, "quantizing") };
  } finally {
    removeFile(temporary);
  }
}

/** ‖Q(W + ΔW) − (W + ΔW)‖ / ‖ΔW‖ over the weights that are both adapted and quantized. */
function lostToCodes({ changed }: MergeReport, { layers }: QuantizeCheckpointReport): number {
  const deltas = new Map(changed.map(({ name, delta }) => [name, delta]));
  let [noise, delta] = [0, 0];
  for (const { name, norm, relative } of layers) {
    const update = deltas.get(`${name}.weight`);
    if (update === undefined) continue;
    noise += (norm * relative) ** 2;
    delta += update ** 2;
  }
  return noise === 0 ? 0 : Math.sqrt(noise / delta);
}

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
