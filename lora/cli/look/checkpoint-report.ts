/** @file What `inspect` says of a checkpoint, or of any safetensors file: tensors, parameters by kind, memory by format. */

import type { SafeTensor } from "../../../core/index.ts";
import { quantizedBytes } from "../../../quant/index.ts";
import { megabytes } from "../base.ts";
import { bar, printable } from "../terminal/bars.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { notFinite, reportTensors, type TensorReport, tensorKinds } from "./tensors.ts";

/** What is looked at: a model's folder, or a file. */
export interface Looked {
  readonly kind: "checkpoint" | "file";
  readonly path: string;
  readonly modelType: string | null;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

/** The document of `inspect --json` for a checkpoint or a file. */
export function checkpointReport(
  { kind, path, modelType, tensors }: Looked,
  headers: boolean,
  terminal: Terminal,
) {
  const reports = reportTensors(tensors, headers, terminal);
  const parameters = reports.filter((one) => one.kind !== "buffer");
  const isPacked = reports.some(({ name }) => /\.(absmax|quant_map|quant_state)(\.|$)/.test(name));
  return {
    kind,
    path,
    modelType,
    parameters: sum(parameters.map((one) => one.parameters)),
    bytes: sum(reports.map((one) => one.bytes)),
    dtypes: bytesBy(reports),
    byKind: tensorKinds.flatMap((name) => {
      const own = reports.filter((one) => one.kind === name);
      if (own.length === 0) return [];
      const counts = {
        parameters: sum(own.map((one) => one.parameters)),
        bytes: sum(own.map((one) => one.bytes)),
      };
      return [{ kind: name, tensors: own.length, ...counts }];
    }),
    memory: isPacked ? null : memoryOf(parameters),
    notFinite: notFinite(reports),
    tensors: reports,
  };
}

type Report = ReturnType<typeof checkpointReport>;

/** Prints the report. */
export function showCheckpoint(report: Report, terminal: Terminal): void {
  const { colors, print } = terminal;
  const { tensors, byKind, memory } = report;
  const hasNumbers = tensors.some(({ norm }) => norm !== undefined);
  const isWide = terminal.columns >= 80;
  terminal.table(
    [
      "tensor",
      "dtype",
      "shape",
      { title: "size", align: "right" },
      ...(hasNumbers ? ["norm"] : []),
      ...(hasNumbers && isWide ? ["min", "max"] : []),
    ],
    tensors.map(({ name, dtype, shape, bytes, norm, min, max }) => [
      printable(name),
      dtype,
      shapeText(shape),
      megabytes(bytes),
      ...(hasNumbers ? [norm] : []),
      ...(hasNumbers && isWide ? [min, max] : []),
    ]),
  );
  print();
  const counted = byKind.filter(({ kind }) => kind !== "buffer");
  const most = Math.max(...counted.map(({ parameters }) => parameters));
  const space = Math.min(40, terminal.columns - 46);
  terminal.table(
    ["kind", "tensors", "parameters", { title: "share", align: "right" }, ""],
    byKind.map(({ kind, tensors: n, parameters }) => [
      kind,
      n,
      parameters,
      kind === "buffer" ? "–" : `${((100 * parameters) / report.parameters).toFixed(1)} %`,
      kind === "buffer" ? "" : colors.cyan(bar(parameters / most, space)),
    ]),
  );
  print();
  const what =
    report.kind === "file"
      ? "a safetensors file"
      : `a checkpoint${report.modelType ? ` of ${printable(report.modelType)}` : ""}`;
  const formats = Object.entries(report.dtypes).map(([dtype, bytes]) => `${megabytes(bytes)} in ${dtype}`);
  print(
    `${report.path}: ${what}, ${count(report.parameters)} parameters in ${tensors.length} tensors, ${formats.join(", ")}`,
  );
  print(
    memory
      ? `memory of the weights: ${megabytes(memory.F32)} in F32, ${megabytes(memory.F16)} in F16, ${megabytes(memory.NF4)} with attention and MLP in NF4 and the rest in F16`
      : "quantized weights: the numbers are those of stored values, two codes of 4 bits in one, scales included",
  );
  for (const sentence of report.notFinite) print(colors.red(printable(sentence)));
}

/** Bytes of the weights in other formats. NF4: matrices of attention and MLP, double quantization; the rest F16, as QLoRA. */
function memoryOf(tensors: readonly TensorReport[]): { F32: number; F16: number; NF4: number } {
  const n = sum(tensors.map(({ parameters }) => parameters));
  const quantized = ({ kind, shape }: TensorReport): boolean =>
    (kind === "attention" || kind === "mlp") && shape.length === 2;
  const NF4 = tensors.map((tensor) => {
    if (!quantized(tensor) || tensor.parameters === 0) return 2 * tensor.parameters;
    const { codes, absmax } = quantizedBytes(tensor.shape, { format: "nf4", doubleQuant: true });
    return codes + absmax;
  });
  return { F32: 4 * n, F16: 2 * n, NF4: sum(NF4) };
}

function bytesBy(reports: readonly TensorReport[]): Record<string, number> {
  const bytes: Record<string, number> = {};
  for (const report of reports) bytes[report.dtype] = (bytes[report.dtype] ?? 0) + report.bytes;
  return bytes;
}

export const shapeText = (shape: readonly number[]): string => shape.join("×") || "scalar";

export const count = (n: number): string => n.toLocaleString("en-US");

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
