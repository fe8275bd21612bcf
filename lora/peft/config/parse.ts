/**
 * @file adapter_config.json in this library's words. PEFT 0.20 writes it with sorted names and two spaces.
 *
 * Fields that this library computes with are checked by name and type. Fields that would change the numbers and that there
 * is no code for are refused by name. All others are kept as they are.
 */

import { CheckpointError, parseJsonObject } from "../../../core/index.ts";
import type { AdapterConfig } from "../../methods.ts";
import { methodOfForm, type PeftMethod } from "../methods.ts";
import type { Masks } from "../tensors/masks.ts";
import type { TokenIndices } from "../tensors/tokens.ts";
import { FieldReader, show } from "./field-reader.ts";
import { type Fields, isNeutral, known, unsupported } from "./fields.ts";
import type { ModuleFields } from "./modules.ts";

/** A configuration. Fields of PEFT that are not named here are in `fields`. */
export interface PeftConfig {
  readonly method: PeftMethod;
  /** r, or init_r for AdaLoRA. */
  readonly rank: number;
  /** lora_alpha. */
  readonly alpha: number;
  /** lora_dropout. */
  readonly dropout: number;
  /** use_rslora. */
  readonly rankStabilized: boolean;
  /** Initial values that took a part of the weight over, so that loading has to compute the residual weight again. */
  readonly init: "pissa" | "olora" | undefined;
  readonly bias: NonNullable<AdapterConfig["bias"]>;
  readonly modules: ModuleFields;
  /** rank_pattern and alpha_pattern: other numbers for some layers. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** AdaLoRA's rank_pattern: which triplets are in the file; null when nothing was pruned. */
  readonly masks: Masks;
  /** trainable_token_indices: rows of tables that the file holds; null without any. */
  readonly tokens: TokenIndices | null;
  /** ensure_weight_tying: parameters that are tied in the model stay tied when they are trained. */
  readonly tied: boolean;
  /** Names of fields that no known version of PEFT has and that are not switched off. */
  readonly unknown: readonly string[];
  /** Fields by which PEFT trains in another way, and computes the same. */
  readonly training: readonly string[];
  /** All fields of the file. */
  readonly fields: Fields;
}

/**
 * init_lora_weights whose initial values leave the base as it is, so that the file's values replace them and nothing else
 * has to be done. Variants with a number, such as pissa_niter_4, are not among them.
 */
const plainInits: readonly unknown[] = [true, false, "gaussian", "orthogonal", "eva", "mica"];

/** PEFT's words for which biases train, and this library's. */
const biases = { none: "none", all: "all", lora_only: "lora-only" } as const;

/** @throws CheckpointError when the text is no configuration of an adapter that can be read here; `source` names it */
export function parsePeftConfig(text: string, source: string): PeftConfig {
  const fields = parseJsonObject(source, text);
  const read = new FieldReader(fields, source);
  const type = read.text("peft_type");
  if (type !== "LORA" && type !== "ADALORA")
    throw new CheckpointError(`${source}: expected peft_type LORA or ADALORA; got ${show(type)}`);
  for (const name of unsupported) {
    if (!isNeutral(fields[name]))
      throw new CheckpointError(`${source}: ${name} is not supported; got ${show(fields[name])}`);
  }
  const adalora = type === "ADALORA";
  const [useDora, withBias] = [read.boolean("use_dora"), read.boolean("lora_bias")];
  const method = methodOfForm(type, useDora, withBias);
  if (!method) {
    const field = withBias ? "lora_bias" : "use_dora";
    throw new CheckpointError(
      `${source}: ${field} does not go with ${useDora && withBias ? "use_dora" : `peft_type ${type}`}`,
    );
  }
  const given = fields.init_lora_weights ?? true;
  const anyCase = typeof given === "string" && /^(gaussian|olora)$/i.test(given); // as PEFT compares them
  const init = anyCase ? given.toLowerCase() : given;
  const hasResidual = init === "pissa" || init === "olora";
  if (!hasResidual && !plainInits.includes(init))
    throw new CheckpointError(
      `${source}: init_lora_weights ${show(init)} is not supported: its change of the base cannot be made again; ` +
        "PEFT's save_pretrained(folder, path_initial_model_for_weight_conversion=…) writes it as plain LoRA",
    );
  const transposes = read.boolean("fan_in_fan_out");
  checkParameterTargets(source, fields, { method, transposes });
  return {
    method,
    rank: read.number(adalora ? "init_r" : "r", adalora ? 12 : 8, "a positive integer", isRank),
    alpha: read.number("lora_alpha", 8, "a finite number", Number.isFinite),
    dropout: read.number("lora_dropout", 0, "a number from 0 to below 1", (p) => p >= 0 && p < 1),
    rankStabilized: read.boolean("use_rslora"),
    init: hasResidual && !adalora ? init : undefined,
    bias: biases[read.oneOf("bias", ["none", "all", "lora_only"])],
    modules: {
      target: read.textOrTexts("target_modules"),
      exclude: read.textOrTexts("exclude_modules") ?? [],
      layers: read.integers("layers_to_transform"),
      layersPattern: listOf(read.textOrTexts("layers_pattern") ?? []),
      save: listOf(read.textOrTexts("modules_to_save") ?? []),
      parameters: read.texts("target_parameters"),
    },
    rankPattern: adalora ? {} : read.numbers("rank_pattern", "positive integers", isRank),
    alphaPattern: adalora ? {} : read.numbers("alpha_pattern", "finite numbers", Number.isFinite),
    masks: adalora ? read.masks("rank_pattern") : null,
    tokens: read.tokens("trainable_token_indices"),
    tied: read.boolean("ensure_weight_tying"),
    training: [
      ...(isNeutral(fields.velora_config) ? [] : ["velora_config"]),
      ...(init === "mica" ? ['init_lora_weights "mica"'] : []),
    ],
    unknown: Object.keys(fields).filter((name) => !known.has(name) && !isNeutral(fields[name])),
    fields,
  };
}

/** @throws CheckpointError where PEFT has no adapters on parameters, or gives them ranks by names that no module has */
function checkParameterTargets(
  source: string,
  fields: Fields,
  { method, transposes }: { readonly method: PeftMethod; readonly transposes: boolean },
): void {
  if (isNeutral(fields.target_parameters)) return;
  const beside = ["rank_pattern", "alpha_pattern", "lora_dropout"].find(
    (name) => !isNeutral(fields[name]) && fields[name] !== 0,
  );
  const odd = method === "lora" ? (transposes ? "fan_in_fan_out" : beside) : `the method ${method}`;
  if (odd !== undefined)
    throw new CheckpointError(
      `${source}: target_parameters with ${odd} is not supported; expected plain LoRA`,
    );
}

const listOf = (texts: string | readonly string[]): readonly string[] =>
  typeof texts === "string" ? [texts] : texts;

const isRank = (r: number): boolean => Number.isSafeInteger(r) && r > 0;
