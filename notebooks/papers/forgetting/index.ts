/** @file All that the page on learning and forgetting needs of its own. */
export * from "./claims.ts";
export * from "./findings.ts";
export * from "./interventions.ts";
export * from "./intruders.ts";
export * from "./pictures.ts";
export * from "./runs.ts";
