/** @file What the page `lora-family` uses. */
export { vera } from "../../../test/lora/methods/vera.ts";
export { taskDomain } from "../../support/data/domain.ts";
export { houseStyle } from "../../support/data/house-style.ts";
export { validationLoss } from "../../support/experiments/evaluation.ts";
export { nearShift, taskShift } from "../../support/experiments/shifts.ts";
export { mean } from "../../support/experiments/statistics.ts";
export {
  adaLora,
  adapter,
  biases,
  everything,
  mergeError,
  plus,
  type Trained,
} from "../../support/methods/recipes.ts";
export { choices } from "./choices.ts";
export { countsTable } from "./counts.ts";
export { example, places, words } from "./half-houses.ts";
export { tryLaws } from "./laws-table.ts";
export { bestOfRank, libraryWeights, relativeDistance } from "./one-layer.ts";
export { lossByRankKept, spectra, whereItChanges } from "./pictures.ts";
export { ranksIn } from "./ranks.ts";
export { byHandTable, directionsTable, exactClaims, halvesTable } from "./tables.ts";
export { truncatedModels } from "./truncate.ts";
export { updatesOf } from "./updates.ts";
