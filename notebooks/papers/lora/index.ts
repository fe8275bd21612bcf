/** @file What belongs to the page on LoRA. */

export { separateAttention } from "../../support/methods/separate-attention.ts";
export { aboutDirections, aboutMatrices, aboutRanks, againstOthers, laws } from "./claims.ts";
export * from "./findings.ts";
export { ALPHA, adapters, biases, everywhere, full, lora, prefix, run, search } from "./methods.ts";
export { OneLayer } from "./one-layer.ts";
export { Outcome } from "./outcome.ts";
export { thinProduct } from "./pictures.ts";
export { plantedDistances, plantedPlot } from "./planted-update.ts";
export { completions, heldOut, houses, wordOrder } from "./shifts.ts";
export * from "./shown.ts";
