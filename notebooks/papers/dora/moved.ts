/** @file Figure 2 of DoRA's paper from the runs of a study: points, correlations, the curve of random updates, a picture. */
import * as Plot from "@observablehq/plot";
import type { GPT2 } from "lowrank/nn";
import { leastSquares, mean } from "../../support/experiments/statistics.ts";
import { type Picture, scatterPlot } from "../../support/show/plot.ts";
import { type Deviation, type Moved, queries, randomUpdates } from "./magnitude-direction.ts";

/** The runs of one method: what `follow` saw in each. */
export interface MethodRuns {
  readonly arm: string;
  readonly runs: readonly (readonly Moved[])[];
}

export interface MovedRow extends Deviation {
  readonly method: string;
  /** "step 100" */
  readonly moment: string;
}

const correlation = (points: readonly Deviation[]): number =>
  leastSquares(
    points.map(({ direction }) => direction),
    points.map(({ magnitude }) => magnitude),
  ).correlation;

/** The paper's correlation, over the blocks at all moments. */
export const pooled = (moved: readonly Moved[]): number => correlation(moved);

/** The correlation over the rows of a block at the last moment, averaged over the blocks. */
export function within(moved: readonly Moved[]): number {
  const end = Math.max(...moved.map(({ step }) => step));
  return mean(moved.filter(({ step }) => step === end).map(({ rows }) => correlation(rows)));
}

/** How much the lengths change for one unit of turning: ΔM/√ΔD, since ΔD is a square. */
export const ratio = ({ magnitude, direction }: Deviation): number => magnitude / Math.sqrt(direction);

/** One point for each method, moment and block: the mean over its runs. */
export function movedRows(methods: readonly MethodRuns[]): MovedRow[] {
  return methods.flatMap(({ arm, runs }) =>
    runs[0].map(({ step, block }) => {
      const same = runs.flatMap((run) => run.filter((one) => one.step === step && one.block === block));
      return {
        method: arm,
        moment: `step ${step}`,
        direction: mean(same.map(({ direction }) => direction)),
        magnitude: mean(same.map(({ magnitude }) => magnitude)),
      };
    }),
  );
}

/** ΔD and ΔM of random updates of the base's queries, from small to large. */
export function noiseCurve(base: GPT2): Deviation[] {
  const sizes = Array.from({ length: 25 }, (_, i) => 0.01 * 10 ** (i / 12));
  return randomUpdates(queries(base), base.config.n_embd, sizes);
}

/** The figure as one row of panels on common axes; `noise` is the curve of random updates. */
export function movedPicture(rows: readonly MovedRow[], noise: readonly Deviation[]): Picture {
  const methods = [...new Set(rows.map(({ method }) => method))];
  const [low, high] = [Math.min, Math.max].map((of) => of(...rows.map(({ direction }) => direction)));
  const near = noise.filter(({ direction }) => direction >= low / 1.5 && direction <= 1.5 * high);
  const curve = methods.flatMap((method) => near.map((point) => ({ ...point, method })));
  const at = { x: "direction", y: "magnitude", fx: "method" };
  return scatterPlot(rows, {
    x: "direction",
    y: "magnitude",
    series: "moment",
    panels: "method",
    xScale: "log",
    yScale: "log",
    xLabel: "ΔD, change of direction",
    yLabel: "ΔM, change of length",
    title: "The queries of each block in the course of training",
    caption:
      "In every panel the points climb from early (pale) to late (dark). Dashed: what random updates of growing size do to the same weights. Points far above it change lengths by more than turning explains.",
    plot: {
      marks: [Plot.line(curve, { ...at, stroke: "currentColor", strokeDasharray: "5 4", clip: true })],
    },
  });
}
