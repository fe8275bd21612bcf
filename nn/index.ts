/** @file Modules, layers, models, losses, optimizers, the training loop. */

// Modules: trees of named parameters.

export { cloneModule, cloneParameter } from "./module/clone.ts";
export { evaluated } from "./module/evaluated.ts";
export { type Place, parametersIn } from "./module/fields.ts";
export { describeMismatch, findMismatch, type LoadReport, type Shapes } from "./module/mismatch.ts";
export {
  type Copier,
  type Layer,
  type LoadStateOptions,
  Module,
  type StateDict,
} from "./module/module.ts";
export { naming } from "./module/naming.ts";
export { overrides } from "./module/overrides.ts";
export { loadModule, type SaveModuleOptions, saveModule } from "./module/save-module.ts";
export { countNumbers } from "./module/summary.ts";

// Names of modules: which ones an adapter goes on, which ones a quantizer takes.

export { isAdaptable, isInnerLinear, kindOf, type ModuleKind, outputHeads } from "./module/kinds.ts";
export { listModules, type NamedModule } from "./module/named-modules.ts";
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

// Layers.

export { activation, checkActivation } from "./layers/activation.ts";
export {
  type AttendOptions,
  type AttentionOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  mergeHeads,
  scaledDotProductAttention,
  splitHeads,
} from "./layers/attention.ts";
export { KeyValueCache } from "./layers/cache.ts";
export { Conv1d, Conv2d, type ConvolutionOptions, conv1d, conv2d } from "./layers/conv.ts";
export { Dropout } from "./layers/dropout.ts";
export { Embedding, type EmbeddingOptions } from "./layers/embedding.ts";
export {
  defaultRandom,
  isInitializing,
  kaimingUniform,
  manualSeed,
  normal,
  uniform,
  withDeferredWeights,
  withoutInit,
  xavierUniform,
} from "./layers/init.ts";
export { LayerNorm } from "./layers/layer-norm.ts";
export {
  Conv1D,
  checkSizes,
  isDenseLinear,
  isLinearLike,
  Linear,
  type LinearLike,
  type LinearOptions,
  parameterLike,
} from "./layers/linear.ts";
export { MLP, type MLPOptions, SwiGLU } from "./layers/mlp.ts";
export { RMSNorm } from "./layers/rms-norm.ts";
export { type Angles, Rotary, type RotaryOptions } from "./layers/rotary.ts";

// Models: their configurations, their layouts, their files.

export {
  type ActivationName,
  type BartConfig,
  type BertConfig,
  type ConfigFields,
  type DebertaV2Config,
  type DynamicRopeScaling,
  type GPT2Config,
  type LinearRopeScaling,
  type Llama3RopeScaling,
  type LlamaConfig,
  type ModelConfig,
  type ModelFields,
  modelConfig,
  type RopeScaling,
  type YarnRopeScaling,
} from "./config/config.ts";
export {
  hasOutputBias,
  hiddenSize,
  layout,
  linearWeightCount,
  parameterCount,
} from "./config/layout.ts";
export type { ModuleLayout, ParameterLayout } from "./config/module-layout.ts";
export { type ConfigurationName, configurations } from "./config/published.ts";
export { Bert, BertModel, RobertaHead } from "./models/bert.ts";
export {
  BertAttention,
  BertEmbeddings,
  BertEncoder,
  BertIntermediate,
  BertLayer,
  BertOutput,
  BertPooler,
  BertSelfAttention,
  type EncodeOptions,
} from "./models/bert-encoder.ts";
export { type BlankModel, blankModel, fillWeights } from "./models/checkpoint/blank.ts";
export {
  type CheckpointProgress,
  checkApart,
  copied,
  type NewCheckpoint,
  type NewTensor,
  PIECE,
  type Piece,
  type WriteCheckpointOptions,
  type WrittenCheckpoint,
  writeCheckpoint,
} from "./models/checkpoint/write.ts";
export {
  type GenerateOptions,
  type Generation,
  generate,
  generateTokens,
} from "./models/generate.ts";
export { GPT2, GPT2Attention, GPT2Block, GPT2MLP, GPT2Model } from "./models/gpt2.ts";
export {
  type DecodeOptions,
  type LanguageModel,
  type LanguageModelHolder,
  languageModelIn,
  type ModelOptions,
  type NextTokenLossOptions,
  nextTokenLoss,
} from "./models/language-model.ts";
export { Llama, LlamaLayer, LlamaModel } from "./models/llama.ts";
export { withoutWrappers } from "./models/pretrained/names.ts";
export { type OpenCheckpoint, openCheckpoint } from "./models/pretrained/open.ts";
export {
  type LoadOptions,
  loadPretrained,
  type OpenModel,
  openPretrained,
  type PretrainedModel,
  type SaveOptions,
  savePretrained,
} from "./models/pretrained.ts";
export type { Prompts } from "./models/prompts.ts";
export { resizeTokenEmbeddings, tokenModules } from "./models/resize.ts";
export type { SamplingOptions } from "./models/sampling.ts";
export { type StopFilter, stopFilter, type TokenDecoder } from "./models/stop-strings.ts";

// Losses, optimizers, schedules.

export { crossEntropy, mseLoss } from "../autograd/index.ts";
export {
  Adam,
  type AdamSettings,
  AdamW,
  adamDefaults,
  clipGradientNorm,
  constant,
  cosine,
  type FullGroup,
  type Group,
  gradientNorm,
  linearDecay,
  noGradients,
  Optimizer,
  type OptimizerState,
  optimizerSpellings,
  type ParameterState,
  type Params,
  type Schedule,
  type ScheduleOptions,
  SGD,
  type SGDSettings,
  type StateLayout,
  stateArray,
} from "./optim/index.ts";

// The training loop, its files, its numbers, its data.

export { type CheckpointOptions, loadCheckpoint, type Stateful, saveCheckpoint } from "./train/checkpoint.ts";
export { checkpointBlocks } from "./train/checkpoint-blocks.ts";
export type { EvaluateOptions, Evaluation } from "./train/evaluations.ts";
export {
  type FitOptions,
  type FitResult,
  type FitStep,
  fit,
  fitSteps,
  type StepReport,
} from "./train/fit.ts";
export { accuracy, perplexity } from "./train/metrics.ts";
export { byteTokenizer, evenWindows, randomWindows, type Tokenizer, windowsAt } from "./train/text.ts";
export { type TextLoss, type TextLossOptions, textLoss } from "./train/text-loss.ts";

// Tokenizers of published models.

export {
  type ChatMessage,
  type ChatOptions,
  checkVocabulary,
  type DecodeTextOptions,
  type EncodeBatchOptions,
  type EncodeTextOptions,
  loadTokenizer,
  type PretrainedTokenizer,
  parseTokenizer,
  type SpecialToken,
  type TextStream,
  type TokenBatch,
} from "./tokenizer/index.ts";
