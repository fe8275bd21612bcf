/** @file The pictures of the family: singular values of ΔW, which matrices change, what a lower rank loses. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import { colorsOf } from "../../support/show/colors.ts";
import { heatmap, linePlot, type Picture, plot } from "../../support/show/plot.ts";
import type { Update } from "./updates.ts";

/** The updates of one method. */
export interface Changed {
  readonly name: string;
  readonly updates: readonly Update[];
}

interface Words {
  readonly title: string;
  readonly caption: string;
}

/** Singular values below this are not drawn: roundings. */
const LEAST = 1e-5;

/** The singular values of ΔW by their number, geometric means over all layers, a panel for each method. */
export function spectra(changed: readonly Changed[], words: Words): Picture {
  const rows = changed.flatMap(({ name, updates }) => {
    const count = Math.min(...updates.map(({ values }) => values.length));
    return Array.from({ length: count }, (_, i) => ({
      name,
      i: i + 1,
      value: Math.exp(mean(updates.map(({ values }) => Math.log(Math.max(values[i], 1e-12))))),
    })).filter(({ value }) => value >= LEAST);
  });
  const names = changed.map(({ name }) => name);
  const colors = colorsOf(names);
  const columns = 3;
  const place = (name: string) => names.indexOf(name);
  const panels = rows.map((row) => ({
    ...row,
    color: colors[place(row.name)],
    column: place(row.name) % columns,
    line: Math.floor(place(row.name) / columns),
  }));
  const titles = names.map((name, i) => ({
    name,
    color: colors[i],
    column: i % columns,
    line: Math.floor(i / columns),
  }));
  return plot(
    {
      width: 660,
      height: 70 + 120 * Math.ceil(names.length / columns),
      marginLeft: 46,
      fx: { axis: null, padding: 0.08 },
      fy: { axis: null, padding: 0.14 },
      x: { label: "number of the singular value →", domain: [0, 65], ticks: [1, 16, 32, 48, 64] },
      y: {
        type: "log",
        label: "singular value of ΔW",
        ticks: 4,
        tickFormat: (v: number) => v.toExponential(0),
        grid: true,
      },
      marks: [
        Plot.ruleX(panels, {
          fx: "column",
          fy: "line",
          x: "i",
          y1: LEAST,
          y2: "value",
          stroke: "color",
          strokeWidth: 2,
        }),
        Plot.text(titles, {
          fx: "column",
          fy: "line",
          text: "name",
          frameAnchor: "top-right",
          dy: -2,
          fontWeight: "bold",
          fill: "currentColor",
        }),
      ],
    },
    {
      ...words,
      text: changed
        .map(
          ({ name, updates }) =>
            `${name}: rank ${Math.min(...updates.map(({ rank }) => rank))} to ${Math.max(...updates.map(({ rank }) => rank))}`,
        )
        .join("\n"),
    },
  );
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/attn\.c_attn$/, "queries, keys, values"],
  [/attn\.c_proj$/, "attention out"],
  [/mlp\.c_fc$/, "MLP up"],
  [/mlp\.c_proj$/, "MLP down"],
];

/** How much each kind of matrix changes, ‖ΔW‖ / ‖W0‖ in percent, means over the blocks. */
export function whereItChanges(changed: readonly Changed[], words: Words): Picture {
  const rows = changed.flatMap(({ name, updates }) =>
    KINDS.map(([kind, label]) => ({
      method: name,
      matrix: label,
      percent: 100 * mean(updates.filter(({ layer }) => kind.test(layer)).map(({ size }) => size)),
    })),
  );
  return heatmap(rows, {
    x: "matrix",
    y: "method",
    value: "percent",
    digits: 1,
    xLabel: "",
    yLabel: "",
    ...words,
  });
}

/** Held-out loss by the rank that is kept of ΔW. */
export function lossByRankKept(
  rows: readonly { readonly method: string; readonly rank: number; readonly loss: number }[],
  words: Words,
): Picture {
  return linePlot(rows, {
    x: "rank",
    y: "loss",
    series: "method",
    xScale: "log",
    xLabel: "rank kept",
    yLabel: "held-out loss, nats",
    ...words,
  });
}
