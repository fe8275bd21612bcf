/**
 * @file What PEFT and loralib call the options of an adapter, and what says the same here: for the messages that
 * refuse their names. PEFT's are the fields of its LoraConfig and AdaLoraConfig (version 0.20).
 */

const nothing = (why: string): string => `nothing in its place: ${why}`;
const unsupported = nothing("this library does not compute it");
const schedule = (option: string): string => `${option} of a BudgetAllocator, which has AdaLoRA's schedule`;
const recipe = (option: string): string => `${option} of loraPlus(), which makes an optimizer's groups`;
const quantization = (option: string): string => `${option} of quantizeModel(), before inject()`;

/** PEFT's and the authors' names for AdaLoRA's schedule, and the options of BudgetAllocator. */
export const scheduleNames = {
  total_step: "totalSteps",
  tinit: "warmup",
  initial_warmup: "warmup",
  tfinal: "final",
  final_warmup: "final",
  deltaT: "interval",
  mask_interval: "interval",
  beta1: "betas",
  beta2: "betas",
};

/** PEFT's and the authors' names for LoRA+'s rates, and the options of loraPlus. */
export const rateNames = {
  loraplus_lr_ratio: "ratio",
  loraplus_lr_embedding: "embeddingLr",
  loraplus_weight_decay: "weightDecay",
};

/** The names, each with what `say` makes of its option. */
const saying = (
  names: Readonly<Record<string, string>>,
  say: (option: string) => string,
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(names).map(([name, option]) => [name, say(option)]));

/** What stands for an option of another library, or of another function of this one, as the message says it. */
export const elsewhere: Readonly<Record<string, string>> = {
  // LoraConfig
  r: "rank",
  lora_alpha: "alpha",
  lora_dropout: "dropout",
  use_rslora: "rankStabilized",
  use_dora: 'method: "dora"',
  init_lora_weights: "init",
  loftq_config: "loftq",
  target_modules: "target",
  exclude_modules: "exclude",
  layers_to_transform: "layers",
  layers_pattern: nothing("layers counts the blocks of any model"),
  rank_pattern: "rankPattern",
  alpha_pattern: "alphaPattern",
  modules_to_save: "modulesToSave",
  adapter_name: "name",
  peft_type: "method",
  fan_in_fan_out: nothing("each layer knows its own layout"),
  task_type: nothing("the model says what it is for"),
  inference_mode: nothing("activate() makes an adapter train, eval() ends dropout"),
  base_model_name_or_path: nothing("the model is the first argument; saveAdapter takes its name"),
  revision: nothing("the model is the first argument"),
  auto_mapping: nothing("the model is the first argument"),
  peft_version: nothing("it belongs in a file"),
  runtime_config: nothing("the device is setDevice's"),
  low_cpu_mem_usage: nothing("adapters are made once"),
  autocast_adapter_dtype: nothing("adapters are float32"),
  alora_invocation_tokens: unsupported,
  arrow_config: unsupported,
  corda_config: unsupported,
  ensure_weight_tying: unsupported,
  eva_config: unsupported,
  layer_replication: unsupported,
  lora_bias: nothing("an adapter with it is loaded from PEFT's files"),
  lora_ga_config: unsupported,
  megatron_config: unsupported,
  megatron_core: unsupported,
  monteclora_config: unsupported,
  qalora_group_size: unsupported,
  target_parameters: nothing("target names layers, whose weights are adapted"),
  trainable_token_indices: nothing("an adapter with it is loaded from PEFT's files"),
  use_bdlora: unsupported,
  use_qalora: unsupported,
  velora_config: unsupported,
  // LoftQConfig
  loftq_bits: nothing("the layer is quantized already, to bits of its own"),
  loftq_iter: "iterations of loftq",
  // AdaLoraConfig
  init_r: "rank",
  target_r: schedule("target, the triplets of the whole model,"),
  ...saying(scheduleNames, schedule),
  orth_reg_weight: "the term orthogonality() in the loss, with its weight",
  // This library's own, of other functions
  rng: "seed",
  totalSteps: schedule("totalSteps"),
  warmup: schedule("warmup"),
  final: schedule("final"),
  interval: schedule("interval"),
  betas: schedule("betas"),
  measure: schedule("measure"),
  lr: "the optimizer's lr",
  learning_rate: "the optimizer's lr",
  weight_decay: "the optimizer's weightDecay",
  ratio: recipe("ratio"),
  ...saying(rateNames, recipe),
  correctGradient: "correctGradient of LoraFAAdamW",
  format: quantization("format"),
  blockSize: quantization("blockSize"),
  doubleQuant: quantization("doubleQuant"),
  quantization_config: "quantizeModel() before inject()",
  load_in_4bit: quantization("format"),
  load_in_8bit: quantization("format"),
  bnb_4bit_quant_type: quantization("format"),
  bnb_4bit_use_double_quant: quantization("doubleQuant"),
  bnb_4bit_compute_dtype: quantization("computeDtype"),
  // loralib
  enable_lora: "slices",
  merge_weights: nothing("merge() is called when it is wanted"),
};
