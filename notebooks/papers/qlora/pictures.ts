/** @file The pictures of the lecture on quantization. */
import * as Plot from "@observablehq/plot";
import { nf4 } from "lowrank/quant";
import { colorsOf } from "../../support/show/colors.ts";
import { type Picture, plot } from "../../support/show/plot.ts";
import { dataTypes } from "./formats.ts";

const [TEAL] = colorsOf(["NF4"]);
const GREY = "#8a8f98";

/** Bars of a histogram of numbers in [−1, 1], the highest 1 high, raised by `from`. */
function histogram(values: Float32Array, from: number, bins = 61) {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor(((value + 1) / 2) * bins))]++;
  const most = Math.max(...counts);
  return counts.map((n, i) => ({
    x1: (2 * i) / bins - 1,
    x2: (2 * (i + 1)) / bins - 1,
    y1: from,
    y2: from + n / most,
  }));
}

const bars = (values: Float32Array, from: number) =>
  Plot.rect(histogram(values, from), {
    x1: "x1",
    x2: "x2",
    y1: "y1",
    y2: "y2",
    fill: GREY,
    fillOpacity: 0.45,
  });

const UNIT = "weight, divided by the largest of its block";

/** A tensor's quotients, those of one of its blocks, and the value that each of them is rounded to. */
export function blockPicture(
  tensor: Float32Array,
  block: readonly { readonly quotient: number; readonly code: number }[],
  caption: string,
): Picture {
  const dots = block.map(({ quotient, code }) => ({ quotient, value: nf4.values[code] }));
  const labels = [
    { y: 1.0, text: "all weights" },
    { y: 0.46, text: "one block" },
    { y: 0.08, text: "NF4" },
  ];
  return plot(
    {
      height: 262,
      marginBottom: 42,
      marginLeft: 84,
      marginTop: 6,
      x: { label: UNIT, domain: [-1.03, 1.03], ticks: 9 },
      y: { axis: null, domain: [0, 1.65] },
      marks: [
        bars(tensor, 0.62),
        Plot.link(dots, { x1: "quotient", x2: "value", y1: 0.46, y2: 0.16, strokeOpacity: 0.35 }),
        Plot.dot(dots, { x: "quotient", y: 0.46, r: 2.6, fill: "#4269d0" }),
        Plot.ruleX(nf4.values, { y1: 0, y2: 0.16, stroke: TEAL, strokeWidth: 2.5 }),
        Plot.text(labels, { x: -1.06, y: "y", text: "text", textAnchor: "end" }),
      ],
    },
    {
      title: "From 64 weights to 64 codes of four bits",
      caption,
      text: "histogram, one block, sixteen values",
    },
  );
}

/** The values of each data type under the quotients that they are for. */
export function valuesPicture(quotients: Float32Array, caption: string): Picture {
  const types = ["NF4", "Int4", "E2M1", "FP4", "E3M0"].flatMap((name) =>
    dataTypes.filter((type) => type.name === name),
  );
  const ticks = types.flatMap(({ name, book }, i) =>
    [...new Set(Array.from(book.values, (value) => value + 0))]
      .filter((value) => value >= -1)
      .map((value) => ({ name, value, y: -0.2 * i - 0.08 })),
  );
  const labels = types.map(({ name }, i) => ({ name, y: -0.2 * i - 0.15 }));
  const names = types.map(({ name }) => name);
  return plot(
    {
      height: 272,
      marginBottom: 42,
      marginLeft: 84,
      marginTop: 6,
      x: { label: UNIT, domain: [-1.03, 1.03], ticks: 9 },
      y: { axis: null, domain: [-1.08, 1.02] },
      color: { type: "categorical", domain: names, range: colorsOf(names) },
      marks: [
        bars(quotients, 0),
        Plot.ruleX(ticks, { x: "value", y1: "y", y2: (d) => d.y - 0.14, stroke: "name", strokeWidth: 2.5 }),
        Plot.text(labels, { x: -1.06, y: "y", text: "name", textAnchor: "end" }),
        Plot.text([{ y: 0.45, name: "normal" }], { x: -1.06, y: "y", text: "name", textAnchor: "end" }),
      ],
    },
    { title: "Where four bits put their values", caption, text: names.join(" ") },
  );
}

/** How often each of NF4's codes is used, by block size. */
export function usePicture(
  rows: readonly { readonly code: number; readonly share: number; readonly blocks: string }[],
  caption: string,
): Picture {
  const domain = [...new Set(rows.map(({ blocks }) => blocks))];
  return plot(
    {
      height: 242,
      marginBottom: 42,
      grid: true,
      x: { label: "code", ticks: Array.from({ length: 16 }, (_, i) => i), tickFormat: String },
      y: {
        label: "share of the weights, %",
        domain: [0, Math.max(...rows.map(({ share }) => 100 * share)) + 1],
      },
      color: { type: "categorical", domain, range: [TEAL, "#b04fc4"] },
      marks: [
        Plot.ruleY([100 / 16], { strokeDasharray: "4,3" }),
        Plot.line(rows, { x: "code", y: (d) => 100 * d.share, stroke: "blocks" }),
        Plot.dot(rows, { x: "code", y: (d) => 100 * d.share, fill: "blocks", r: 3 }),
        Plot.text([{ x: 15, y: 100 / 16 }], {
          x: "x",
          y: "y",
          text: ["equal use"],
          dy: -8,
          textAnchor: "end",
        }),
      ],
    },
    {
      title: "How often NF4's sixteen codes are used for normal numbers, in",
      legend: true,
      caption,
      text: domain
        .map((blocks) => {
          const line = rows.filter((row) => row.blocks === blocks);
          return `${blocks}, % by code: ${line.map(({ share }) => (100 * share).toFixed(1)).join(" ")}`;
        })
        .join("\n"),
    },
  );
}

/** Signal to noise by block size, a panel for each kind of numbers. */
export function errorPanels(
  rows: readonly {
    readonly numbers: string;
    readonly size: number;
    readonly type: string;
    readonly sqnr: number;
  }[],
  caption: string,
): Picture {
  const shown = rows.filter(({ type }) => type !== "FP4"); // it has E2M1's colour, and is near Int4
  const names = [...new Set(shown.map(({ type }) => type))];
  const sizes = [...new Set(shown.map(({ size }) => size))];
  const kinds = [...new Set(shown.map(({ numbers }) => numbers))];
  const lineOf = (numbers: string, name: string): string =>
    shown
      .filter((row) => row.numbers === numbers && row.type === name)
      .map(({ size, sqnr }) => `${size}: ${sqnr.toFixed(1)}`)
      .join(", ");
  return plot(
    {
      width: 700,
      height: 270,
      marginBottom: 58,
      grid: true,
      x: { type: "log", base: 2, label: "block size", ticks: sizes, tickFormat: String, tickRotate: -45 },
      y: { label: "signal to noise, dB", zero: false },
      fx: { label: null, domain: kinds },
      color: { type: "categorical", domain: names, range: colorsOf(names) },
      marks: [
        Plot.frame({ strokeOpacity: 0.2 }),
        Plot.line(shown, { x: "size", y: "sqnr", stroke: "type", fx: "numbers" }),
        Plot.dot(shown, { x: "size", y: "sqnr", fill: "type", fx: "numbers", r: 2.2 }),
      ],
    },
    {
      title: "Which format rounds best? Higher is better; 6 dB are half the error",
      legend: true,
      caption,
      text: kinds
        .flatMap((numbers) => names.map((name) => `${numbers}, ${name} (dB): ${lineOf(numbers, name)}`))
        .join("\n"),
    },
  );
}
