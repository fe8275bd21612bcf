/** @file The parameters that a configuration implies, and the check that a file has them. */

import { CheckpointError, type SafeTensor, type Shape } from "../../../core/index.ts";
import { layout } from "../../config/layout.ts";
import { describeMismatch, findMismatch, type Shapes } from "../../module/mismatch.ts";
import { isEncoder, type PretrainedConfig } from "./names.ts";
import { headOf } from "./other-models.ts";

/** The parameters of the classifier and of the pooler below it, for each of the two that the file does not have at all. */
export function withoutClassifier(
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
): string[] {
  const has = (prefix: string): boolean => [...named.keys()].some((name) => name.startsWith(prefix));
  const lacking = ["classifier.", "bert.pooler."].filter((prefix) => !has(prefix));
  return [...expectedParameters(config).keys()].filter((name) =>
    lacking.some((prefix) => name.startsWith(prefix)),
  );
}

/** The parameters of a configuration with their shapes, tied ones once. @param withoutPooler leave out a bare encoder's pooler */
export function expectedParameters(
  config: PretrainedConfig,
  withoutPooler = false,
): Map<string, { shape: Shape }> {
  const parameters = layout(config).flatMap(({ parameters }) => parameters);
  const isOwn = ({ name, tiedTo }: (typeof parameters)[number]): boolean =>
    tiedTo === undefined && !(withoutPooler && name.startsWith("pooler."));
  return new Map(parameters.filter(isOwn).map(({ name, shape }) => [name, { shape }]));
}

/** @throws CheckpointError unless the file's parameters are the expected ones */
export function checkParameters(
  path: string,
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
  expected: Shapes,
): void {
  const problems = describeMismatch(findMismatch(expected, named), 8);
  if (problems.length === 0) {
    checkFloats(path, named, expected);
    return;
  }
  const why = likelyCause(expected, named, config);
  throw new CheckpointError(`${path}: ${problems.join("; ")}${why && `; ${why}`}`);
}

/** @throws CheckpointError for a parameter of integers */
function checkFloats(path: string, named: ReadonlyMap<string, SafeTensor>, expected: Shapes): void {
  for (const [name, { dtype }] of named) {
    if (!expected.has(name) || /^B?F/.test(dtype)) continue;
    throw new CheckpointError(
      `${path}: ${named.get(name)?.name} is ${dtype}; expected floats (F64, F32, F16, BF16, F8_E4M3 or F8_E5M2): integers ` +
        "are quantized weights, and those before quantization are needed",
    );
  }
}

/** The usual cause of such differences, with advice; empty when none is known. */
function likelyCause(
  expected: Shapes,
  named: ReadonlyMap<string, SafeTensor>,
  config: PretrainedConfig,
): string {
  const missing = [...expected.keys()].filter((name) => !named.has(name));
  const unexpected = [...named.keys()].filter((name) => !expected.has(name));
  if (
    unexpected.some((name) =>
      /[._](absmax|quant_map|nested_absmax|SCB|qweight|qzeros|g_idx|scales?|scale_inv|scale_weight|packed)$/.test(
        name,
      ),
    )
  )
    return "these are quantized weights: expected those before quantization; load them, then call quantizeModel of lowrank/quant";
  if (missing.length > 0 && missing.every((name) => name.endsWith("self_attn.o_proj.bias")))
    return 'attention_bias puts a bias on every projection; with biases on q, k and v only, model_type is "qwen2"';
  const head = headOf(unexpected);
  if (head !== undefined) {
    const kind = isEncoder(config) ? "; numLabels: 0 loads the encoder without it" : "";
    return `the file has ${head}, which ${config.model_type} has not here${kind}`;
  }
  if (unexpected.some((name) => /(^|\.)(lora_[AB]|base_layer)\./.test(name)))
    return "the file has adapters in it: expected the model's own weights; PEFT's merge_and_unload() puts the adapters into them";
  if (missing.length === 1 && missing[0] === "lm_head.weight")
    return "a file without a head is of a model whose tie_word_embeddings is true, or of one that has none";
  const ends = unexpected.flatMap((name) => {
    const own = missing.find((other) => name.endsWith(`.${other}`) || other.endsWith(`.${name}`));
    return own === undefined ? [] : [[name, own] as const];
  });
  if (ends.length > 0) {
    const [theirs, ours] = ends[0];
    return `the file has ${named.get(theirs)?.name} where this ${config.model_type} has ${ours}: names in the file need that prefix changed`;
  }
  return "";
}
