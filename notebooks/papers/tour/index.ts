/** @file What the tour shows beside the library's own names. */
export { taskDomain } from "../../support/data/domain.ts";
export { houseStyle } from "../../support/data/house-style.ts";
export { devicesTable } from "./devices.ts";
export { RecordedGraph } from "./graph.ts";
export { matricesPicture } from "./matrices.ts";
export { inStyle, restaurants, write } from "./sentences.ts";
export { bytesOfStep } from "./step.ts";
