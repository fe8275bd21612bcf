/** @file What the LoRA+ page uses of its own. Hayou, Ghosh & Yu, 2024, arXiv:2402.12354. */

export { farShiftOf, readersShift } from "../../support/index.ts";
export { armName, withRatio } from "./arms.ts";
export * from "./claims.ts";
export { hiddenLoss, hiddenToy } from "./hidden-toy.ts";
export { completion, house } from "./house.ts";
export { linearToy } from "./linear-toy.ts";
export { curvesPicture, landscape, ratioPicture, termsPicture } from "./pictures.ts";
export { searchWidth } from "./rate-search.ts";
export { scalings } from "./scaling.ts";
