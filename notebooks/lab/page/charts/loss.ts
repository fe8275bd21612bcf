/** @file Losses by step: every run's batches as a thin line, its held-out text as a thick one. */
import * as Plot from "@observablehq/plot";
import type { Named } from "../state/lab.ts";
import { frame, ticksIn } from "./common.ts";

/** A row for each batch and each measurement of the runs that are shown. */
function rows(named: readonly Named[]) {
  const shown = named.filter(({ run }) => run.isShown.value);
  const batches = shown.flatMap(({ run, title }) =>
    run.steps.value.map(({ step, loss }) => ({ run: title, step: step - 1, loss })),
  );
  const held = shown.flatMap(({ run, title }) =>
    run.measured.value.map(({ step, learned, own }) => ({ run: title, step, learned, own })),
  );
  return { shown, batches, held };
}

const colors = (named: readonly Named[]): Plot.ScaleOptions => ({
  domain: named.map(({ title }) => title),
  range: named.map(({ color }) => color),
});

/** The loss on the target's held-out text, and of each batch. */
export function lossChart(named: readonly Named[], width: number): Element {
  const { batches, held } = rows(named);
  const line = { stroke: "run", z: "run" } as const;
  return Plot.plot({
    ...frame(width, Math.max(200, Math.min(320, width * 0.5))),
    color: colors(named),
    x: { label: "step", ticks: ticksIn(width) },
    y: { label: "loss, nats per token", grid: true, nice: true },
    marks: [
      Plot.lineY(batches, { ...line, x: "step", y: "loss", strokeWidth: 1, strokeOpacity: 0.3 }),
      Plot.lineY(held, { ...line, x: "step", y: "learned", strokeWidth: 2.5 }),
      Plot.dot(held, { x: "step", y: "learned", fill: "run", r: 2.5, tip: true }),
    ],
  });
}

/** What is learned against what is forgotten: each run as a path from the base. */
export function forgettingChart(named: readonly Named[], width: number): Element {
  const { held } = rows(named);
  const ends = named
    .filter(({ run }) => run.isShown.value)
    .map(({ run, title }) => ({ run: title, ...run.measured.value[run.measured.value.length - 1] }));
  return Plot.plot({
    ...frame(width, Math.max(240, Math.min(360, width * 0.6))),
    color: colors(named),
    x: { label: "loss on the base's own text → forgetting", nice: true, ticks: ticksIn(width) },
    y: { label: "loss on the target", grid: true, nice: true },
    marks: [
      Plot.line(held, { x: "own", y: "learned", stroke: "run", z: "run", strokeWidth: 2 }),
      Plot.dot(held, { x: "own", y: "learned", fill: "run", r: 2, channels: { step: "step" }, tip: true }),
      Plot.dot(ends, { x: "own", y: "learned", fill: "run", r: 5 }),
    ],
  });
}
