/** @file All that the page on *LoRA Without Regret* needs of its own. */
export * from "./capacity.ts";
export * from "./claims.ts";
export * from "./compute.ts";
export * from "./curves.ts";
export * from "./findings.ts";
export * from "./first-step.ts";
export * from "./pictures.ts";
export * from "./runs.ts";
