/** @file The other files of a merged checkpoint: config.json, and the tokenizer where adapters bring tokens. */

import { listFolder } from "../../../core/index.ts";
import type { OpenModel, PretrainedModel } from "../../../nn/index.ts";
import type { Changes } from "./changes.ts";
import type { AdapterSource, MergeOptions, MergeReport } from "./merge.ts";

/** The number of tokens before and after; null when adapters do not change it. */
export function vocabularyOf({ fields }: OpenModel, model: PretrainedModel): MergeReport["vocabulary"] {
  const [before, after] = [fields.vocab_size, model.config.vocab_size];
  return typeof before === "number" && before !== after ? { before, after } : null;
}

/** The text of config.json; null when it stays as it is. */
export function configText(
  { fields, fresh }: OpenModel,
  model: PretrainedModel,
  { isUntied }: Changes,
  vocabulary: MergeReport["vocabulary"],
  dtype: MergeOptions["dtype"],
): string | null {
  const torch = { F32: "float32", F16: "float16", BF16: "bfloat16" };
  const named = "dtype" in fields && !("torch_dtype" in fields) ? "dtype" : "torch_dtype";
  const changed: Record<string, unknown> = {
    ...(isUntied && { tie_word_embeddings: false }),
    ...(vocabulary && { vocab_size: vocabulary.after }),
    ...(dtype && { [named]: torch[dtype] }),
  };
  let kept: Record<string, unknown> = { ...fields };
  if (fresh.length > 0 && "num_labels" in model.config) {
    const { id2label: _, label2id: __, ...others } = fields;
    kept = others;
    changed.num_labels = model.config.num_labels;
    changed.architectures = [
      `${model.config.model_type === "bert" ? "Bert" : "Roberta"}ForSequenceClassification`,
    ];
  }
  if (Object.keys(changed).length === 0) return null;
  return `${JSON.stringify({ ...kept, ...changed }, null, 2)}\n`;
}

/** The files of the tokenizer that was saved beside the last adapter that has one, by name. */
export function tokenizerOf(adapters: readonly AdapterSource[]): Map<string, string> {
  const isTokenizers =
    /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^(vocab|merges)\.txt$|\.model$|^chat_template\./;
  const found = adapters
    .map(({ folder }) =>
      listFolder(folder)
        .filter((name) => isTokenizers.test(name))
        .map((name) => [name, `${folder}/${name}`] as const),
    )
    .filter((files) => files.length > 0);
  return new Map(found.at(-1) ?? []);
}
