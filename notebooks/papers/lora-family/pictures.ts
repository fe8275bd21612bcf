/** @file The pictures of the family: singular values of ΔW, which matrices change, what a lower rank loses. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import { PAGE, Picture } from "../../support/plots/picture.ts";
import { colorsOf } from "../../support/show/colors.ts";
import { heatmap, linePlot } from "../../support/show/plot.ts";
import { ranksIn } from "./ranks.ts";
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
  return new Picture(
    ({ width }) => {
      const small = width < PAGE.width;
      const shown = small ? changed.filter(({ name }) => ON_CARD.includes(name)) : changed;
      return { options: { width, ...panels(shown, small) } };
    },
    {
      ...words,
      text: changed.map(({ name, updates }) => `${name}: rank ${ranksIn(updates)}`).join("\n"),
    },
  );
}

/** The panels of a thumbnail. */
const ON_CARD = ["full fine-tuning", "LoRA", "DoRA"];
const COLUMNS = 3;

function panels(changed: readonly Changed[], small: boolean): Plot.PlotOptions {
  const colors = colorsOf(changed.map(({ name }) => name));
  const place = (i: number) => ({ color: colors[i], column: i % COLUMNS, line: Math.floor(i / COLUMNS) });
  const bars = changed.flatMap(({ updates }, i) => {
    const count = Math.min(...updates.map(({ values }) => values.length));
    return Array.from({ length: count }, (_, k) => ({
      ...place(i),
      i: k + 1,
      value: Math.exp(mean(updates.map(({ values }) => Math.log(Math.max(values[k], 1e-12))))),
    })).filter(({ value }) => value >= LEAST);
  });
  const titles = changed.map(({ name }, i) => ({ name, ...place(i) }));
  return {
    height: small ? 205 : 60 + 120 * Math.ceil(changed.length / COLUMNS),
    marginLeft: 46,
    fx: { axis: null, padding: 0.08 },
    fy: { axis: null, padding: 0.14 },
    x: {
      label: small ? null : "number of the singular value →",
      domain: [0, 65],
      ticks: small ? [1, 64] : [1, 16, 32, 48, 64],
    },
    y: {
      type: "log",
      label: "singular value of ΔW",
      ticks: 4,
      tickFormat: (value: number) => value.toExponential(0),
      grid: true,
    },
    marks: [
      Plot.ruleX(bars, {
        fx: "column",
        fy: "line",
        x: "i",
        y1: LEAST,
        y2: "value",
        stroke: "color",
        strokeWidth: small ? 1.2 : 2,
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
  };
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
