/** @file What the AdaLoRA page uses of its own. Zhang et al., 2023, arXiv:2303.10512. */

export { adamW } from "../../support/experiments/harness.ts";
export { farShiftOf, readersShift } from "../../support/index.ts";
export { separateAttention } from "../../support/methods/separate-attention.ts";
export * from "./claims.ts";
export {
  budgetPicture,
  foundPicture,
  livesPicture,
  orthonormalPicture,
  placesPicture,
  tidePicture,
} from "./pictures.ts";
export { type Pattern, placesOf, turnedRound } from "./places.ts";
export { identity, OneLayer } from "./planted-allocation.ts";
export * from "./planted-study.ts";
export { differences, overheads } from "./published.ts";
export { atBudget, PER_BLOCK, startOf, withRanks } from "./real-study.ts";
export { continuation, fromRestaurants, heldOutText } from "./shifts.ts";
export * from "./words.ts";
