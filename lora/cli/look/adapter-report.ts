/** @file What `inspect` says of an adapter: per layer its rank, norms and singular values; and its other tensors. */

import {
  measureUpdate,
  type OpenAdapter,
  type OpenLayer,
  openAdapter,
  type UpdateMeasure,
} from "../../index.ts";
import { megabytes } from "../base.ts";
import { printable, sparkline } from "../terminal/bars.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { count, shapeText, sum } from "./checkpoint-report.ts";
import { notFinite, reportTensors } from "./tensors.ts";

/** The document of `inspect --json` for an adapter. */
export function adapterReport(folder: string, headers: boolean, terminal: Terminal) {
  const adapter = openAdapter(folder);
  const all = new Map([
    ...adapter.layers.flatMap(({ name, tensors }) =>
      Array.from(tensors, ([end, tensor]) => [`${name}.${end}`, tensor] as const),
    ),
    ...adapter.others,
  ]);
  const tensors = reportTensors(all, headers, terminal);
  const progress = headers ? null : terminal.progress("measuring", adapter.layers.length, "layers");
  const layers = adapter.layers.map((layer, i) => {
    progress?.update(i, layer.name);
    return layerReport(layer, headers);
  });
  progress?.done();
  const { fields, method, rank, alpha, rankStabilized } = adapter;
  return {
    kind: "adapter" as const,
    path: folder,
    method,
    rank,
    alpha,
    rankStabilized,
    base: typeof fields.base_model_name_or_path === "string" ? fields.base_model_name_or_path : null,
    targetModules: fields.target_modules ?? null,
    parameters: sum(tensors.map(({ parameters }) => parameters)),
    bytes: sum(tensors.map(({ bytes }) => bytes)),
    layers,
    notFinite: notFinite(tensors),
    notes: notesOn(adapter, layers),
    tensors,
  };
}

type Report = ReturnType<typeof adapterReport>;

/** A layer: its sizes, and its measure when numbers were read; null in each field when it cannot be measured. */
interface LayerReport extends Partial<{ readonly [K in keyof UpdateMeasure]: UpdateMeasure[K] | null }> {
  readonly name: string;
  readonly shape: readonly number[];
  readonly rank: number;
  readonly alpha: number;
  readonly scaling: number;
  readonly parameters: number;
}

function layerReport(layer: OpenLayer, headers: boolean): LayerReport {
  const { name, rank, alpha, scaling, shape, tensors } = layer;
  const measured = headers ? null : measureUpdate(layer);
  const parameters = sum(Array.from(tensors.values(), ({ shape }) => shape.reduce((a, b) => a * b, 1)));
  return { name, shape, rank, alpha, scaling, parameters, ...(headers ? {} : (measured ?? nothing)) };
}

/** The fields of a layer that cannot be measured: it has no A and B, or they are not finite. */
const nothing = {
  normA: null,
  normB: null,
  norm: null,
  singularValues: null,
  numericalRank: null,
  effectiveRank: null,
};

/** Prints the report. */
export function showAdapter(report: Report, terminal: Terminal): void {
  const { colors, print } = terminal;
  const { layers, tensors } = report;
  const hasNumbers = layers.some((layer) => layer.norm !== undefined);
  const isWide = terminal.columns >= 100;
  const space = Math.max(8, Math.min(24, terminal.columns - 60));
  if (layers.length > 0)
    terminal.table(
      [
        "layer",
        ...(isWide || !hasNumbers ? ["shape"] : []),
        "r",
        right("scaling"),
        ...(hasNumbers && isWide ? [right("‖A‖"), right("‖B‖")] : []),
        ...(hasNumbers ? [right("‖ΔW‖"), right("eff. r"), "singular values"] : []),
      ],
      layers.map((layer) => [
        printable(layer.name),
        ...(isWide || !hasNumbers ? [shapeText(layer.shape)] : []),
        layer.rank,
        short(layer.scaling),
        ...(hasNumbers && isWide ? [short(layer.normA), short(layer.normB)] : []),
        ...(hasNumbers ? [short(layer.norm), short(layer.effectiveRank), plot(layer, space)] : []),
      ]),
    );
  const others = tensors.filter(
    ({ name }) => !layers.some((layer) => name.startsWith(`${layer.name}.lora_`)),
  );
  if (others.length > 0) {
    print();
    terminal.table(
      ["other tensors", "dtype", "shape", ...(hasNumbers ? ["norm"] : [])],
      others.map(({ name, dtype, shape, norm }) => [
        printable(name),
        dtype,
        shapeText(shape),
        ...(hasNumbers ? [norm] : []),
      ]),
    );
  }
  print();
  const scale = report.rankStabilized ? "α/√r" : "α/r";
  print(
    `${report.path}: ${printable(report.method)}, r ${report.rank}, α ${report.alpha} (scaling ${scale}), ${count(layers.length)} layers, ` +
      `${count(report.parameters)} parameters, ${megabytes(report.bytes)}${report.base ? `, for ${printable(report.base)}` : ""}`,
  );
  for (const note of report.notes) print(printable(note));
  for (const sentence of report.notFinite) print(colors.red(printable(sentence)));
}

const right = (title: string) => ({ title, align: "right" }) as const;

const short = (value: number | null | undefined): string =>
  typeof value === "number" ? String(Number(value.toPrecision(3))) : "–";

function plot(layer: LayerReport, space: number): string {
  const values = layer.singularValues;
  if (!values) return "–";
  const largest = values[0] ?? 0;
  return largest > 0 ? `${sparkline(values, space)} ${short(largest)}` : "ΔW = 0";
}

function notesOn({ method, fields, others }: OpenAdapter, layers: readonly LayerReport[]): string[] {
  const notes: string[] = [];
  const dead = layers.filter((layer) => layer.norm === 0);
  if (dead.length > 0)
    notes.push(
      `ΔW is 0 in ${dead.length === layers.length ? "all layers: the adapter does nothing there" : `${dead.length} layers: ${dead.map(({ name }) => name).join(", ")}`}`,
    );
  if (method === "dora")
    notes.push(
      "of DoRA, whose ΔW depends on the base, the norms are those of (α/r) B A, the change of direction",
    );
  const init = fields.init_lora_weights;
  if (typeof init === "string" && /^(pissa|olora|loftq|corda)/.test(init))
    notes.push(`made with init_lora_weights ${init}: s B A holds what was taken out of the base, too`);
  if (others.size > 0) notes.push(`${others.size} tensors replace or add to parameters of the base itself`);
  return notes;
}
