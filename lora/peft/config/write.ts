/** @file The text of an adapter's adapter_config.json, and its fields for ranks, alphas and initial values. */

import { AdapterError, equalJson } from "../../../core/index.ts";
import { Conv1D } from "../../../nn/index.ts";
import type { AdapterOptions } from "../../model/adapter.ts";
import type { AdapterView } from "../adapter-view.ts";
import { maskFields } from "../tensors/masks.ts";
import { firstRoundTripping } from "./encoding.ts";
import { defaultFields, type Fields, writeFields } from "./fields.ts";
import { escaped, patternValues } from "./modules.ts";
import { parsePeftConfig } from "./parse.ts";
import { moduleFields } from "./write-modules.ts";

/**
 * The text of adapter_config.json: that of the file from which the adapter was read if no field changes.
 * @param given fields that do not follow from the adapter
 * @throws AdapterError when a given field follows from the adapter, or PEFT's format cannot express it
 */
export function configText(view: AdapterView, given: Fields): string {
  const { origin, form, parts, layers } = view;
  const determined = determinedFields(view);
  const taken = Object.keys(given).find((field) => Object.hasOwn(determined, field));
  if (taken !== undefined)
    throw new AdapterError(`saveAdapter: fields: ${taken} follows from the adapter; expected other fields`);
  const defaults = defaultFields(form.type);
  const isTransposed = [...parts.keys()].some((path) => layers.get(path)?.original instanceof Conv1D);
  const [{ rank }] = parts.values();
  const before = origin?.config.fields ?? {
    ...defaults,
    fan_in_fan_out: isTransposed,
    ...(form.type === "ADALORA" && { target_r: rank }),
  };
  const changes = Object.entries({ ...determined, ...given }).filter(
    ([field, value]) => !equalJson(before[field] ?? defaults[field], value),
  );
  if (origin && changes.length === 0) return origin.text;
  const text = writeFields({ ...before, ...Object.fromEntries(changes) });
  parsePeftConfig(text, "saveAdapter: fields"); // refuses what could not be read again
  return text;
}

/** The fields that follow from the adapter. */
function determinedFields(view: AdapterView): Fields {
  const { type } = view.form;
  return {
    peft_type: type,
    lora_dropout: dropoutOf(view),
    ...(type === "ADALORA" ? adaloraFields(view) : loraFields(view)),
    ...moduleFields(view),
  };
}

/** The options that the adapter was made with here, of whatever method. */
const optionsOf = ({ config }: AdapterView): Partial<AdapterOptions> => config as Partial<AdapterOptions>;

function dropoutOf({ parts, name }: AdapterView): number {
  const [dropout, ...others] = new Set(Array.from(parts.values(), (part) => part.dropout));
  if (others.length > 0)
    throw new AdapterError(`saveAdapter: expected one dropout for all layers of ${name}`);
  return dropout;
}

function loraFields(view: AdapterView): Fields {
  const { parts, config, origin, form, name } = view;
  const { rank, alpha, rankStabilized } = optionsOf(view);
  const values = [...parts.values()];
  const scaling = [origin?.config.rankStabilized, rankStabilized, false, true]
    .filter((isStabilized) => isStabilized !== undefined)
    .map((isStabilized) => ({ isStabilized, fields: { use_rslora: isStabilized } }));
  const ranks = new Map(Array.from(parts, ([path, part]) => [path, part.rank]));
  const alphas = new Map(Array.from(parts, ([path, part]) => [path, part.alpha]));
  const rankFields = perLayerFields(["r", "rank_pattern"], ranks, [
    origin && { base: origin.config.rank, pattern: origin.config.rankPattern },
    rank === undefined ? undefined : { base: rank, pattern: config.rankPattern ?? {} },
  ]);
  const alphaFields = perLayerFields(["lora_alpha", "alpha_pattern"], alphas, [
    origin && { base: origin.config.alpha, pattern: origin.config.alphaPattern },
    { base: alpha ?? values[0].alpha, pattern: config.alphaPattern ?? {} },
  ]);
  return {
    ...firstRoundTripping(
      scaling,
      ({ isStabilized }) =>
        values.every(
          (part) => part.scaling === part.alpha / (isStabilized ? Math.sqrt(part.rank) : part.rank),
        ),
      `the scaling of ${name}`,
    ).fields,
    ...rankFields,
    ...alphaFields,
    use_dora: form.useDora,
    lora_bias: form.loraBias ?? false,
    init_lora_weights: initField(view),
  };
}

/** A number for all layers, and a pattern for those that have another. */
interface PerLayer {
  readonly base: number;
  readonly pattern: Readonly<Record<string, number>>;
}

/** The two fields that give each layer its number. */
function perLayerFields(
  [baseField, patternField]: readonly [string, string],
  wanted: ReadonlyMap<string, number>,
  candidates: readonly (PerLayer | undefined)[],
): Fields {
  const [base] = wanted.values();
  const others = [...wanted].filter(([, number]) => number !== base);
  const oneByOne = Object.fromEntries(others.map(([path, number]) => [`^${escaped(path)}`, number]));
  const readsBack = ({ base, pattern }: PerLayer): boolean => {
    const numberOf = patternValues(patternField, pattern, base);
    return [...wanted].every(([path, number]) => numberOf(path) === number);
  };
  const encodings = [...candidates, { base, pattern: oneByOne }].map(
    (one) => one && { ...one, fields: { [baseField]: one.base, [patternField]: one.pattern } },
  );
  return firstRoundTripping(encodings, readsBack, `the ${patternField} of each layer`).fields;
}

/** PEFT's word for the initial values. Only those that took a part of W over still matter. */
function initField(view: AdapterView): unknown {
  const { origin, parts, layers, name } = view;
  const { init = "kaiming" } = optionsOf(view);
  const hasResiduals = [...parts.keys()].some((path) => layers.get(path)?.residuals.has(name));
  if (hasResiduals !== (init === "pissa" || init === "olora"))
    throw new AdapterError(
      `saveAdapter: PEFT cannot make the base of init ${init} again; convert ${name} first`,
    );
  if (origin && (hasResiduals ? origin.config.init === init : !origin.config.init))
    return origin.config.fields.init_lora_weights ?? true;
  const words: Readonly<Record<string, unknown>> = { kaiming: true, random: false };
  return words[init] ?? init;
}

function adaloraFields({ parts, masks, origin, name }: AdapterView): Fields {
  const [first, ...rest] = parts.values();
  const { rank, scaling } = first;
  if (!rest.every((part) => part.rank === rank && part.scaling === scaling))
    throw new AdapterError(`saveAdapter: PEFT's AdaLoRA has one rank and alpha; ${name} has several`);
  // PEFT's factor is α'/(r + 1e-5); α/r is that with α' = α (r + 1e-5)/r.
  const exact = origin?.config.rank === rank ? origin.config.alpha : first.alpha;
  const peftScaling = (alpha: number): number => (alpha > 0 ? alpha : rank) / (rank + 1e-5);
  const alpha = [exact, first.alpha].find((one) => peftScaling(one) === scaling) ?? scaling * (rank + 1e-5);
  if (!(alpha > 0) && peftScaling(alpha) !== scaling)
    throw new AdapterError(
      `saveAdapter: PEFT's AdaLoRA takes r for an alpha that is not positive; ${name} has ${alpha}`,
    );
  const isAsFound = origin !== undefined && masks === origin.config.masks;
  return {
    init_r: rank,
    lora_alpha: alpha,
    rank_pattern: masks && (isAsFound ? origin.config.fields.rank_pattern : maskFields(masks)),
  };
}
