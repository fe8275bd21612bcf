/**
 * @file The methods of this library, one row each: the class of its adapters, how many parameters it has, and how PEFT's
 * files hold it. `inject(model, { method: "dora", … })` finds a method here by its name.
 *
 * PEFT's tensors, in adapter_model.safetensors:
 *
 *     lora       A  lora_A.weight [r, in]       B  lora_B.weight [out, r]
 *     dora       as lora, and m  lora_magnitude_vector [out]
 *     adalora    Q  lora_A [r, in · k]          P  lora_B [out, r]            λ  lora_E [r, 1]
 *
 * At an embedding A is lora_embedding_A and B is lora_embedding_B. At a convolution with a kernel k... A is
 * [r, in, k...], B [out, r, 1...] and m [1, out, 1...]. A file does not tell LoRA-FA from LoRA.
 */

import { tensor } from "../autograd/index.ts";
import { AdapterError, nearest, type Shape } from "../core/index.ts";
import { AdaLoRA } from "./adalora/adalora.ts";
import { DoRA } from "./dora.ts";
import { LoRA } from "./lora.ts";
import { LoraFA } from "./lora-fa.ts";
import { LoraConv } from "./loralib/conv.ts";
import { MergedLinear } from "./loralib/merged-linear.ts";
import {
  type AdapterClass,
  type CustomConfig,
  defineMethod,
  type MethodDefinition,
  type OptionsOf,
  type PeftForm,
  type Placement,
} from "./model/method.ts";

const ones = (kernel: readonly number[]): Shape => kernel.map(() => 1);

const peftLora: PeftForm = {
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

const lora = defineMethod({
  name: "lora",
  adapter: LoRA,
  count: { trained: (r, d_in, d_out) => r * (d_in + d_out) }, //                        LoRA §5.1
  peft: peftLora,
});

const loraFA = defineMethod({
  name: "lora-fa",
  adapter: LoraFA,
  count: { trained: (r, _, d_out) => r * d_out, frozen: (r, d_in) => r * d_in }, //     A stays as drawn
  peft: peftLora,
});

const dora = defineMethod({
  name: "dora",
  adapter: DoRA,
  count: { trained: (r, d_in, d_out) => r * (d_in + d_out) + d_out }, //                one magnitude per output
  peft: {
    ...peftLora,
    useDora: true,
    tensors: {
      ...peftLora.tensors,
      m: {
        key: "lora_magnitude_vector",
        shape: ({ out, kernel }) => (kernel.length > 0 ? [1, out, ...ones(kernel)] : [out]),
      },
    },
  },
});

const adalora = defineMethod({
  name: "adalora",
  adapter: AdaLoRA,
  count: { trained: (r, d_in, d_out) => r * (d_in + d_out) + r, prunes: true }, //      P, Q and diag Λ
  peft: {
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
  },
});

const mergedLinear = defineMethod({ name: "merged-linear", adapter: MergedLinear });

const loraConv = defineMethod({ name: "lora-conv", adapter: LoraConv });

/** The methods of this library by name. */
export const methods = {
  lora,
  dora,
  adalora,
  "lora-fa": loraFA,
  "merged-linear": mergedLinear,
  "lora-conv": loraConv,
} as const satisfies Record<string, MethodDefinition>;

/** The name of a method of this library. */
export type Method = keyof typeof methods;

/** The options of a method of this library, without those of `Placement`. */
export type MethodOptions<M extends Method = Method> = {
  [K in M]: OptionsOf<(typeof methods)[K]["adapter"]>;
}[M];

/** Names of the options of all methods. */
type OptionName = { [M in Method]: keyof MethodOptions<M> }[Method];

/** The options of one method, and none that only others have. */
type OnlyOptions<M extends Method> = MethodOptions<M> & {
  readonly [K in Exclude<OptionName, keyof MethodOptions<M>>]?: undefined;
};

/** The configuration of an adapter: its method ("lora" by default), the options of that method, where it goes. */
export type AdapterConfig =
  | {
      [M in Method]: Placement & OnlyOptions<M> & (M extends "lora" ? { method?: M } : { method: M });
    }[Method]
  | CustomConfig;

/** The definition of a method by its name. @throws AdapterError when there is none of that name */
export function methodOf(method: string | MethodDefinition = "lora"): MethodDefinition<AdapterClass> {
  if (typeof method === "object" && method !== null && "adapter" in method) return method;
  if (typeof method === "string" && Object.hasOwn(methods, method)) return methods[method as Method];
  const known = nearest(String(method), Object.keys(methods)).join(", ");
  throw new AdapterError(
    `method: expected one of ${known}, or a value of defineMethod; got ${JSON.stringify(method)}`,
  );
}
