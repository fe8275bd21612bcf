/**
 * @file How PEFT's files hold the adapters of each method: one row a method, and nothing elsewhere depends on the method.
 *
 *     lora       A  lora_A.weight [r, in]       B  lora_B.weight [out, r]
 *     dora       as lora, and m  lora_magnitude_vector [out]
 *     adalora    Q  lora_A [r, in · k]          P  lora_B [out, r]            λ  lora_E [r, 1]
 *
 * At an embedding A is lora_embedding_A and B is lora_embedding_B. At a convolution with a kernel k... A is
 * [r, in, k...], B [out, r, 1...] and m [1, out, 1...]. A file does not tell LoRA-FA from LoRA.
 */

import { tensor } from "../../autograd/index.ts";
import type { Shape } from "../../core/index.ts";
import type { AdaLoRA } from "../adalora/adalora.ts";
import type { Adapter } from "../model/adapter.ts";

/** The sizes of an adapter and its layer, from which the shapes of the tensors follow. */
export interface TensorSizes {
  readonly rank: number;
  /** W is [out, in]; for a convolution `in` is the number of channels times the size of the kernel. */
  readonly out: number;
  readonly in: number;
  readonly channels: number;
  /** Lengths of a convolution's kernel; empty at other layers. */
  readonly kernel: readonly number[];
}

/** One tensor of an adapter in the file. */
export interface TensorForm {
  /** What follows the layer's name in its key. */
  readonly key: string;
  /**
   * The same at an embedding.
   * @default key
   */
  readonly embeddingKey?: string;
  readonly shape: (sizes: TensorSizes) => Shape;
}

/** The triplets of a method that prunes them: PEFT writes those that are left, and which they are in rank_pattern. */
export interface TripletForm {
  /** The axis of each parameter that counts triplets. */
  readonly axes: Readonly<Record<string, 0 | 1>>;
  /** For each triplet, whether it adds something to ΔW. */
  alive(adapter: Adapter): boolean[];
  /** Takes the triplets that `mask` leaves out, which the file does not hold, out of the adapter for good. */
  keepOnly(adapter: Adapter, mask: readonly boolean[]): void;
}

/** How PEFT's files hold the adapters of one method. */
export interface PeftForm {
  /** peft_type in adapter_config.json. */
  readonly type: "LORA" | "ADALORA";
  /** use_dora in adapter_config.json. */
  readonly useDora: boolean;
  /** False when PEFT has no adapters of this method on embeddings. */
  readonly onEmbeddings: boolean;
  /** The tensors of one layer, by the name of the adapter's parameter. */
  readonly tensors: Readonly<Record<string, TensorForm>>;
  /** Options of this library that an adapter of such a file has. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly triplets?: TripletForm;
}

const ones = (kernel: readonly number[]): Shape => kernel.map(() => 1);

const lora: PeftForm = {
  type: "LORA",
  useDora: false,
  onEmbeddings: true,
  tensors: {
    A: {
      key: "lora_A.weight",
      embeddingKey: "lora_embedding_A",
      shape: ({ rank, channels, kernel }) => [rank, channels, ...kernel],
    },
    B: {
      key: "lora_B.weight",
      embeddingKey: "lora_embedding_B",
      shape: ({ out, rank, kernel }) => [out, rank, ...ones(kernel)],
    },
  },
};

const dora: PeftForm = {
  ...lora,
  useDora: true,
  tensors: {
    ...lora.tensors,
    m: {
      key: "lora_magnitude_vector",
      shape: ({ out, kernel }) => (kernel.length > 0 ? [1, out, ...ones(kernel)] : [out]),
    },
  },
};

const adalora: PeftForm = {
  type: "ADALORA",
  useDora: false,
  onEmbeddings: false,
  tensors: {
    Q: { key: "lora_A", shape: (sizes) => [sizes.rank, sizes.in] },
    P: { key: "lora_B", shape: ({ out, rank }) => [out, rank] },
    lambda: { key: "lora_E", shape: ({ rank }) => [rank, 1] },
  },
  options: { ranknum: true },
  triplets: {
    axes: { P: 1, lambda: 0, Q: 0 },
    alive: (adapter: AdaLoRA) =>
      Array.from(adapter.lambda.value.data, (λ, i) => λ !== 0 && adapter.isKept(i)),
    keepOnly(adapter: AdaLoRA, mask) {
      adapter.kept = tensor(mask.map(Number), [mask.length, 1]);
    },
  },
};

/** The forms by method. A file is read as the first method whose form it has. */
export const peftForms = { lora, "lora-fa": lora, dora, adalora } as const satisfies Record<string, PeftForm>;

/** A method that PEFT's files can hold. */
export type PeftMethod = keyof typeof peftForms;

/** Names of these methods. */
export const peftMethods: readonly string[] = Object.keys(peftForms);

/** Whether PEFT's files can hold the method of this name. */
export const isPeftMethod = (method: string): method is PeftMethod => Object.hasOwn(peftForms, method);

/** The form of a method that PEFT's files can hold. */
export const formOf = (method: PeftMethod): PeftForm => peftForms[method];

/** The method as which a configuration is read; undefined when PEFT has none like it. */
export const methodOfForm = (type: PeftForm["type"], useDora: boolean): PeftMethod | undefined =>
  Object.keys(peftForms)
    .filter(isPeftMethod)
    .find((method) => peftForms[method].type === type && peftForms[method].useDora === useDora);
