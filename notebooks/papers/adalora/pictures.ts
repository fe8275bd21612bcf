/** @file The pictures of the AdaLoRA page. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import { linePlot, meanStd, type Picture, plot } from "../../support/index.ts";
import type { Pair } from "./claims.ts";
import type { Places } from "./places.ts";
import { BUDGET, PLANTED, type PlantedResult, SCORES, scheduleOf } from "./planted-study.ts";
import { livesOf } from "./triplet-history.ts";

const KEPT = "#3ca951";
const PRUNED = "#b3b8c2";
const SERIES = ["#4269d0", "#d99a00", "#ff725c"];
/** One for each of the six matrices: cold colours in attention, warm ones in the MLP. */
const MATRIX_COLORS = ["#8a8f98", "#97bbf5", "#4269d0", "#0f9ba8", "#ff725c", "#d99a00"];

/** The first seed's triplets, one a row: a bar where a triplet is in use, green for those that stay to the end. */
export function livesPicture({ moments, ranks }: PlantedResult, caption: string): Picture {
  const steps = moments.length;
  const { warmup, final } = scheduleOf(steps);
  const lives = livesOf(moments, warmup);
  const groups = PLANTED.map(({ name, singularValues }, k) => {
    const own = lives.filter(({ layer }) => layer === k);
    const order = [...own].sort(
      (a, b) => Number(b.survives) - Number(a.survives) || lifetime(b) - lifetime(a),
    );
    const top = 7.5 * k;
    return {
      name,
      middle: top + 2.5,
      result: `${ranks[0][k]} kept, ${singularValues.length} planted`,
      rows: order.flatMap((life, i) =>
        life.stretches.map(({ from, to }) => ({
          x1: from - 1,
          x2: to,
          y: top + i,
          what: life.survives ? "kept to the end" : "pruned in the end",
        })),
      ),
    };
  });
  const rows = groups.flatMap(({ rows }) => rows);
  return plot(
    {
      width: 640,
      height: 420,
      marginLeft: 112,
      marginRight: 128,
      marginBottom: 40,
      x: { label: "step", domain: [0, steps] },
      y: { axis: null, domain: [44, -1.5] },
      color: { type: "categorical", domain: ["kept to the end", "pruned in the end"], range: [KEPT, PRUNED] },
      marks: [
        Plot.rect(rows, { x1: "x1", x2: "x2", y1: (d) => d.y - 0.38, y2: (d) => d.y + 0.38, fill: "what" }),
        Plot.ruleX([warmup, steps - final], { strokeDasharray: "4 3", stroke: "#555" }),
        Plot.text(
          [
            { at: warmup / 2, text: "all train" },
            { at: (warmup + steps - final) / 2, text: "the budget falls" },
            { at: steps - final / 2, text: "the choice is settled" },
          ],
          { x: "at", y: -1.2, text: "text", fill: "#555", fontSize: 11 },
        ),
        Plot.text(groups, { x: 0, y: "middle", text: "name", textAnchor: "end", dx: -8, fontSize: 12 }),
        Plot.text(groups, {
          x: steps,
          y: "middle",
          text: "result",
          textAnchor: "start",
          dx: 8,
          fontSize: 12,
          fontWeight: 600,
        }),
      ],
    },
    {
      title: "The lives of 36 triplets: AdaLoRA looks for the 18 that were planted",
      caption,
      legend: true,
      text: groups.map(({ name, result }) => `${name}: ${result}`).join("\n"),
    },
  );
}

const lifetime = ({ stretches }: { stretches: readonly { from: number; to: number }[] }): number =>
  stretches.reduce((sum, { from, to }) => sum + to - from + 1, 0);

/** The budget as a falling line, and below it the triplets in use, by matrix. */
export function tidePicture({ moments }: PlantedResult, caption: string): Picture {
  const rows = moments.flatMap(({ step, lambda }) =>
    PLANTED.map(({ name }, k) => ({ step, matrix: name, triplets: lambda[k].filter((λ) => λ !== 0).length })),
  );
  const last = moments[moments.length - 1];
  return plot(
    {
      width: 640,
      height: 280,
      x: { label: "step" },
      y: { label: "triplets in use", grid: true, domain: [0, 38] },
      color: { type: "categorical", domain: PLANTED.map(({ name }) => name), range: MATRIX_COLORS },
      marks: [
        Plot.areaY(rows, {
          x: "step",
          y: "triplets",
          fill: "matrix",
          fillOpacity: 0.75,
          curve: "step-after",
          order: PLANTED.map(({ name }) => name),
        }),
        Plot.lineY(moments, { x: "step", y: "budget", stroke: "black", strokeWidth: 1.5 }),
      ],
    },
    {
      title: "The budget b(t) (black) and who spends it",
      caption,
      legend: true,
      text: `b(t) falls from ${moments[0].budget} to ${last.budget}`,
    },
  );
}

/** Ranks found against ranks planted, in a panel for each γ and each noise. */
export function foundPicture(results: readonly PlantedResult[], caption: string): Picture {
  const rows = results.flatMap(({ name, gamma, noise, ranks }) =>
    PLANTED.map(({ singularValues }, k) => {
      const { mean: found, std } = meanStd(ranks.map((of) => of[k]));
      return {
        planted: singularValues.length + 0.1 * (SCORES.findIndex((one) => one.name === name) - 1),
        found,
        low: found - std,
        high: found + std,
        name,
        gamma: `γ = ${gamma}`,
        noise: noise > 0 ? "noisy targets" : "exact targets",
      };
    }),
  );
  return plot(
    {
      width: 640,
      height: 150 + 170 * new Set(rows.map(({ noise }) => noise)).size,
      marginRight: 92,
      fx: { label: null },
      fy: {
        label: null,
        domain: ["noisy targets", "exact targets"].filter((n) => rows.some((r) => r.noise === n)),
      },
      x: { label: "planted rank", ticks: [0, 1, 2, 4, 5, 6], tickFormat: String },
      y: { label: "rank found", domain: [0, 6.3], ticks: [0, 2, 4, 6], tickFormat: String, grid: true },
      color: { type: "categorical", domain: SCORES.map(({ name }) => name), range: SERIES },
      marks: [
        Plot.frame({ stroke: "#ddd" }),
        Plot.line(
          [
            [0, 0],
            [6, 6],
          ],
          { stroke: "#888", strokeDasharray: "4 3" },
        ),
        Plot.ruleX(rows, { x: "planted", y1: "low", y2: "high", stroke: "name", fx: "gamma", fy: "noise" }),
        Plot.line(rows, { x: "planted", y: "found", stroke: "name", fx: "gamma", fy: "noise" }),
        Plot.dot(rows, { x: "planted", y: "found", fill: "name", r: 3, fx: "gamma", fy: "noise" }),
      ],
    },
    {
      title: "Ranks found against ranks planted, by score",
      caption,
      legend: true,
      text: results
        .map(({ name, gamma, noise, misplaced }) => {
          const lost = mean(misplaced).toFixed(1);
          return `noise ${noise}, γ ${gamma}, ${name}: ${lost} of ${BUDGET} triplets misplaced`;
        })
        .join("\n"),
    },
  );
}

/** Final ranks by matrix and block, divided by the even rank, one map for each budget. */
export function placesPicture(
  maps: readonly { readonly r: number; readonly places: Places }[],
  caption: string,
): Picture {
  const cells = maps.flatMap(({ r, places }) =>
    places.map(({ matrix, block, rank }) => ({
      budget: `${r} per matrix`,
      matrix,
      block,
      share: rank / r,
      rank,
    })),
  );
  return plot(
    {
      width: 640,
      height: 260,
      marginLeft: 112,
      padding: 0.04,
      fx: { label: null },
      x: { label: "block", tickSize: 0 },
      y: { label: null, domain: [...new Set(cells.map(({ matrix }) => matrix))], tickSize: 0 },
      color: { scheme: "greens", domain: [0, 1.5] },
      marks: [
        Plot.cell(cells, { x: "block", y: "matrix", fx: "budget", fill: "share" }),
        Plot.text(cells, {
          x: "block",
          y: "matrix",
          fx: "budget",
          text: ({ rank }: { rank: number }) => rank.toFixed(1),
          fill: ({ share }: { share: number }) => (share > 1 ? "white" : "black"),
        }),
      ],
    },
    { title: "Where the budget went: final ranks, means of the seeds", caption, text: mapText(maps) },
  );
}

const mapText = (maps: readonly { readonly r: number; readonly places: Places }[]): string =>
  maps
    .map(({ r, places }) => {
      const of = (matrix: string): string =>
        places
          .filter((one) => one.matrix === matrix)
          .map(({ rank }) => rank.toFixed(1))
          .join(" ");
      const rows = [...new Set(places.map(({ matrix }) => matrix))].map(
        (matrix) => `${matrix}: ${of(matrix)}`,
      );
      return [`${r} per matrix, blocks from left to right`, ...rows].join("\n");
    })
    .join("\n\n");

/** The loss of LoRA and AdaLoRA by budget. */
export const budgetPicture = (pairs: readonly Pair[], before: number): Picture =>
  linePlot(
    pairs.flatMap(({ b, lora, ada }) => [
      { b, method: "LoRA", loss: meanStd(lora.losses) },
      { b, method: "AdaLoRA", loss: meanStd(ada.losses) },
    ]),
    {
      x: "b",
      y: "loss",
      series: "method",
      xScale: "log",
      xLabel: "triplets per matrix",
      yLabel: "held-out loss, nats per character",
      title: `From code to English (before: ${before.toFixed(2)})`,
      caption:
        "Bars are standard deviations over the seeds. Compare what a larger budget gains with what a method gains.",
      height: 300,
    },
  );

/** How far P and Q are from orthonormal over the steps, with and without the regulariser: the first seeds. */
export function orthonormalPicture(results: readonly PlantedResult[]): Picture {
  const named = results.map((one) => ({ ...one, name: `γ = ${one.gamma}` }));
  const rows = named.flatMap(({ name, moments }) =>
    moments.map(({ step, left, right }) => ({ step, distance: mean([...left, ...right]), name })),
  );
  const ends = named.map(({ name }) => {
    const own = rows.filter((row) => row.name === name);
    return `${Number(own[own.length - 1].distance.toPrecision(2))} at ${name}`;
  });
  return linePlot(rows, {
    x: "step",
    y: "distance",
    series: "name",
    yScale: "log",
    yLabel: "squared distance from orthonormal",
    title: "‖PᵀP − I‖² and ‖QQᵀ − I‖², their mean over the matrices",
    caption: `At the end: ${ends.join(", ")}. Six vectors of length zero are at 6, six orthonormal ones at 0; in the paper the distance falls to about 0.001 (figure 4).`,
    height: 260,
  });
}
