/** @file What `inspect` and `verify` say of each tensor of a file: its header, its numbers, and what it is in a model. */

import {
  type Dtype,
  itemBytes,
  type SafeTensor,
  sizeOf,
  type TensorStatistics,
  tensorStatistics,
} from "../../../core/index.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** A tensor: its header, and its statistics when its numbers were read. */
export interface TensorReport extends Partial<Omit<TensorStatistics, "size">> {
  readonly name: string;
  readonly kind: TensorKind;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly parameters: number;
  readonly bytes: number;
}

/** The kinds of tensors, as their names tell them. */
export const tensorKinds = [
  "embedding",
  "attention",
  "mlp",
  "norm",
  "head",
  "adapter",
  "other",
  "buffer",
] as const;

export type TensorKind = (typeof tensorKinds)[number];

/** The first that fits a name decides. */
const signs: readonly (readonly [RegExp, TensorKind])[] = [
  [
    /(^|\.)attn\.(masked_)?bias$|\.inv_freq$|(^|\.)(position_ids|token_type_ids|num_batches_tracked)$/,
    "buffer",
  ],
  [/\.lora_|token_adapter|trainable_tokens/, "adapter"],
  [/(^|[._])(layer_?norm|norm|ln)(\d|_|\.|$)/i, "norm"],
  [/^(base_model\.model\.)?(lm_head|classifier|score|cls|qa_outputs|embed_out|head)\./, "head"],
  [/(^|\.)(wte|wpe|embed_tokens|embed_positions|\w*embeddings?|shared)\./, "embedding"],
  [/(^|[._])(self_)?(attn|attention|encoder_attn|[qkvo]_proj)([._]|$)/, "attention"],
  [/(^|\.)(mlp|intermediate|output|fc[12]|feed_?forward|ffn|experts?)\./i, "mlp"],
];

/** What a tensor of this name is in its model. */
export const kindOfTensor = (name: string): TensorKind =>
  signs.find(([sign]) => sign.test(name))?.[1] ?? "other";

/** Reports of tensors, in the order of the file. @param headers true: the numbers are not read */
export function reportTensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  headers: boolean,
  terminal: Terminal,
): TensorReport[] {
  const progress = headers ? null : terminal.progress("reading", tensors.size, "tensors");
  try {
    return Array.from(tensors, ([name, tensor], i) => {
      progress?.update(i, name);
      return reportTensor(name, tensor, headers);
    });
  } finally {
    progress?.done();
  }
}

function reportTensor(name: string, tensor: SafeTensor, headers: boolean): TensorReport {
  const { dtype, shape } = tensor;
  const parameters = sizeOf(shape);
  const header = { name, kind: kindOfTensor(name), dtype, shape, parameters };
  const report = { ...header, bytes: parameters * itemBytes[dtype] };
  if (headers) return report;
  const { size: _, ...statistics } = tensorStatistics(tensor);
  return { ...report, ...statistics };
}

/** Sentences about values that are not finite, one for each tensor that has some. */
export const notFinite = (reports: readonly TensorReport[]): string[] =>
  reports.flatMap(({ name, nan = 0, infinite = 0, firstNotFinite = -1, shape }) => {
    if (nan + infinite === 0) return [];
    const counts = [...(nan > 0 ? [`${nan} NaN`] : []), ...(infinite > 0 ? [`${infinite} ±∞`] : [])];
    return [`${name} holds ${counts.join(" and ")}, the first at [${placeIn(shape, firstNotFinite)}]`];
  });

/** The indices of element `at` of a tensor, in row-major order. */
function placeIn(shape: readonly number[], at: number): string {
  const place: number[] = [];
  let rest = at;
  for (const length of [...shape].reverse()) {
    place.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return place.join(", ");
}
