/** @file The LoRA family: the papers' methods, and everything that is done with their adapters. */

// The papers. LoRA, and its variants.

export { DoRA, type DoRAOptions } from "./dora.ts";
export { LoRA } from "./lora.ts";
export { LoraFA, LoraFAAdamW, type LoraFASettings } from "./lora-fa.ts";
export { type LoraPlusOptions, loraPlus, type Rates } from "./lora-plus.ts";

// AdaLoRA: the adapter, its orthogonality term, and the allocator of its budget.

export { AdaLoRA, type AdaLoraOptions, type OrthogonalityOptions, orthogonality } from "./adalora/adalora.ts";
export { type Allocation, type AllocatorOptions, BudgetAllocator } from "./adalora/allocator.ts";
export { type BudgetSchedule, budgetAt } from "./adalora/budget.ts";
export { type Measure, type Score, type TripletScores, tripletScores } from "./adalora/importance.ts";

// loralib's adapters of convolutions and of fused projections.

export { LoraConv } from "./loralib/conv.ts";
export { MergedLinear, type MergedLinearOptions } from "./loralib/merged-linear.ts";

// Initial values of A and B: Kaiming, Gaussian, orthogonal, PiSSA, OLoRA, LoftQ.

export {
  type FirstValues,
  firstValues,
  type Init,
  type Initial,
  type InitOptions,
  initialize,
} from "./init/index.ts";
export type { LoftQ } from "./init/loftq.ts";

// Adapted models: inject, and what can be done with the result.

export { type AdapterConfig, type Method, type MethodOptions, methods } from "./methods.ts";
export { AdaptedLayer, AdaptedLinear, adaptedLayer, type Selection } from "./model/adapted-layer.ts";
export { AdaptedModel, type AnyModel, type LossOf, type Names } from "./model/adapted-model.ts";
export { inject } from "./model/inject.ts";
export type { OwnParameter } from "./model/saved-parameters.ts";
export type { AdapterStatus, TrainableReport } from "./model/status.ts";

// A method of one's own: a class that extends Adapter, as a value of defineMethod.

export { Adapter, type AdapterOptions, adapterParameter, commonOptions } from "./model/adapter.ts";
export {
  type AdapterClass,
  type ConfigOf,
  type CountFormula,
  type CustomConfig,
  defineMethod,
  type MethodDefinition,
  type OptionsOf,
  type PeftForm,
  type Placement,
} from "./model/method.ts";
export { type LayerInput, viewWeight, type WeightView } from "./model/weight-view.ts";

// Files in PEFT's format.

export {
  type AdapterFiles,
  type FileFinding,
  loadAdapter,
  measureUpdate,
  type OpenAdapter,
  type OpenLayer,
  openAdapter,
  type ReadOptions,
  readAdapter,
  saveAdapter,
  type UpdateMeasure,
  verifyAdapter,
  type WriteOptions,
  writeAdapter,
} from "./peft/index.ts";

// Checkpoints on the disk: adapters merged in, without the model in memory.

export type { AdapterSource, MergedTensor, MergeOptions, MergeReport } from "./peft/checkpoint/merge.ts";
export { mergeCheckpoint, mergeSteps } from "./peft/checkpoint/merge.ts";
export type { MergeCost } from "./peft/checkpoint/rounding.ts";

// The algebra of updates: sums, conversions, comparisons.

export { combine, type Rule, type Weighted } from "./algebra/combine.ts";
export { compare, type LayerComparison, principalAngles, subspaceOverlap } from "./algebra/compare.ts";
export { compose } from "./algebra/compose.ts";
export type { ComposeOptions, Weights } from "./algebra/compose-options.ts";
export { convert } from "./algebra/convert.ts";
export {
  type CombineOptions,
  type ConvertedLayer,
  type ConvertOptions,
  type ConvertReport,
  combineAdapters,
  convertAdapter,
} from "./algebra/folders/combine.ts";
export { type AdapterDifference, diffAdapters, type LayerDifference } from "./algebra/folders/diff.ts";
export type { ComposedLayer } from "./algebra/new-adapter.ts";
export type { Truncation } from "./algebra/spectrum.ts";

// Counting parameters from a formula.

export { countParameters, type ModuleCount, type ParameterCount } from "./count/index.ts";
export type {
  AdaloraSpec,
  AdapterSpec,
  BitFitSpec,
  CountMethod,
  CountSpecs,
  DoraSpec,
  LastLayersSpec,
  LoraSpec,
  ModelSpec,
  PrefixSpec,
  RankSpec,
  TargetSpec,
} from "./count/spec.ts";
export { specOptions as countOptions } from "./count/spec.ts";

// Laws: what is true of every adapter, with a check.

export {
  type CheckLawsOptions,
  checkLaws,
  concerns,
  type Law,
  type LawReport,
  laws,
  type Trial,
  trial,
} from "./laws/index.ts";

// Names that have become others.

/** @deprecated Named LawResult now, in lowrank/core. */
export type { LawResult as Finding } from "../core/index.ts";
export {
  /** @deprecated Named listModules in lowrank/nn now. */
  listModules as candidates,
  matchTargets,
  /** @deprecated Named NamedModule in lowrank/nn now. */
  type NamedModule as Candidate,
  type Target,
  /** @deprecated Named Targetable in lowrank/nn now. */
  type Targetable as TargetCandidate,
} from "../nn/index.ts";
export {
  /** @deprecated Named viewWeight now. */
  viewWeight as siteOf,
  /** @deprecated Named WeightView now. */
  type WeightView as Site,
} from "./model/weight-view.ts";
