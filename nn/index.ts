/** @file Modules, layers, models, losses, optimizers, the training loop. */

export { crossEntropy, mseLoss } from "../autograd/index.ts";
export * from "./config/config.ts";
export * from "./config/layout.ts";
export * from "./config/published.ts";
export * from "./layers/activation.ts";
export * from "./layers/attention.ts";
export * from "./layers/cache.ts";
export * from "./layers/conv.ts";
export * from "./layers/dropout.ts";
export * from "./layers/embedding.ts";
export * from "./layers/init.ts";
export * from "./layers/layer-norm.ts";
export * from "./layers/linear.ts";
export * from "./layers/mlp.ts";
export * from "./layers/rms-norm.ts";
export * from "./layers/rotary.ts";
export * from "./models/bert.ts";
export * from "./models/generate.ts";
export * from "./models/gpt2.ts";
export {
  type DecodeOptions,
  type LanguageModel,
  type LanguageModelHolder,
  languageModelIn,
  type ModelOptions,
  nextTokenLoss,
} from "./models/language-model.ts";
export * from "./models/llama.ts";
export * from "./models/pretrained.ts";
export { resizeTokenEmbeddings, tokenModules } from "./models/resize.ts";
export * from "./module/clone.ts";
export { type Place, parametersIn } from "./module/fields.ts";
export { isAdaptable, isInnerLinear, kindOf, type ModuleKind, outputHeads } from "./module/kinds.ts";
export { describeMismatch, findMismatch, type LoadReport, type Shapes } from "./module/mismatch.ts";
export * from "./module/module.ts";
export { listModules, type NamedModule } from "./module/named-modules.ts";
export { naming } from "./module/naming.ts";
export { overrides } from "./module/overrides.ts";
export * from "./module/save-module.ts";
export {
  blockName,
  checkLayers,
  endExpression,
  endsInName,
  isInside,
  layerNumber,
  matchModules,
  matchPattern,
  matchTargets,
  nearestNames,
  type Target,
  type Targetable,
} from "./module/targets.ts";
export * from "./optim/index.ts";
export { loadCheckpoint, type Stateful, saveCheckpoint } from "./train/checkpoint.ts";
export type { EvaluateOptions, Evaluation } from "./train/evaluations.ts";
export { evaluated, type FitOptions, type FitResult, fit, type StepReport } from "./train/fit.ts";
export * from "./train/metrics.ts";
export * from "./train/text.ts";
