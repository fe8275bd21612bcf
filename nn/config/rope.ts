/**
 * @file Reads the rotary fields of Llama's configuration, in all forms in use.
 *
 * In older files `rope_theta` and `rope_scaling` are separate fields, and the kind of scaling is `type`, later `rope_type`.
 * In transformers 5 both are in one record, `rope_parameters`, and `rope_theta` may still be there as well. The forms
 * mean the same; two that contradict each other are refused.
 */

import { ArgumentError } from "../../core/index.ts";
import type { Fields } from "./fields.ts";

/** Positions divided by `factor` (Chen et al., 2023, arXiv:2306.15595). */
export interface LinearRopeScaling {
  readonly rope_type: "linear";
  readonly factor: number;
}

/**
 * "NTK-aware" frequencies, whose base grows with the length of the input from max_position_embeddings on. Up to there
 * nothing is scaled; beyond, a model here takes no tokens.
 */
export interface DynamicRopeScaling {
  readonly rope_type: "dynamic";
  readonly factor: number;
}

/** YaRN (Peng et al., 2023, arXiv:2309.00071). */
export interface YarnRopeScaling {
  readonly rope_type: "yarn";
  readonly factor: number;
  readonly original_max_position_embeddings: number;
  /** Factor on cosines and sines (§3.4). @default 0.1 ln(factor) + 1 */
  readonly attention_factor: number;
  readonly beta_fast: number;
  readonly beta_slow: number;
  /** Whether the ends of the ramp are rounded to whole pairs. */
  readonly truncate: boolean;
}

/** The stretched rotary frequencies of Llama 3.1 and later. */
export interface Llama3RopeScaling {
  readonly rope_type: "llama3";
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** How rotary frequencies are changed for inputs longer than those of the training. */
export type RopeScaling = LinearRopeScaling | DynamicRopeScaling | YarnRopeScaling | Llama3RopeScaling;

interface Rope {
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling | null;
}

/** @throws ArgumentError on a kind of scaling that there is no code for, and on fields that contradict each other */
export function readRope(f: Fields, max_position_embeddings: number): Rope {
  const beside = f.positive("rope_theta", null);
  const original = f.sizeOrNull("original_max_position_embeddings");
  const records = ["rope_parameters", "rope_scaling"].flatMap((name) => {
    const record = f.record(name);
    return record ? [readRecord(record, { max: max_position_embeddings, original }, name)] : [];
  });
  const thetas = [beside, ...records.map(({ theta }) => theta)].filter((theta) => theta !== null);
  const scalings = records.map(({ scaling }) => JSON.stringify(scaling));
  if (new Set(thetas).size > 1)
    throw new ArgumentError("modelConfig", "one rope_theta", { rope_theta: thetas });
  if (new Set(scalings).size > 1)
    throw new ArgumentError("modelConfig", "rope_parameters or rope_scaling, not both", {
      rope_parameters: scalings[0],
      rope_scaling: scalings[1],
    });
  return { rope_theta: thetas[0] ?? 10000, rope_scaling: records[0]?.scaling ?? null };
}

const kinds = ["default", "linear", "dynamic", "yarn", "llama3"] as const;

function readRecord(
  f: Fields,
  lengths: Lengths,
  name: string,
): { theta: number | null; scaling: RopeScaling | null } {
  const theta = f.positive("rope_theta", null);
  f.only({ partial_rotary_factor: [1] });
  const older = f.given("type") ? f.oneOf("type", kinds) : null;
  const kind = f.given("rope_type") || older === null ? f.oneOf("rope_type", kinds) : older;
  if (older !== null && older !== kind)
    throw new ArgumentError("modelConfig", `${name}: one type`, { type: older, rope_type: kind });
  const scaling = kind === "default" ? null : readers[kind](f, lengths);
  f.done(`${name} of type ${kind}`);
  return { theta, scaling };
}

/** Lengths of inputs that are known outside of the record. */
interface Lengths {
  /** max_position_embeddings. */
  readonly max: number;
  /** original_max_position_embeddings beside the record, which counts more than the one in it; null without one. */
  readonly original: number | null;
}

type Scaled = Exclude<(typeof kinds)[number], "default">;

const readers: { readonly [K in Scaled]: (f: Fields, lengths: Lengths) => RopeScaling } = {
  linear: (f) => ({ rope_type: "linear", factor: f.positive("factor") }),
  dynamic: (f, { max }) => {
    f.only({ original_max_position_embeddings: [max] });
    return { rope_type: "dynamic", factor: f.positive("factor") };
  },
  yarn: (f, lengths) => {
    const original = originalLength(f, lengths);
    const factor = f.has("factor") ? f.positive("factor", lengths.max / original) : f.positive("factor");
    const scales = [f.number("mscale"), f.number("mscale_all_dim")];
    const [mscale, all] = scales.map((scale) => attentionScale(factor, scale || 1));
    const attention_factor = f.positive(
      "attention_factor",
      scales.every(Boolean) ? mscale / all : attentionScale(factor, 1),
    );
    return {
      rope_type: "yarn",
      factor,
      original_max_position_embeddings: original,
      attention_factor,
      beta_fast: f.positive("beta_fast", 32),
      beta_slow: f.positive("beta_slow", 1),
      truncate: f.flag("truncate", !f.has("truncate")), // null counts as false, as in transformers
    };
  },
  llama3: (f, lengths) => ({
    rope_type: "llama3",
    factor: f.positive("factor"),
    low_freq_factor: f.positive("low_freq_factor"),
    high_freq_factor: f.positive("high_freq_factor"),
    original_max_position_embeddings: originalLength(f, lengths),
  }),
};

/** The length of the first training's inputs: beside the record, in it, or max_position_embeddings. */
function originalLength(f: Fields, { max, original }: Lengths): number {
  const inside = f.size("original_max_position_embeddings", max);
  return original ?? inside;
}

/** YaRN's scale of the attention scores' root. */
function attentionScale(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}
