/** @file The pictures of the comparison: losses in order, loss against parameters trained, who beats whom, what was tried. */
import * as Plot from "@observablehq/plot";
import type { ArmResult } from "../../support/experiments/study.ts";
import { interval } from "../../support/experiments/verdicts.ts";
import { PAGE, Picture } from "../../support/plots/picture.ts";
import { colorsOf } from "../../support/show/colors.ts";
import { formatNumber } from "../../support/show/format.ts";
import { plot } from "../../support/show/plot.ts";

type Result = ArmResult<unknown>;

export interface Words {
  readonly title: string;
  readonly caption?: string;
}

/** Where a method stands: its mean with the interval, and what it trained. */
interface Standing {
  readonly name: string;
  readonly loss: number;
  readonly low: number;
  readonly high: number;
  readonly trained: number;
  readonly color: string;
}

function standings(results: readonly Result[]): Standing[] {
  const colors = colorsOf(results.map(({ arm }) => arm));
  return results
    .map(({ arm, losses, runs }, i): Standing => {
      const { mean, low, high, n } = interval(losses);
      const known = n > 2 ? { low, high } : { low: Math.min(...losses), high: Math.max(...losses) };
      return { name: arm, loss: mean, ...known, trained: runs[0].trainable, color: colors[i] };
    })
    .sort((a, b) => a.loss - b.loss);
}

/** The methods of one base from the lowest loss to the highest, each with its interval and the numbers it trains. */
export function inOrder(results: readonly Result[], words: Words): Picture {
  const rows = standings(results);
  const least = Math.min(...rows.map(({ low }) => low));
  const most = Math.max(...rows.map(({ high }) => high));
  const space = 0.04 * (most - least || 1);
  return new Picture(
    ({ width }) => {
      const small = width < PAGE.width;
      return {
        options: {
          width,
          marginLeft: 118,
          marginRight: small ? 62 : 108,
          marginBottom: small ? 22 : 44,
          height: (small ? 40 : 74) + (small ? 17 : 26) * rows.length,
          x: {
            label: small ? null : "held-out loss, nats (lower is better) →",
            ticks: small ? 3 : 6,
            grid: true,
            domain: [least - space, most + space],
          },
          y: { label: null, domain: rows.map(({ name }) => name) },
          marks: [
            Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: "color", strokeWidth: 3 }),
            Plot.dot(rows, { y: "name", x: "loss", fill: "color", r: small ? 4 : 5 }),
            Plot.text(rows, {
              y: "name",
              text: ({ trained }: Standing) => `${formatNumber(trained, 0)}${small ? "" : " trained"}`,
              frameAnchor: "right",
              textAnchor: "start",
              dx: 8,
              fill: "currentColor",
            }),
          ],
        },
      };
    },
    { ...words, text: asText(rows) },
  );
}

const asText = (rows: readonly Standing[]): string =>
  rows
    .map(
      ({ name, loss, low, high, trained }) =>
        `${name.padEnd(18)} ${loss.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)}), ${formatNumber(trained, 0)} trained`,
    )
    .join("\n");

/** Loss against the parameters trained. The line goes through LoRA's ranks: a point below it makes better use of its numbers. */
export function frontier(results: readonly Result[], words: Words): Picture {
  const rows = standings(results);
  const lora = rows.filter(({ name }) => /^LoRA(,|$)/.test(name)).sort((a, b) => a.trained - b.trained);
  const named = rows.filter(({ name }) => name.includes(",") || !/^(rsLoRA|LoRA\+|PiSSA|LoRA$)/.test(name));
  return plot(
    {
      height: 380,
      marginRight: 96,
      marginBottom: 44,
      x: { type: "log", inset: 12, label: "parameters trained →", ticks: 4, tickFormat: "~s" },
      y: { label: "held-out loss, nats", grid: true, nice: true },
      marks: [
        Plot.line(lora, { x: "trained", y: "loss", stroke: colorsOf(["LoRA"])[0], strokeDasharray: "4,3" }),
        Plot.ruleX(rows, { x: "trained", y1: "low", y2: "high", stroke: "color" }),
        Plot.dot(rows, { x: "trained", y: "loss", fill: "color", r: 4.5 }),
        ...labels(
          named.filter(({ name }) => !name.startsWith("DoRA")),
          { dx: 8, textAnchor: "start" },
        ),
        ...labels(
          named.filter(({ name }) => /^DoRA,/.test(name)),
          { dx: -8, textAnchor: "end" },
        ),
        ...labels(
          named.filter(({ name }) => name === "DoRA"),
          { dy: 14, textAnchor: "middle" },
        ),
      ],
    },
    { ...words, text: asText(rows) },
  );
}

/** The methods' names beside their points. */
const labels = (rows: readonly Standing[], place: Plot.TextOptions): Plot.Markish[] => [
  Plot.text(rows, { x: "trained", y: "loss", text: "name", fill: "currentColor", ...place }),
];

/** Who beats whom: the mean paired difference, row less column, in thousandths of a nat; pale where zero is not excluded. */
export function duels(results: readonly Result[], words: Words): Picture {
  const order = standings(results).map(({ name }) => name);
  const of = (name: string) => (results.find(({ arm }) => arm === name) as Result).losses;
  const cells = order.flatMap((row) =>
    order
      .filter((column) => column !== row)
      .map((column) => {
        const { mean, low, high } = interval(of(row).map((loss, i) => loss - of(column)[i]));
        const sure = low > 0 || high < 0;
        const text = `${mean < 0 ? "−" : "+"}${Math.round(Math.abs(1000 * mean))}`;
        return {
          row,
          column,
          sure,
          mean,
          text: sure ? text : `(${text})`,
          side: !sure ? 0 : mean < 0 ? 1 : 2,
        };
      }),
  );
  return plot(
    {
      marginLeft: 110,
      marginTop: 24,
      marginBottom: 84,
      height: 110 + 30 * order.length,
      x: { domain: order, label: null, tickRotate: -40 },
      y: { domain: order, label: null },
      color: { type: "categorical", domain: [0, 1, 2], range: ["#e8e8ea", "#9fd3a8", "#f2b8a8"] },
      marks: [
        Plot.cell(cells, { x: "column", y: "row", fill: "side", inset: 0.5 }),
        Plot.text(cells, { x: "column", y: "row", text: "text", fill: "black" }),
      ],
    },
    {
      ...words,
      text: order
        .map(
          (row) =>
            `${row}: ${cells
              .filter((cell) => cell.row === row)
              .map(({ column, text }) => `${text} to ${column}`)
              .join(", ")}`,
        )
        .join("\n"),
    },
  );
}

/** The mean loss of the search by learning rate, a line for each method. */
export function searched(results: readonly Result[], words: Words): Picture {
  const names = results.map(({ arm }) => arm);
  const range = colorsOf(names);
  const rows = results.flatMap(({ arm, tried, rate }) =>
    tried.map(({ rate: lr, loss }) => ({ arm, lr, loss, best: lr === rate })),
  );
  return plot(
    {
      height: 360,
      x: {
        type: "log",
        label: "learning rate →",
        ticks: 4,
        tickFormat: (rate: number) => rate.toExponential(0),
        grid: true,
      },
      y: { label: "held-out loss of the search, nats", grid: true, nice: true },
      color: { type: "categorical", domain: names, range },
      marks: [
        Plot.line(rows, { x: "lr", y: "loss", z: "arm", stroke: "arm" }),
        Plot.dot(rows, {
          x: "lr",
          y: "loss",
          fill: "arm",
          r: ({ best }: { best: boolean }) => (best ? 5 : 2.5),
        }),
      ],
    },
    {
      ...words,
      legend: true,
      text: results
        .map(
          ({ arm, tried }) =>
            `${arm}: ${tried.map(({ rate, loss }) => `${rate.toPrecision(2)} → ${loss.toFixed(3)}`).join(", ")}`,
        )
        .join("\n"),
    },
  );
}
