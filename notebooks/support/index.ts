/** @file What notebooks use. */

export {
  type DomainShift,
  domainShift,
  farShift,
  holdOut,
  nearShift,
  nodeTypes,
  ownText,
} from "./data/declarations.ts";
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
} from "./data/tasks.ts";
export { defineSettings, settingsTable } from "./notebook/settings.ts";
export { type Displayable, display, md } from "./show/display.ts";
export { formatNumber, meanStd, type Spread } from "./show/format.ts";
export { barPlot, heatmap, linePlot, Picture, plot } from "./show/plot.ts";
export { type Claim, replication } from "./show/replication.ts";
export { type Column, Table, table } from "./show/table.ts";
export { type Progress, progress } from "./terminal/progress.ts";
