/** @file What the page on quantization takes from this folder. */
export * from "./formats.ts";
export { llamas, paged, total } from "./memory.ts";
export * from "./models.ts";
export { claims, PUBLISHED } from "./paper.ts";
export * from "./pictures.ts";
export * from "./pictures-of-models.ts";
export * from "./tables.ts";
