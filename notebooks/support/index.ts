/** @file What notebooks use. */

export { type DomainShift, domainShift, farShift, holdOut, nearShift, nodeTypes, ownText } from "./data.ts";
export { type Displayable, display, md } from "./display.ts";
export { formatNumber, meanStd, type Spread } from "./format.ts";
export { barPlot, heatmap, linePlot, Picture, plot } from "./plot.ts";
export { type Progress, progress } from "./progress.ts";
export { type Claim, replication } from "./replication.ts";
export { defineSettings, settingsTable } from "./settings.ts";
export { type Column, Table, table } from "./table.ts";
export {
  arithmetic,
  dataToText,
  type Example,
  examples,
  type Facts,
  facts,
  type Integers,
  recall,
  split,
  type Task,
} from "./tasks.ts";
