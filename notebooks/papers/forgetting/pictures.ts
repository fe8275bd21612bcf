/** @file The plots of the page on learning and forgetting. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../support/experiments/statistics.ts";
import { linePlot, type Picture, plot, scatterPlot } from "../../support/index.ts";
import type { Ground, Point } from "./runs.ts";

/** The columns of a point in a plot. */
const PANELS = { x: "x", y: "y", series: "arm", panels: "panel" } as const;

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** What is forgotten against what is learned: a dot for each duration, the mean over seeds, from the base at (0, 0). */
export function tradeOff(points: readonly Point[], grounds: readonly Ground[]): Picture {
  const rows = grounds.flatMap(({ shift, newLoss }) => {
    const here = points.filter(({ base }) => base === shift.base);
    const least = Math.min(...averages(here).map(({ learned }) => learned));
    const panel = shift.base;
    return unique(here.map(({ arm }) => arm)).flatMap((arm) => [
      { panel, arm, x: 0, y: 0 },
      ...averages(here.filter((point) => point.arm === arm)).map(({ learned, forgotten }) => ({
        panel,
        arm,
        x: (newLoss - learned) / (newLoss - least),
        y: forgotten,
      })),
    ]);
  });
  return linePlot(rows, {
    ...PANELS,
    title: "What is forgotten against what is learned",
    caption:
      "Each line is a method, each dot the mean of its runs of one length, from the base at the lower left. A line below " +
      "another forgets less for as much learned.",
    xLabel: "learned, as a share of the most",
    yLabel: "forgotten, nats",
  });
}

/** The mean over seeds for each arm and duration. */
function averages(points: readonly Point[]) {
  return unique(points.map(({ arm, steps }) => `${arm}|${steps}`)).map((key) => {
    const own = points.filter(({ arm, steps }) => `${arm}|${steps}` === key);
    return {
      learned: mean(own.map(({ learned }) => learned)),
      forgotten: mean(own.map(({ forgotten }) => forgotten)),
    };
  });
}

/** |cos| between the singular vectors after (down) and before (across), one panel an arm. */
export function similarityPicture(
  matrices: readonly { readonly arm: string; readonly cosines: readonly (readonly number[])[] }[],
  { title, caption }: { readonly title: string; readonly caption: string },
): Picture {
  const cells = matrices.flatMap(({ arm, cosines }) =>
    cosines.flatMap((row, j) =>
      row.slice(0, cosines.length).map((value, i) => ({ arm, i: i + 1, j: j + 1, value })),
    ),
  );
  return plot(
    {
      width: 720,
      height: 300,
      marginLeft: 45,
      padding: 0,
      fx: { label: null, domain: matrices.map(({ arm }) => arm) },
      x: { type: "band", label: "singular vector before" },
      y: { type: "band", label: "after" },
      color: { scheme: "blues", domain: [0, 1] },
      marks: [Plot.cell(cells, { fx: "arm", x: "i", y: "j", fill: "value", inset: 0.5 })],
    },
    {
      title,
      caption,
      text: matrices
        .map(({ arm, cosines }) => `${arm}: ${cosines.map((row) => Math.max(...row).toFixed(2)).join(" ")}`)
        .join("\n"),
    },
  );
}

/** Forgetting against the number of intruders, one dot a run. */
export function scatter(points: readonly Point[], caption: string): Picture {
  return scatterPlot(points, {
    x: "intruders",
    y: "forgotten",
    series: "arm",
    title: "Forgetting and intruder dimensions, one dot a run",
    caption,
    xLabel: "intruder dimensions in the model",
    yLabel: "forgotten, nats",
  });
}

/** A model scaled in one of several ways. */
export interface ScaledLoss {
  readonly what: string;
  readonly factor: number;
  readonly seed: number;
  readonly learned: number;
  readonly forgotten: number;
}

/** Shares kept of what was learned and of what was forgotten, by the factor. */
export function scalingPicture(rows: readonly ScaledLoss[], newLoss: number, caption: string): Picture {
  const at = (what: string, factor: number): ScaledLoss[] =>
    rows.filter((row) => row.what === what && row.factor === factor);
  const points = unique(rows.map(({ what }) => what)).flatMap((what) =>
    unique(rows.map(({ factor }) => factor)).flatMap((factor) => {
      const here = at(what, factor);
      const whole = at(what, 1);
      if (here.length === 0) return [];
      const gain = mean(whole.map(({ learned }) => newLoss - learned));
      const loss = mean(whole.map(({ forgotten }) => forgotten));
      return [
        {
          panel: "still learned",
          arm: what,
          x: factor,
          y: mean(here.map(({ learned }) => newLoss - learned)) / gain,
        },
        {
          panel: "still forgotten",
          arm: what,
          x: factor,
          y: mean(here.map(({ forgotten }) => forgotten)) / loss,
        },
      ];
    }),
  );
  return linePlot(points, {
    ...PANELS,
    title: "Parts of the update, scaled after training",
    caption,
    xLabel: "factor λ",
    yLabel: "share of the unscaled",
  });
}
