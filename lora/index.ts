/** @file The LoRA family: one file per paper, and what is done with their adapters. */

export { AdaptedLayer, AdaptedLinear, adaptedLayer, type Selection } from "./adapted-layer.ts";
export { AdaptedModel, type AnyModel, type Names } from "./adapted-model.ts";
export { Adapter, type AdapterOptions } from "./adapter.ts";
export { type Candidate, candidates } from "./candidates.ts";
export * from "./count.ts";
export type * from "./count-spec.ts";
export { inject } from "./inject.ts";
export { LoRA } from "./lora.ts";
export { type AdapterConfig, type Method, type MethodOptions, methods, type Placement } from "./methods.ts";
export type { OwnParameter } from "./own-parameters.ts";
export { type LayerInput, type Site, siteOf } from "./site.ts";
export type { AdapterStatus, TrainableReport } from "./status.ts";
export { matchTargets, type Target, type TargetCandidate } from "./target.ts";
