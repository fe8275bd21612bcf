/** @file `lowrank quantize`: a model's folder with its linear layers in 4 or 8 bits. */

import { LowrankError } from "../../../core/index.ts";
import { type QuantizeCheckpointReport, quantizeSteps } from "../../../quant/index.ts";
import { baseOption, megabytes } from "../base.ts";
import { defineCommand } from "../command.ts";
import { choice, integer, repeated, text, toggle } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { outOption, overwriteOption, percent, short } from "./output.ts";
import { runSteps } from "./steps.ts";

/** The formats of `lowrank quantize`. */
export const formats = ["nf4", "fp4", "int4", "int8", "int8-rows"] as const;

export const command = defineCommand({
  options: {
    base: baseOption,
    out: outOption("the quantized model"),
    format: choice("the data type", formats, { default: "nf4" }),
    blockSize: integer(
      "n",
      "weights that share a scale, a power of two from 32 to 4096; 64 by default, and a row for int8-rows",
    ),
    doubleQuant: toggle("quantize the scales, too (QLoRA's double quantization)"),
    skip: repeated(text("name", "a layer that stays as it is; by default the output heads")),
    overwrite: overwriteOption,
  },
  examples: [
    "quantize --base models/llama --out models/llama-nf4 --double-quant",
    "quantize --base models/llama --out models/llama-int8 --format int8",
  ],
  notes:
    "Linear layers are quantized; embeddings, norms and output heads stay as they are. NF4 and FP4 are written as\n" +
    "bitsandbytes does, so that transformers loads the folder. train, generate and eval take it as --base.",
  async run({ options }, terminal) {
    const { out, format, blockSize, doubleQuant, skip, overwrite } = options;
    const base = resolveFolder(options.base, { who: "--base", env: terminal.io.env });
    if (format === "int8-rows" && (blockSize !== undefined || doubleQuant))
      throw new LowrankError(
        `--${blockSize !== undefined ? "block-size" : "double-quant"}: int8-rows has one scale for each row; expected another format with it`,
      );
    const steps = quantizeSteps({
      ...{ base, out, format, doubleQuant, overwrite },
      ...(blockSize !== undefined && { blockSize }),
      ...(skip.length > 0 && { skip }),
    });
    const report = await runSteps(steps, terminal, "quantizing");
    terminal.result({ out, format, ...report }, () => showQuantized(report, out, format, terminal));
  },
});

/** The most layers in the table. */
const ROWS = 12;

/** Prints what quantizing did: the layers that lost most, and all together. */
export function showQuantized(
  { layers, skipped, bitsPerParameter, relative, bytes }: QuantizeCheckpointReport,
  out: string,
  format: string,
  terminal: Terminal,
): void {
  const worst = [...layers].sort((a, b) => b.relative - a.relative).slice(0, ROWS);
  terminal.table(
    ["layer", "shape", "bits a weight", "‖error‖ / ‖W‖", "largest error"],
    [
      ...worst.map((layer) => [
        ...[layer.name, `[${layer.shape.join(", ")}]`, short(layer.bitsPerParameter)],
        ...[percent(layer.relative), short(layer.max)],
      ]),
      ["all together", "", short(bitsPerParameter), percent(relative), null],
    ],
  );
  if (layers.length > ROWS)
    terminal.print(`${layers.length - ROWS} more layers lose less; --json lists all ${layers.length}.`);
  if (skipped.length > 0)
    terminal.note(
      `as they were: ${skipped.map(({ name, reason }) => (reason === "tied" ? `${name} (tied)` : name)).join(", ")}`,
    );
  terminal.print(`\nin ${format}: ${out}, ${megabytes(bytes)}`);
}
