/** @file What is said of models that cannot be loaded: those of other architectures, and those with another head. */

import { CheckpointError, LowrankError, warn } from "../../../core/index.ts";

/** The models that can be loaded, by model_type. */
const loadable: readonly string[] = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "bert", "roberta"];

/** Why other models are not among them, by the beginning of model_type. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^(deberta-v2|bart)$/, "there is only its layout, for counts"],
  [/^(xlm-roberta|camembert)$/, 'it is RoBERTa by another name: with model_type "roberta" it loads'],
  [/^(pali|t5|shield|code)?gemma/, "its norms multiply by 1 + weight, and its embeddings are scaled"],
  [/^(phi3|phi4)/, "its queries, keys and values come from one matrix, qkv_proj"],
  [
    /moe|^(mixtral|deepseek|llama4|gpt_oss|dbrx|grok|jamba|minimax)|^olmoe/,
    "its layers are mixtures of experts, of which a router chooses",
  ],
  [/^(mamba|rwkv|falcon_mamba|recurrent_gemma|xlstm)/, "it is recurrent, without attention"],
  [
    /^(gpt_neox|gptj|gpt_neo|opt|bloom|falcon|mpt|codegen|stablelm|gpt_bigcode)$/,
    "it is another architecture",
  ],
  [/^(t5|mt5|longt5|umt5|pegasus|mbart|marian|m2m_100|whisper)$/, "it is an encoder with a decoder"],
  [/^(distilbert|albert|electra|mpnet|modernbert|xlnet|deberta)$/, "its layers differ from BERT's"],
];

/** @throws LowrankError when there is no model of this type, with the reason when it is known */
export function checkSupported(fields: Readonly<Record<string, unknown>>): void {
  const { model_type: type } = fields;
  if (typeof type === "string" && loadable.includes(type)) return;
  const known = loadable.join(", ");
  if (typeof type !== "string")
    throw new LowrankError(
      `expected model_type to be one of ${known}; got ${JSON.stringify(type) ?? "nothing"}`,
    );
  const reason = reasons.find(([pattern]) => pattern.test(type))?.[1];
  const parts = ["text_config", "vision_config"].some((name) => Object.hasOwn(fields, name));
  const why = reason ?? (parts ? "it is made of several models, for text and other things" : null);
  throw new LowrankError(
    `there is no model for model_type ${JSON.stringify(type)}${why ? `: ${why}` : ""}; expected one of ${known}`,
  );
}

/** Heads that no model here has, by the beginnings of their tensors' names. */
const heads: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)score\./, "a classifier of sequences on a decoder"],
  [/(^|\.)qa_outputs\./, "a head that marks the answers to questions"],
  [/(^|\.)multiple_choice_head\./, "a head for multiple choice"],
  [/(^|\.)(v_head|value_head)\./, "a value head, as reinforcement learning adds"],
];

/** What a tensor that no model here has is part of; undefined when that is not known. */
export const headOf = (names: readonly string[]): string | undefined =>
  heads.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];

/**
 * Refuses a classifier that is not one of sequences: of tokens, or of several choices. Its tensors have the same names.
 * Warns of one whose loss in transformers is another.
 * @param fields of config.json
 * @throws CheckpointError unless the architectures say something else, or nothing
 */
export function checkClassifier(
  source: string,
  { architectures, problem_type }: Readonly<Record<string, unknown>>,
  labels: number,
): void {
  const [name] = Array.isArray(architectures) ? architectures : [];
  const problem = problem_type ?? (labels === 1 ? "regression" : "single_label_classification");
  if (typeof name !== "string" || !/(TokenClassification|MultipleChoice)$/.test(name)) {
    if (problem !== "single_label_classification")
      warn(
        `${source}: problem_type ${JSON.stringify(problem)}: the logits are the same, but the model's loss here is the ` +
          "cross-entropy of one label; train with a loss of your own",
      );
    return;
  }
  const what = name.endsWith("Choice") ? "chooses among several texts" : "classifies each token";
  throw new CheckpointError(
    `${source}: architectures ${name}: its classifier ${what}, and here classifiers are of whole texts; ` +
      "numLabels: 0 loads the encoder without it",
  );
}
