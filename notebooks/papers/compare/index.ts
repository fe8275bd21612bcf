/** @file What the page `compare` uses. */
export { vera } from "../../../test/lora/methods/vera.ts";
export { mean } from "../../support/experiments/statistics.ts";
export { halfway, reordered, study } from "../../support/experiments/study.ts";
export { adaLora, adapter, biases, everything, plus } from "../../support/methods/recipes.ts";
export { choices } from "./choices.ts";
export { asClaims } from "./claims.ts";
export { Comparison } from "./comparison.ts";
export { kept } from "./keep.ts";
export { duels, frontier, inOrder, searched } from "./pictures.ts";
export { comparedOn, restaurantsToHouse, speechesToMobyDick, thatApply } from "./shifts.ts";
export { stepTimes } from "./step-times.ts";
export {
  beforeAndAfter,
  doubledTable,
  elsewhereTable,
  pairedTable,
  ratesTable,
  resultTable,
  taskTable,
  whenTable,
  writtenTable,
} from "./tables.ts";
