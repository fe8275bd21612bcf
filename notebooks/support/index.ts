/** @file The names that every notebook uses; what one subject alone needs is imported from its own file. */

export { farShift } from "./data/declarations.ts";
export { type CommittedBase, committedBase } from "./experiments/bases.ts";
export { readersShift } from "./experiments/reader.ts";
export { farShiftOf, type KnownShift, nearShift, taskShift } from "./experiments/shifts.ts";
export { above, below, every, higher, lower, noWorse, within } from "./experiments/verdicts.ts";
export { defineSettings, settingsTable } from "./notebook/settings.ts";
export { card } from "./show/card.ts";
export { display, md } from "./show/display.ts";
export { fold } from "./show/fold.ts";
export { formatNumber, meanStd, type Spread } from "./show/format.ts";
export { opening } from "./show/opening.ts";
export { barPlot, dotPlot, heatmap, linePlot, Picture, plot, scatterPlot } from "./show/plot.ts";
export { type Claim, replication } from "./show/replication.ts";
export { samples } from "./show/samples.ts";
export { libraryLines } from "./show/source.ts";
export { table } from "./show/table.ts";
export { progress } from "./terminal/progress.ts";
