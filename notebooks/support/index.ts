/** @file The names that every notebook uses; what one subject alone needs is imported from its own file. */

export { farShift } from "./data/declarations.ts";
export { defineSettings, settingsTable } from "./notebook/settings.ts";
export { display, md } from "./show/display.ts";
export { formatNumber, meanStd, type Spread } from "./show/format.ts";
export { barPlot, heatmap, linePlot, Picture, plot } from "./show/plot.ts";
export { type Claim, replication } from "./show/replication.ts";
export { table } from "./show/table.ts";
export { progress } from "./terminal/progress.ts";
