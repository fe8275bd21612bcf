/** @file The squared distance to the ideal update by step, with the least that a rank allows as a dashed line. */
import * as Plot from "@observablehq/plot";
import type { JSX } from "preact";
import { colorsOf } from "../../../support/show/colors.ts";
import { Chart } from "./chart.tsx";

interface Curve {
  readonly name: string;
  readonly errors: readonly number[];
}

interface CurvesProps {
  readonly steps: number;
  /** The bound of Eckart and Young. */
  readonly least: number;
  readonly curves: readonly Curve[];
}

export function ErrorCurves({ steps, least, curves }: CurvesProps): JSX.Element {
  const ends = curves.map(({ name, errors }) => `${name} ${(errors.at(-1) ?? 1).toFixed(3)}`).join(", ");
  return (
    <Chart
      text={`Squared distance to the ideal update by step: ${ends}; the least possible is ${least.toFixed(3)}`}
      keys={[steps, least, ...curves.map(({ errors }) => errors)]}
      options={() => ({
        height: 180,
        x: { domain: [0, steps], label: "step" },
        y: { domain: [0, 1.2], label: "squared distance, relative", grid: true, ticks: 5 },
        marks: [
          Plot.ruleY([least], { stroke: "currentColor", strokeDasharray: "5 4" }),
          Plot.text([least], {
            x: steps,
            y: least,
            text: () => "Eckart–Young",
            textAnchor: "end",
            dy: -8,
            fill: "currentColor",
          }),
          ...curves.map(({ name, errors }) =>
            Plot.line(errors, {
              x: (_, i) => i,
              y: (error: number) => Math.min(1.2, error),
              stroke: colorsOf([name])[0],
              strokeWidth: 2.5,
            }),
          ),
        ],
      })}
    />
  );
}
