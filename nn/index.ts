/** @file Modules, layers, models, losses, optimizers, the training loop. */

export { crossEntropy, mseLoss } from "../autograd/index.ts";
export * from "./activation.ts";
export * from "./attention.ts";
export * from "./bert.ts";
export * from "./cache.ts";
export { loadCheckpoint, type Stateful, saveCheckpoint } from "./checkpoint.ts";
export * from "./clone.ts";
export * from "./config.ts";
export * from "./configurations.ts";
export * from "./conv.ts";
export * from "./dropout.ts";
export * from "./embedding.ts";
export type { EvaluateOptions, Evaluation } from "./evaluations.ts";
export { type Place, parametersIn } from "./fields.ts";
export { evaluated, type FitOptions, type FitResult, fit, type StepReport } from "./fit.ts";
export * from "./generate.ts";
export * from "./gpt2.ts";
export * from "./init.ts";
export {
  type DecodeOptions,
  type LanguageModel,
  type LanguageModelHolder,
  languageModelIn,
  type ModelOptions,
  nextTokenLoss,
} from "./language-model.ts";
export * from "./layer-norm.ts";
export * from "./layout.ts";
export * from "./linear.ts";
export * from "./llama.ts";
export * from "./metrics.ts";
export * from "./mlp.ts";
export * from "./module.ts";
export * from "./optim/index.ts";
export { overrides } from "./overrides.ts";
export * from "./pretrained.ts";
export { resizeTokenEmbeddings, tokenModules } from "./resize.ts";
export * from "./rms-norm.ts";
export * from "./rotary.ts";
export * from "./save-module.ts";
export * from "./text.ts";
