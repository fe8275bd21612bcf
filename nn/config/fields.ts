/**
 * @file Reads a parsed config.json field by field, so that no field is ignored silently.
 *
 * A field is read by name and type; or it is known not to change what a model computes, at any value (`labels`) or at
 * certain values (`only`); or it is refused by name. Null counts as absent, as in Hugging Face's files.
 */

import { ArgumentError, editDistance, nearest } from "../../core/index.ts";

/**
 * Fields that do not describe the model: its origin, how transformers runs it, the names of tokens and labels, how text
 * is generated. No number that a model here computes depends on them.
 */
const labels: readonly string[] = [
  ...["_name_or_path", "name_or_path", "_commit_hash", "architectures", "auto_map", "custom_pipelines"],
  ...["torch_dtype", "dtype", "transformers_version", "transformers.js_config", "license", "language"],
  ...["use_cache", "gradient_checkpointing", "use_bfloat16", "torchscript", "return_dict"],
  ...["output_hidden_states", "output_attentions", "output_scores", "output_past", "return_dict_in_generate"],
  ...["attn_implementation", "_attn_implementation", "_attn_implementation_internal"],
  ...["_attn_implementation_autoset", "_experts_implementation", "_flash_attn_2_enabled"],
  ...["pretraining_tp", "base_model_tp_plan", "base_model_pp_plan", "chunk_size_feed_forward"],
  ...["tokenizer_class", "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id"],
  ...["unk_token_id", "mask_token_id", "decoder_start_token_id", "max_sequence_length", "model_max_length"],
  ...["id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params"],
  ...["sentence_transformers", "sbert_ce_default_activation_function", "classifier_dropout"],
  ...[
    "unsloth_fixed",
    "unsloth_version",
    "is_llama_config",
    "tie_last_hidden_states",
    "_output_attentions",
    "_experts_implementation_internal",
    "experts_implementation",
    "_num_labels",
    "model_name",
    "initializer_factor",
    "tf_legacy_loss",
  ],
  ...["prefix", "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups"],
  ...["diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty"],
  ...["length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids"],
  ...["num_return_sequences", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values"],
  ...["epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty", "penalty_alpha", "guidance_scale"],
  ...["num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"],
  ...["assistant_lookbehind", "target_lookbehind", "renormalize_logits", "min_new_tokens", "max_time"],
  ...["exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "max_new_tokens"],
];

/** Fields that change what a model computes, with the values at which they do not. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  is_encoder_decoder: [false],
  add_cross_attention: [false],
  tie_encoder_decoder: [false],
  use_bidirectional_attention: [false],
  cross_attention_hidden_size: [],
  attn_logit_softcapping: [],
  final_logit_softcapping: [],
  quantization_config: [],
  quantization: [],
  attention_chunk_size: [],
  num_experts: [0],
  num_local_experts: [0],
  num_experts_per_tok: [],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logits_scaling: [1],
  logit_scale: [1],
  partial_rotary_factor: [1],
  rotary_pct: [1],
  rope_interleaved: [false],
  use_mrope: [false],
  use_qk_norm: [false],
  qk_layernorm: [false],
};

/** Advice for values that are not neutral. */
const advice: Readonly<Record<string, string>> = {
  quantization_config:
    "null: the weights are to be those before quantization; load them, then call quantizeModel of lowrank/quant",
  quantization:
    "null: the weights are to be those before quantization; load them, then call quantizeModel of lowrank/quant",
};

/** The largest size and number of layers. Larger ones are mistakes, refused before anything is allocated. */
const largest = 2 ** 31 - 1;
const mostLayers = 2 ** 16;

/** Reads one field after the other, each with its default. `done` refuses the fields that were not read. */
export class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  /** Prefix of names in messages, such as "rope_scaling.". */
  readonly #prefix: string;
  readonly #known = new Set<string>();

  constructor(fields: Readonly<Record<string, unknown>>, prefix = "") {
    this.#fields = fields;
    this.#prefix = prefix;
  }

  /** True for a field that is present, even if null. */
  has(name: string): boolean {
    this.#known.add(name);
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== undefined;
  }

  /** True for a field that is present and not null. */
  given(name: string): boolean {
    return this.has(name) && this.#fields[name] !== null;
  }

  /** A positive integer. */
  size(name: string, fallback: number, most = largest): number {
    const value = this.#read(name, fallback, "a positive integer", (v) => isInteger(v) && v > 0);
    if (value <= most) return value;
    throw new ArgumentError("modelConfig", `${this.#prefix}${name} to be at most ${most}`, { [name]: value });
  }

  /** A positive integer, or null. */
  sizeOrNull(name: string): number | null {
    return this.#read<number | null>(name, null, "a positive integer", (v) => isInteger(v) && v > 0);
  }

  /** A number of layers. */
  layers(name: string, fallback: number): number {
    return this.size(name, fallback, mostLayers);
  }

  /** A non-negative integer. */
  count(name: string, fallback: number): number {
    return this.#read(name, fallback, "a non-negative integer", (v) => isInteger(v) && v >= 0);
  }

  /** A probability below 1. */
  dropout<T extends number | null>(name: string, fallback: T): number | T {
    const isProbability = (v: unknown) => typeof v === "number" && v >= 0 && v < 1;
    return this.#read<number | T>(name, fallback, "a number in [0, 1)", isProbability);
  }

  positive(name: string, fallback: number): number;
  /** Null when absent. */
  positive(name: string, fallback: null): number | null;
  /** Refused when absent. */
  positive(name: string): number;
  positive(name: string, fallback?: number | null): number | null {
    const isPositive = (v: unknown) => Number.isFinite(v) && (v as number) > 0;
    return this.#read(name, fallback as number | null, "a positive number", isPositive);
  }

  /** Null when absent. */
  number(name: string): number | null {
    return this.#read<number | null>(name, null, "a number", Number.isFinite);
  }

  flag(name: string, fallback: boolean): boolean {
    return this.#read(name, fallback, "true or false", (v) => typeof v === "boolean");
  }

  /** A nested record of fields, or null when absent. */
  record(name: string): Fields | null {
    const isRecord = (v: unknown) => typeof v === "object" && !Array.isArray(v);
    const record = this.#read<object | null>(name, null, "an object", isRecord);
    return record && new Fields(record as Record<string, unknown>, `${this.#prefix}${name}.`);
  }

  /** A list, or null when absent. */
  list(name: string): readonly unknown[] | null {
    return this.#read<readonly unknown[] | null>(name, null, "a list", Array.isArray);
  }

  /** One of `values`, the first of them when absent. */
  oneOf<T>(name: string, values: readonly T[]): T {
    const known: readonly unknown[] = values;
    return this.#read(name, values[0], `one of ${values.join(", ")}`, (v) => known.includes(v));
  }

  /** Fields that change nothing, whatever their values. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#known.add(name);
  }

  /** Fields that change nothing at these values (or when absent), and are refused at any other. */
  only(values: Readonly<Record<string, readonly unknown[] | ((value: unknown) => boolean)>>): void {
    for (const [name, harmless] of Object.entries(values)) {
      const accepts = (v: unknown) =>
        typeof harmless === "function" ? harmless(v) : harmless.includes(v as never);
      const at = typeof harmless === "function" ? "absent" : ["absent", ...harmless].at(-1);
      const expected = advice[name] ?? `${at}: there is no code for what other values do`;
      this.#read<unknown>(name, null, expected, accepts);
    }
  }

  /**
   * Refuses every field that has not been read.
   * @param kind the model's type, for the message. In a nested record every field that was not read is refused
   */
  done(kind: string): void {
    if (this.#prefix === "") {
      this.only(Object.fromEntries(Object.entries(neutral).filter(([name]) => !this.#known.has(name))));
      this.ignore(...labels);
      this.only({ pruned_heads: (value) => JSON.stringify(value) === "{}" });
    }
    for (const [name, value] of Object.entries(this.#fields)) {
      if (this.#known.has(name) || value === null || value === undefined) continue;
      const [near] = nearest(name, [...this.#known]);
      const hint =
        near !== undefined && editDistance(name, near) <= 2
          ? ` (is ${this.#prefix}${near} meant?)`
          : "; take it out if it changes nothing that the model computes";
      throw new ArgumentError("modelConfig", `fields of ${kind} that are known here${hint}`, {
        [this.#prefix + name]: shown(value),
      });
    }
  }

  #read<T>(name: string, fallback: T, expected: string, accepts: (value: unknown) => boolean): T {
    this.#known.add(name);
    const value = Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? fallback) : fallback;
    if (value === undefined || (value !== fallback && !accepts(value))) {
      throw new ArgumentError("modelConfig", `${this.#prefix}${name} to be ${expected}`, {
        [this.#prefix + name]: value === undefined ? "nothing" : shown(value),
      });
    }
    return value as T;
  }
}

/** True for integers that a double holds exactly. */
export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Objects as JSON, cut to one line; other values unchanged. */
function shown(value: unknown): unknown {
  if (typeof value !== "object") return value;
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
