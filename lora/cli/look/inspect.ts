/** @file `lowrank inspect`: what a checkpoint, an adapter or a safetensors file holds. */

import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { exists, LowrankError, openSafetensors, writeFileAtomic } from "../../../core/index.ts";
import { openCheckpoint } from "../../../nn/index.ts";
import { defineCommand } from "../command.ts";
import { text, toggle } from "../flags.ts";
import { adapterReport, showAdapter } from "./adapter-report.ts";
import { checkpointReport, showCheckpoint } from "./checkpoint-report.ts";
import { pathOf } from "./path.ts";
import { spectraPicture } from "./spectra.ts";

export const command = defineCommand({
  arguments: [{ name: "<path>", summary: "a model's folder, an adapter's folder, or a .safetensors file" }],
  options: {
    headers: toggle("read headers alone: names, shapes and sizes, no numbers"),
    svg: text("file", "an adapter: draw the singular values of its layers into this file"),
    overwrite: toggle("replace the file of --svg when it is there"),
  },
  examples: [
    "inspect models/gpt2 --headers",
    "inspect my-adapter --svg spectra.svg",
    "inspect my-adapter --json",
  ],
  notes: `Files are read tensor by tensor, in parts of a few megabytes. Singular values come from the factors.

Effective rank is exp of the entropy of the singular values as parts of their sum.

Fields of --json, for a checkpoint or file: kind, path, modelType, parameters, bytes, dtypes, byKind, memory
{ F32, F16, NF4 } (null for quantized weights), notFinite, tensors [{ name, kind, dtype, shape, parameters, bytes, norm, mean, deviation, min,
max, zeros, nan, infinite, firstNotFinite }]. For an adapter: kind, path, method, rank, alpha, rankStabilized, base,
targetModules, parameters, bytes, layers [{ name, shape [out, in], rank, alpha, scaling, parameters, normA, normB,
norm, singularValues, numericalRank, effectiveRank }], notFinite, notes, tensors.`,
  run({ args: [given], options: { headers, svg, overwrite } }, terminal) {
    const path = pathOf(given, terminal);
    const isAdapter = exists(`${path}/adapter_config.json`);
    if (svg !== undefined) checkPicture(svg, { isAdapter, headers, overwrite });
    if (!statSync(path).isDirectory()) {
      const looked = { kind: "file", path, modelType: null, tensors: openSafetensors(path).tensors } as const;
      const report = checkpointReport(looked, headers, terminal);
      terminal.result(report, () => showCheckpoint(report, terminal));
    } else if (isAdapter) {
      const report = adapterReport(path, headers, terminal);
      if (svg !== undefined) {
        const picture = spectraPicture(basename(resolve(path)), report.layers);
        writeFileAtomic(svg, new TextEncoder().encode(picture));
        terminal.note(`written: ${svg}`);
      }
      terminal.result(report, () => showAdapter(report, terminal));
    } else {
      const { fields, tensors } = openCheckpoint(path);
      const modelType = typeof fields?.model_type === "string" ? fields.model_type : null;
      const report = checkpointReport({ kind: "checkpoint", path, modelType, tensors }, headers, terminal);
      terminal.result(report, () => showCheckpoint(report, terminal));
    }
  },
});

/** @throws LowrankError when there is nothing to draw, or a file would be replaced unasked */
function checkPicture(
  svg: string,
  given: { readonly isAdapter: boolean; readonly headers: boolean; readonly overwrite: boolean },
): void {
  if (!given.isAdapter)
    throw new LowrankError("--svg: expected with an adapter's folder, whose singular values it draws");
  if (given.headers) throw new LowrankError("--svg: expected without --headers, which reads no numbers");
  if (!exists(svg)) return;
  if (statSync(svg).isDirectory())
    throw new LowrankError(`--svg: expected the path of a file; ${svg} is a folder`);
  if (!given.overwrite) throw new LowrankError(`--svg: ${svg} is there already; --overwrite replaces it`);
}
