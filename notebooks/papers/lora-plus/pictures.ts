/** @file The pictures of the LoRA+ page. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { type Picture, plot } from "../../support/index.ts";
import {
  best,
  bootstrap,
  center,
  geometric,
  lossOf,
  ratioOf,
  stableRates,
  valley,
  type Width,
} from "./rate-search.ts";
import type { Scaling } from "./scaling.ts";

const BLUE = "#4269d0";
const GREY = "#8a8f98";

const decade = (value: number): string =>
  value >= 0.001 && value < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(0);

/** The best ratio by width, with its 95 % interval, and a line that grows as n. */
export function ratioPicture(widths: readonly Width[], caption: string): Picture {
  const points = widths.map((width) => {
    const log = bootstrap([width], ([draws]) => Math.log(ratioOf(center(width.pairs, draws))));
    return { n: width.n, ratio: Math.exp(log.value), low: Math.exp(log.low), high: Math.exp(log.high) };
  });
  const ns = points.map(({ n }) => n);
  const scale = geometric(points.map(({ n, ratio }) => ratio / n));
  const line = [Math.min(...ns), Math.max(...ns)].map((n) => ({ n, ratio: scale * n }));
  const top = Math.max(...points.map(({ high }) => high)) * 1.5;
  return plot(
    {
      width: 560,
      height: 340,
      marginLeft: 52,
      marginBottom: 40,
      x: { type: "log", label: "width n", ticks: ns, tickFormat: String, inset: 24 },
      y: {
        type: "log",
        label: "best ratio of the rates, B over A",
        grid: true,
        ticks: [1, 10, 100, 1000, 10000].filter((tick) => tick < top),
        tickFormat: decade,
        domain: [0.6, top],
      },
      marks: [
        Plot.ruleY([1], { stroke: GREY, strokeDasharray: "4 3" }),
        Plot.text([{ n: ns[ns.length - 1], ratio: 1 }], {
          x: "n",
          y: "ratio",
          text: () => "LoRA: one rate for both",
          textAnchor: "end",
          dy: -9,
          fill: GREY,
        }),
        Plot.line(line, { x: "n", y: "ratio", stroke: "#d99a00", strokeDasharray: "2 3", strokeWidth: 2 }),
        Plot.text([line[0]], {
          x: "n",
          y: "ratio",
          text: () => "in proportion to n",
          textAnchor: "start",
          dx: 30,
          dy: 14,
          fill: "#b07d00",
        }),
        Plot.ruleX(points, { x: "n", y1: "low", y2: "high", stroke: BLUE, strokeWidth: 2 }),
        Plot.dot(points, { x: "n", y: "ratio", fill: BLUE, r: 5 }),
      ],
    },
    {
      title: "The best ratio of the two rates after ten steps, by width",
      caption,
      text: points.map(({ n, ratio }) => `n = ${n}: ratio ${ratio.toPrecision(2)}`).join("\n"),
    },
  );
}

const HALF = 10 ** (1 / 6); // half a step of the coarse grid

/** The losses over both rates at a narrow and a wide width, on the same axes. */
export function landscape(widths: readonly [Width, Width]): Picture {
  const [narrow, wide] = widths.map(stableRates);
  const fall = (rate: "etaA" | "etaB"): string =>
    Number((geometric(narrow[rate]) / geometric(wide[rate])).toPrecision(2)).toString();
  const caption = `Yellow is the lowest loss, dark blue 16 times that. Grey with a cross: most draws diverged. Dashed: equal rates; ring: the best of them; star: the best pair; framed: the valley. From width ${widths[0].n} to ${widths[1].n} the right border, the largest stable rate of A, moves by a factor of ${fall("etaA")}, the upper one by ${fall("etaB")}.`;
  const cells = widths.flatMap(({ n, pairs }) =>
    pairs.map((cell) => ({
      ...cell,
      panel: `width ${n}`,
      loss: lossOf(cell),
      lost: cell.losses.filter((loss) => !Number.isFinite(loss)).length,
    })),
  );
  const finite = cells.filter(({ lost, losses }) => lost <= losses.length / 2);
  const diverged = cells.filter(({ lost, losses }) => lost > losses.length / 2);
  const low = Math.min(...finite.map(({ loss }) => loss));
  const marks = widths.map(({ n, pairs, single }) => ({
    panel: `width ${n}`,
    pair: best(pairs),
    equal: best(single),
  }));
  const framed = widths.flatMap(({ n, pairs }) =>
    valley(pairs).map((cell) => ({ ...cell, panel: `width ${n}` })),
  );
  const edges = {
    x1: (d: { etaA: number }) => d.etaA / HALF,
    x2: (d: { etaA: number }) => d.etaA * HALF,
    y1: (d: { etaB: number }) => d.etaB / HALF,
    y2: (d: { etaB: number }) => d.etaB * HALF,
    fx: "panel",
  };
  const axis = { type: "log", ticks: [1e-4, 1e-3, 1e-2, 0.1, 1, 10], tickFormat: decade } as const;
  const rates = cells.map(({ etaA }) => etaA);
  const ends = [Math.min(...rates) / HALF, Math.max(...rates) * HALF];
  return plot(
    {
      width: 680,
      height: 390,
      marginLeft: 52,
      marginBottom: 46,
      fx: { label: null, domain: widths.map(({ n }) => `width ${n}`) },
      x: { ...axis, label: "learning rate of A", labelOffset: 42 },
      y: { ...axis, label: "learning rate of B" },
      color: { type: "log", scheme: "viridis", reverse: true, domain: [low, 16 * low], clamp: true },
      marks: [
        Plot.rect(finite, { ...edges, fill: "loss" }),
        Plot.rect(diverged, { ...edges, fill: "#cfd2d8" }),
        Plot.dot(diverged, { x: "etaA", y: "etaB", fx: "panel", symbol: "times", r: 2, stroke: "#8a8f98" }),
        Plot.line([ends.map((end) => [end, end])].flat(), { stroke: "white", strokeWidth: 3 }),
        Plot.line([ends.map((end) => [end, end])].flat(), { stroke: "black", strokeDasharray: "4 3" }),
        Plot.rect(framed, { ...edges, fill: "none", stroke: "white", strokeWidth: 1.5 }),
        Plot.dot(marks, {
          x: ({ equal }) => equal.etaA,
          y: ({ equal }) => equal.etaB,
          fx: "panel",
          r: 5,
          fill: "white",
          stroke: "black",
          strokeWidth: 2,
        }),
        Plot.dot(marks, {
          x: ({ pair }) => pair.etaA,
          y: ({ pair }) => pair.etaB,
          fx: "panel",
          r: 8,
          symbol: "star",
          fill: "#ff3333",
          stroke: "white",
        }),
      ],
    },
    {
      title: "Test loss after ten steps over the two rates",
      caption,
      text: marks
        .map(
          ({ panel, pair, equal }) =>
            `${panel}: best (${decade(pair.etaA)}, ${decade(pair.etaB)}), best equal rate ${decade(equal.etaA)}`,
        )
        .join("\n"),
    },
  );
}

/** |f| and the three terms after three steps by width, one panel for each rule for the rates. */
export function termsPicture(scalings: readonly Scaling[], caption: string): Picture {
  const names = ["f", "δ₁: A moves", "δ₂: B moves", "δ₃: both"];
  const rows = scalings.flatMap(({ name, widths, medians }) =>
    widths.flatMap((n, i) =>
      names.map((term, k) => ({ rule: name, n, term, size: mean(medians.map((seed) => seed[i][k])) })),
    ),
  );
  return plot(
    {
      width: 680,
      height: 280,
      marginLeft: 52,
      fx: { label: null, domain: scalings.map(({ name }) => name) },
      x: {
        type: "log",
        label: "width n",
        ticks: [...new Set(rows.map(({ n }) => n))].filter((_, i, all) => i === 0 || i === all.length - 1),
        tickFormat: String,
        inset: 16,
      },
      y: { type: "log", label: "size", grid: true, ticks: 5, tickFormat: decade },
      color: { type: "categorical", domain: names, range: ["#8a8f98", "#ff725c", "#4269d0", "#3ca951"] },
      marks: [
        Plot.frame({ stroke: "#ddd" }),
        Plot.line(rows, { x: "n", y: "size", z: "term", stroke: "term", fx: "rule" }),
        Plot.dot(rows, { x: "n", y: "size", fill: "term", r: 3, fx: "rule" }),
      ],
    },
    {
      title: "The output and the three terms of its change, third step",
      caption,
      legend: true,
      text: scalings
        .map(
          ({ name, exponents }) =>
            `${name}: exponents ${exponents.map((of) => mean(of).toFixed(2)).join(", ")}`,
        )
        .join("\n"),
    },
  );
}

/** The training loss of each arm by step: means over the seeds, and over a sliding window of steps. */
export function curvesPicture(runs: readonly ArmResult<unknown>[], caption: string): Picture {
  const rows = runs.flatMap(({ arm, runs }) => {
    const steps = runs[0].losses.length;
    const window = Math.max(1, Math.round(steps / 15));
    const curve = Array.from({ length: steps }, (_, t) => mean(runs.map(({ losses }) => losses[t])));
    return curve.flatMap((_, t) =>
      t + 1 >= window ? [{ arm, step: t + 1, loss: mean(curve.slice(t + 1 - window, t + 1)) }] : [],
    );
  });
  const names = runs.map(({ arm }) => arm);
  return plot(
    {
      width: 640,
      height: 320,
      x: { label: "step" },
      y: {
        type: "log",
        label: "training loss, nats per character",
        grid: true,
        ticks: 5,
        tickFormat: decade,
      },
      color: { type: "categorical", domain: names, range: [BLUE, "#d99a00", "#b0561f", "#97bbf5"] },
      marks: [Plot.line(rows, { x: "step", y: "loss", z: "arm", stroke: "arm" })],
    },
    {
      title: "Four ratios on the way, each at its own best mean rate",
      caption,
      legend: true,
      text: names
        .map(
          (name) =>
            `${name}: ${rows
              .filter(({ arm }) => arm === name)
              .at(-1)
              ?.loss.toFixed(3)}`,
        )
        .join("\n"),
    },
  );
}
