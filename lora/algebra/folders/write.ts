/** @file Writes LoRA factors that were computed as an adapter's folder in PEFT's format. */

import {
  draftFolder,
  type SafeTensor,
  type Shape,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "../../../core/index.ts";
import { defaultFields, type Fields, writeFields } from "../../peft/config/fields.ts";
import { escaped } from "../../peft/config/modules.ts";
import { parsePeftConfig } from "../../peft/config/parse.ts";
import { CONFIG, WEIGHTS } from "../../peft/folder.ts";
import type { OpenLayer } from "../../peft/open.ts";
import type { AdapterFiles } from "../../peft/read.ts";
import { PREFIX } from "../../peft/tensors/keys.ts";
import type { Factors } from "../spectrum.ts";

/** A layer's new factors, with ΔW = B A. */
export interface NewLayer {
  /** The layer of a folder that it stands for: its name, and the form of its tensors. */
  readonly like: OpenLayer;
  readonly factors: Factors;
}

/** Fields that say where an adapter is, which a new one on the same layers keeps. */
const placement = ["target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"];

/** Fields that say what an adapter is for, kept in any case. */
const purpose = [
  "base_model_name_or_path",
  "revision",
  "task_type",
  "fan_in_fan_out",
  "auto_mapping",
  "peft_version",
];

/** What is written. */
export interface NewFolder {
  readonly layers: readonly NewLayer[];
  /** The configuration of an adapter that it was made from. */
  readonly fields: Fields;
  /** True when it is on the same layers as that adapter. */
  readonly isSamePlace: boolean;
  /** Copies of parameters of the base, by their keys; with the fields that speak of them. @default none */
  readonly others?: ReadonlyMap<string, SafeTensor>;
}

/**
 * Writes a LoRA adapter with scaling 1.
 * @throws CheckpointError when it cannot be written, or `out` holds files and `overwrite` is not set
 */
export function writeFolder(
  out: string,
  { layers, fields, isSamePlace, others = new Map() }: NewFolder,
  { dtype, overwrite }: { readonly dtype: "F32" | "F16" | "BF16"; readonly overwrite: boolean },
): void {
  const ranks = new Map(layers.map(({ like, factors }) => [like.name, factors.A.shape[0]]));
  const [rank] = [...ranks.values()].sort((a, b) => b - a);
  const pattern = Object.fromEntries(
    [...ranks].filter(([, r]) => r !== rank).map(([name, r]) => [`^${escaped(name)}`, r]),
  );
  const kept = [
    ...purpose,
    ...(isSamePlace ? placement : []),
    ...(others.size > 0 ? ["bias", "modules_to_save"] : []),
  ];
  const defaults = defaultFields("LORA");
  const text = writeFields({
    ...defaults,
    target_modules: [...ranks.keys()],
    ...Object.fromEntries(
      kept.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]),
    ),
    r: rank,
    lora_alpha: rank,
    rank_pattern: pattern,
    alpha_pattern: pattern,
  });
  parsePeftConfig(text, `${out}: ${CONFIG}`); // refuses what could not be read again
  const tensors = layers.flatMap((layer) => entriesOf(layer, dtype));
  const copies = Array.from(others, ([key, tensor]): [string, TensorBytes] => [`${PREFIX}${key}`, tensor]);
  const weights = serializeSafetensors([...tensors, ...copies]);
  writeBytes(out, { config: text, weights }, overwrite);
}

/** Writes an adapter's two files into a folder, both or none. @throws CheckpointError when they cannot be written */
export function writeBytes(out: string, { config, weights }: AdapterFiles, overwrite: boolean): void {
  const draft = draftFolder(out, { overwrite });
  try {
    draft.create(WEIGHTS, weights.length).write(weights, 0);
    const text = new TextEncoder().encode(config);
    draft.create(CONFIG, text.length).write(text, 0);
    draft.commit();
  } finally {
    draft.discard();
  }
}

/** The two tensors of a layer, under the keys and with the axes of the layer that it stands for. */
function entriesOf({ like, factors }: NewLayer, dtype: "F32" | "F16" | "BF16"): [string, TensorBytes][] {
  return (["A", "B"] as const).map((letter) => {
    const [key, tensor] = [...like.tensors].find(([end]) =>
      new RegExp(`^lora_(embedding_)?${letter}`).test(end),
    ) as [string, SafeTensor];
    const { data, shape } = factors[letter];
    const rest = letter === "A" ? tensor.shape.slice(1) : tensor.shape.slice(2);
    const axes: Shape = letter === "A" ? [shape[0], ...rest] : [shape[0], shape[1], ...rest];
    const end = key.includes("embedding") || key.endsWith(".weight") ? key : `${key}.weight`; // AdaLoRA's have no end
    return [`${PREFIX}${like.name}.${end}`, tensorBytes(dtype, axes, data)];
  });
}
