/** @file The LoRA family: one file per paper, and what is done with their adapters. */

export * from "./count.ts";
export type * from "./count-spec.ts";
export { matchTargets, type Target, type TargetCandidate } from "./target.ts";
