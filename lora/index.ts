/** @file The LoRA family: one file per paper, and what is done with their adapters. */

export { AdaLoRA, type AdaLoraOptions, type OrthogonalityOptions, orthogonality } from "./adalora.ts";
export {
  type Allocation,
  type AllocatorOptions,
  BudgetAllocator,
} from "./adalora-allocator.ts";
export { type BudgetSchedule, budgetAt } from "./adalora-budget.ts";
export { type Measure, type Score, type TripletScores, tripletScores } from "./adalora-importance.ts";
export { AdaptedLayer, AdaptedLinear, adaptedLayer, type Selection } from "./adapted-layer.ts";
export { AdaptedModel, type AnyModel, type LossOf, type Names } from "./adapted-model.ts";
export { Adapter, type AdapterOptions } from "./adapter.ts";
export { type Candidate, candidates } from "./candidates.ts";
export { combine, type Rule, type Weighted } from "./combine.ts";
export { compare, type LayerComparison, principalAngles, subspaceOverlap } from "./compare.ts";
export { type ComposedLayer, type ComposeOptions, compose, convert, type Weights } from "./compose.ts";
export * from "./count.ts";
export type * from "./count-spec.ts";
export { DoRA, type DoRAOptions } from "./dora.ts";
export { type FirstValues, firstValues, type Init, type InitOptions } from "./init.ts";
export type { LoftQ } from "./init-divided.ts";
export { inject } from "./inject.ts";
export { concerns, type Finding, type Law, laws, type Trial, trial } from "./laws.ts";
export { LoRA } from "./lora.ts";
export { LoraConv } from "./lora-conv.ts";
export { LoraFA, LoraFAAdamW, type LoraFASettings } from "./lora-fa.ts";
export { type LoraPlusOptions, loraPlus, type Rates } from "./lora-plus.ts";
export { MergedLinear, type MergedLinearOptions } from "./merged-linear.ts";
export { type AdapterConfig, type Method, type MethodOptions, methods, type Placement } from "./methods.ts";
export type { OwnParameter } from "./own-parameters.ts";
export {
  type AdapterFiles,
  loadAdapter,
  type ReadOptions,
  readAdapter,
  saveAdapter,
  type WriteOptions,
  writeAdapter,
} from "./peft.ts";
export { type LayerInput, type Site, siteOf } from "./site.ts";
export type { Truncation } from "./spectrum.ts";
export type { AdapterStatus, TrainableReport } from "./status.ts";
export { matchTargets, type Target, type TargetCandidate } from "./target.ts";
