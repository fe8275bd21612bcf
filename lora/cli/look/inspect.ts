/** @file `lowrank inspect`: what a checkpoint, an adapter or a safetensors file holds. */

import { statSync } from "node:fs";
import { exists, openSafetensors } from "../../../core/index.ts";
import { openCheckpoint } from "../../../nn/index.ts";
import { defineCommand } from "../command.ts";
import { toggle } from "../flags.ts";
import { adapterReport, showAdapter } from "./adapter-report.ts";
import { checkpointReport, showCheckpoint } from "./checkpoint-report.ts";
import { pathOf } from "./path.ts";

export const command = defineCommand({
  arguments: [{ name: "<path>", summary: "a model's folder, an adapter's folder, or a .safetensors file" }],
  options: { headers: toggle("read headers alone: names, shapes and sizes, no numbers") },
  examples: ["inspect models/gpt2 --headers", "inspect my-adapter", "inspect my-adapter --json"],
  notes: `Files are read tensor by tensor, in parts of a few megabytes. Singular values come from the factors.

Effective rank is exp of the entropy of the singular values as parts of their sum.

Fields of --json, for a checkpoint or file: kind, path, modelType, parameters, bytes, dtypes, byKind, memory
{ F32, F16, NF4 }, notFinite, tensors [{ name, kind, dtype, shape, parameters, bytes, norm, mean, deviation, min,
max, zeros, nan, infinite, firstNotFinite }]. For an adapter: kind, path, method, rank, alpha, rankStabilized, base,
targetModules, parameters, bytes, layers [{ name, shape [out, in], rank, alpha, scaling, parameters, normA, normB,
norm, singularValues, numericalRank, effectiveRank }], notFinite, notes, tensors.`,
  run({ args: [given], options: { headers } }, terminal) {
    const path = pathOf(given, terminal);
    if (!statSync(path).isDirectory()) {
      const looked = { kind: "file", path, modelType: null, tensors: openSafetensors(path).tensors } as const;
      const report = checkpointReport(looked, headers, terminal);
      terminal.result(report, () => showCheckpoint(report, terminal));
    } else if (exists(`${path}/adapter_config.json`)) {
      const report = adapterReport(path, headers, terminal);
      terminal.result(report, () => showAdapter(report, terminal));
    } else {
      const { fields, tensors } = openCheckpoint(path);
      const modelType = typeof fields?.model_type === "string" ? fields.model_type : null;
      const report = checkpointReport({ kind: "checkpoint", path, modelType, tensors }, headers, terminal);
      terminal.result(report, () => showCheckpoint(report, terminal));
    }
  },
});
