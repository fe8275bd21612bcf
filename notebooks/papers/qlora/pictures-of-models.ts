/** @file The pictures of the lecture on quantization that are about models: bits, losses, memory. */
import * as Plot from "@observablehq/plot";
import { PAGE, Picture } from "../../support/plots/picture.ts";
import { colorsOf } from "../../support/show/colors.ts";
import { plot } from "../../support/show/plot.ts";
import { type llamas, total } from "./memory.ts";

const [TEAL] = colorsOf(["NF4"]);
const GREY = "#8a8f98";

/** Signal to noise against bits per weight, with and without double quantization; points are block sizes. */
export function bitsPicture(
  rows: readonly {
    readonly size: number;
    readonly bits: number;
    readonly sqnr: number;
    readonly type: string;
  }[],
  caption: string,
): Picture {
  const isPlain = ({ type }: { type: string }): boolean => type === "NF4";
  const [plain, double] = [rows.filter(isPlain), rows.filter((row) => !isPlain(row))];
  const place = { x: "bits", y: "sqnr" };
  const names = [plain, double].map((line) => line.reduce((a, b) => (b.size < a.size ? b : a)));
  return plot(
    {
      height: 262,
      marginBottom: 42,
      grid: true,
      x: { label: "bits per weight, constants included", domain: [3.98, 5.12] },
      y: { label: "signal to noise, dB", zero: false, inset: 14 },
      marks: [
        Plot.line(plain, { ...place, stroke: TEAL, strokeDasharray: "5,3" }),
        Plot.line(double, { ...place, stroke: TEAL }),
        Plot.dot(plain, { ...place, fill: TEAL, r: 3.5 }),
        Plot.dot(double, { ...place, fill: TEAL, r: 3.5 }),
        Plot.text(
          rows.filter((row) => row.size <= 256 || isPlain(row)),
          { ...place, text: (d) => String(d.size), dx: 8, dy: 9, textAnchor: "start" },
        ),
        Plot.text(names, {
          ...place,
          text: (d) => (isPlain(d) ? "without DQ" : "with DQ"),
          dy: -12,
          fontWeight: "bold",
        }),
      ],
    },
    {
      title: "What a bit buys: NF4 by block size (the numbers at the points)",
      caption,
      text: rows
        .map((row) => `${row.type}, ${row.size}: ${row.bits.toFixed(3)} bits, ${row.sqnr.toFixed(2)} dB`)
        .join("\n"),
    },
  );
}

interface BeforeAfter {
  readonly base: string;
  readonly format: string;
  readonly before: number;
  readonly after: number;
}

/** Held-out loss before and after tuning by format, a panel for each base; on a card that of the first base. */
export function beforeAfterPicture(rows: readonly BeforeAfter[], caption: string): Picture {
  return new Picture(
    ({ width }) => {
      const small = width < PAGE.width;
      const shown = small ? rows.filter(({ base }) => base === rows[0].base) : rows;
      return { options: { width: small ? width : 700, ...beforeAfter(shown, small) } };
    },
    {
      title: "Loss of the stored base (rings) and after tuning adapters on it (dots)",
      caption,
      text: rows
        .map(
          ({ base, format, before, after }) =>
            `${base}, ${format}: ${before.toFixed(4)} → ${after.toFixed(4)}`,
        )
        .join("\n"),
    },
  );
}

function beforeAfter(rows: readonly BeforeAfter[], small: boolean): Plot.PlotOptions {
  const names = [...new Set(rows.map(({ format }) => format))];
  const losses = rows.flatMap(({ before, after }) => [before, after]);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const marked = small ? [0.01, 0.1, 1, 10] : [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
  const ticks = marked.filter((t) => t > low / 1.5 && t < high * 1.5);
  const label = "held-out loss, nats per character";
  const place = { y: "format", fx: "base" } as const;
  const value = (of: "before" | "after") => ({
    ...{ ...place, x: of, text: (d: BeforeAfter) => d[of].toPrecision(2) },
    ...(of === "before" ? { dx: 8, textAnchor: "start" as const } : { dx: -8, textAnchor: "end" as const }),
  });
  return {
    height: (small ? 60 : 84) + (small ? 20 : 26) * names.length,
    marginBottom: 44,
    marginLeft: 80,
    marginRight: 36,
    x: { type: "log", domain: [low / (small ? 2 : 3.2), high * 2.2], label, ticks, grid: true },
    y: { label: null, domain: names },
    fx: { label: null, domain: [...new Set(rows.map(({ base }) => base))] },
    color: { type: "categorical", domain: names, range: colorsOf(names) },
    marks: [
      Plot.frame({ strokeOpacity: 0.2 }),
      Plot.axisX(ticks, { text: String, label }), // a log scale labels only some
      Plot.arrow(rows, {
        ...{ x1: "before", x2: "after", y1: "format", y2: "format", fx: "base", stroke: "format" },
        ...{ strokeWidth: 2, inset: 6, headLength: 7 },
      }),
      Plot.dot(rows, { ...place, x: "before", stroke: "format", strokeWidth: 2, fill: "none", r: 4 }),
      Plot.dot(rows, { ...place, x: "after", fill: "format", r: 4.5 }),
      ...(small ? [] : [Plot.text(rows, value("before")), Plot.text(rows, value("after"))]),
    ],
  };
}

/** Memory of LoRA on a base of 16 bits and of QLoRA, part by part, with the sizes of cards. */
export function memoryPicture(models: typeof llamas, caption: string): Picture {
  const parts = ["base", "adapters", "gradients", "optimizer", "activations"] as const;
  const rows = models.flatMap(({ size, lora, qlora }) =>
    parts.flatMap((part) => [
      { size, how: "LoRA, 16 bits", part, GB: lora[part] / 1e9 },
      { size, how: "QLoRA", part, GB: qlora[part] / 1e9 },
    ]),
  );
  const cards = [24, 48, 80];
  return plot(
    {
      width: 700,
      height: 292,
      marginBottom: 42,
      marginLeft: 96,
      marginRight: 44,
      x: { label: "GB", domain: [0, 150] },
      y: { label: null, domain: ["LoRA, 16 bits", "QLoRA"] },
      fy: { label: null, domain: models.map(({ size }) => size) },
      color: {
        type: "categorical",
        domain: [...parts],
        range: [GREY, "#ff8ab7", "#d99a00", "#4269d0", "#3ca951"],
      },
      marks: [
        Plot.barX(rows, { x: "GB", y: "how", fy: "size", fill: "part" }),
        Plot.ruleX(cards, { strokeDasharray: "4,3" }),
        Plot.ruleX([0]),
        Plot.text(cards, {
          x: (d) => d,
          fy: () => models[0].size,
          text: (d) => `${d} GB`,
          frameAnchor: "top",
          dy: -12,
        }),
      ],
    },
    {
      title: "Memory of tuning LLaMA; dashed, cards of 24, 48 and 80 GB",
      legend: true,
      caption,
      text: models
        .map(
          ({ size, lora, qlora }) =>
            `${size}: ${(total(lora) / 1e9).toFixed(1)}, ${(total(qlora) / 1e9).toFixed(1)} GB`,
        )
        .join("\n"),
    },
  );
}
