/** @file Every op, by family. */

export * from "./arithmetic.ts";
export * from "./dropout.ts";
export * from "./einsum.ts";
export * from "./gather.ts";
export * from "./linear-cross-entropy.ts";
export { type CrossEntropyOptions, crossEntropy, mseLoss } from "./loss.ts";
export * from "./matmul.ts";
export * from "./movement.ts";
export * from "./normalize.ts";
export type { Operand } from "./operand.ts";
export { pow } from "./power.ts";
export * from "./reduce.ts";
export * from "./rotate.ts";
export * from "./softmax.ts";
export * from "./unary.ts";
export * from "./unfold.ts";
