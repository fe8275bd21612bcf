/**
 * @file The memory ledger: the bytes of one training step on one card, from a model's published configuration alone.
 *
 *     base          n × bits/8, and the blocks' constants     linear layers as chosen; embeddings, norms, head in 16 bits
 *     adapters      p × 2                                     p numbers that train
 *     gradients     p × 2
 *     optimizer     p × 8                                     AdamW's two moments in float32
 *     activations   tokens × numbers that backward needs × 2
 *
 * With a float32 base all numbers have 4 bytes. Not counted: temporary arrays, the framework, fragmentation.
 */
import { countParameters } from "lowrank/lora";
import {
  type ConfigurationName,
  configurations,
  isInnerLinear,
  layout,
  type ModelFields,
  type ModuleLayout,
  parameterCount,
} from "lowrank/nn";
import { quantizedBytes } from "lowrank/quant";

export const ledgerModels = {
  gpt2: "GPT-2, 124M",
  "gpt2-xl": "GPT-2 XL, 1.6B",
  "llama-3.2-1b": "Llama 3.2, 1B",
  "llama-7b": "LLaMA, 7B",
  "mistral-7b": "Mistral, 7B",
  "llama-3-8b": "Llama 3, 8B",
  "llama-13b": "LLaMA, 13B",
  "llama-33b": "LLaMA, 33B",
  "llama-65b": "LLaMA, 65B",
  "llama-2-70b": "Llama 2, 70B",
  "gpt3-175b": "GPT-3, 175B",
} as const satisfies Partial<Record<ConfigurationName, string>>;

export type LedgerModel = keyof typeof ledgerModels;
export type LedgerMethod = "full" | "lora" | "lora-fa" | "dora";
export type LedgerTarget = "qv" | "attention" | "all";
export type LedgerBits = "32" | "16" | "8" | "4" | "4dq";
export type LedgerOptimizer = "adamw" | "adamw8" | "paged" | "sgd";

export interface LedgerSettings {
  readonly model: LedgerModel;
  readonly method: LedgerMethod;
  readonly rank: number;
  readonly target: LedgerTarget;
  readonly bits: LedgerBits;
  readonly optimizer: LedgerOptimizer;
  /** Rows of a batch, and tokens of a row. */
  readonly rows: number;
  readonly length: number;
  /** Whether only the input of each block is kept, and the rest computed again in the backward pass. */
  readonly checkpointing: boolean;
  /** Whether attention keeps no scores (FlashAttention). */
  readonly fused: boolean;
}

export type PartName = "base" | "adapters" | "gradients" | "optimizer" | "activations";

export interface LedgerPart {
  readonly name: PartName;
  readonly bytes: number;
  /** The formula with its numbers. */
  readonly formula: string;
}

export interface Ledger {
  readonly parts: readonly LedgerPart[];
  readonly total: number;
  /** Numbers that train, and numbers of the base model. */
  readonly trained: number;
  readonly all: number;
  /** The bits that were counted with: a base that trains cannot be quantized. */
  readonly bits: LedgerBits;
}

/** Bytes of state for each trained number, on the card. */
const STATE: Readonly<Record<LedgerOptimizer, number>> = { adamw: 8, adamw8: 2 + 8 / 256, paged: 0, sgd: 0 };

const formats = {
  "8": { format: "int8-rows" },
  "4": { format: "nf4" },
  "4dq": { format: "nf4", doubleQuant: true },
} as const;

/** A model as one of its blocks, which are all alike, and what stands around them. */
interface Blocks {
  readonly config: ModelFields;
  readonly count: number;
  readonly heads: number;
  readonly block: readonly ModuleLayout[];
  readonly around: readonly ModuleLayout[];
}

function blocksOf(model: LedgerModel): Blocks {
  const config = configurations[model];
  const isGpt2 = config.model_type === "gpt2";
  const single = isGpt2 ? { ...config, n_layer: 1 } : { ...config, num_hidden_layers: 1 };
  const modules = layout(single);
  const isInside = ({ name }: ModuleLayout): boolean => /\.0\./.test(name);
  return {
    config: { ...single },
    count: isGpt2 ? config.n_layer : config.num_hidden_layers,
    heads: isGpt2 ? config.n_head : config.num_attention_heads,
    block: modules.filter(isInside),
    around: modules.filter((module) => !isInside(module)),
  };
}

export function ledgerOf(settings: LedgerSettings): Ledger {
  const { model, method, optimizer } = settings;
  const isFull = method === "full";
  const bits = isFull && settings.bits !== "32" ? "16" : settings.bits;
  const blocks = blocksOf(model);
  const all = blocks.count * parameterCount(blocks.block) + parameterCount(blocks.around);
  const perModule = isFull
    ? countParameters("full", { config: blocks.config }).perModule
    : adaptedModules(method, settings, blocks.config);
  const adapted = new Set(perModule.filter(({ trainable }) => trainable > 0).map(({ name }) => name));
  const p = isFull ? all : blocks.count * sum(perModule.map(({ trainable }) => trainable));
  const frozenA = isFull ? 0 : blocks.count * sum(perModule.map(({ added, trainable }) => added - trainable));
  const width = bits === "32" ? 4 : 2;
  const state = STATE[optimizer];
  const numbers = activationNumbers(settings, blocks, adapted);
  const tokens = settings.rows * settings.length;
  const vocabulary = blocks.around.find(({ kind }) => kind === "head")?.outFeatures ?? 0;

  const parts: LedgerPart[] = [
    { name: "base", ...baseBytes(blocks, bits) },
    {
      name: "adapters",
      bytes: width * (isFull ? 0 : p + frozenA),
      formula: isFull
        ? "none: the base itself trains"
        : `${frozenA > 0 ? `(${big(p)} trained + ${big(frozenA)} frozen)` : big(p)} × ${width} B`,
    },
    { name: "gradients", bytes: width * p, formula: `${big(p)} × ${width} B` },
    {
      name: "optimizer",
      bytes: state * p,
      formula:
        optimizer === "paged"
          ? `${big(p)} × 8 B, in the host's memory while the card is full`
          : `${big(p)} × ${Number(state.toFixed(2))} B`,
    },
    {
      name: "activations",
      bytes: tokens * (width * numbers + 8 * vocabulary),
      formula: `${tokens.toLocaleString("en")} tokens × (${big(numbers)} × ${width} B + ${big(vocabulary)} logits × 8 B)`,
    },
  ];
  return { parts, total: sum(parts.map(({ bytes }) => bytes)), trained: p, all, bits };
}

/** Linear layers as chosen; embeddings, norms and the head in 16 bits, or all in float32. */
function baseBytes({ count, block, around }: Blocks, bits: LedgerBits): Omit<LedgerPart, "name"> {
  const all = count * parameterCount(block) + parameterCount(around);
  if (bits === "32" || bits === "16") {
    const width = Number(bits) / 8;
    return { bytes: width * all, formula: `${big(all)} × ${width} B` };
  }
  const linear = block.filter(({ kind }) => isInnerLinear(kind));
  const quantized = count * sum(linear.map(({ inFeatures, outFeatures }) => inFeatures * outFeatures));
  const bytes =
    count *
    sum(
      linear.map(({ inFeatures, outFeatures }) => {
        const { codes, absmax } = quantizedBytes([outFeatures, inFeatures], formats[bits]);
        return codes + absmax;
      }),
    );
  const each = ((8 * bytes) / quantized).toFixed(3);
  return {
    bytes: bytes + 2 * (all - quantized),
    formula: `${big(quantized)} × ${each}/8 B + ${big(all - quantized)} others × 2 B`,
  };
}

/** What a method adds to the layers of a target, and trains of it. */
function adaptedModules(
  method: Exclude<LedgerSettings["method"], "full">,
  { rank, target }: LedgerSettings,
  config: ModelFields,
): readonly { readonly name: string; readonly added: number; readonly trainable: number }[] {
  const on = (target: string | string[]) => countParameters(method, { config, rank, target }).perModule;
  if (target === "all") return on("all-linear");
  if (config.model_type !== "gpt2")
    return on(target === "qv" ? ["q_proj", "v_proj"] : ["q_proj", "k_proj", "v_proj", "o_proj"]);
  if (target === "attention") return on(["attn.c_attn", "attn.c_proj"]);
  // W_q and W_v are two of the three slices of c_attn, each of the size of c_proj.
  return on("attn.c_proj").map(({ name, added, trainable }) => ({
    name: name.replace("c_proj", "c_attn"),
    added: 2 * added,
    trainable: 2 * trainable,
  }));
}

/**
 * Numbers that the forward pass keeps for the backward pass, for each token: in each block the inputs of two norms, queries,
 * keys and values, scores, what goes into the activation function of the MLP; the input x of each matrix with a gradient of
 * A (or, in full fine-tuning, of W); A x; for DoRA's magnitude the output. With checkpointing the input of each block, and
 * one block.
 */
function activationNumbers(
  { method, rank, length, checkpointing, fused }: LedgerSettings,
  { count, heads, block }: Blocks,
  adapted: ReadonlySet<string>,
): number {
  const layers = block.filter(({ kind }) => isInnerLinear(kind));
  const named = (pattern: RegExp): ModuleLayout[] => layers.filter(({ name }) => pattern.test(name));
  const outputs = (of: readonly ModuleLayout[]): number => sum(of.map(({ outFeatures }) => outFeatures));
  const [qkv, out] = [named(/[qkv]_proj$|c_attn$/), named(/o_proj$|attn\.c_proj$/)];
  const [up, down] = [named(/gate_proj$|up_proj$|c_fc$/), named(/down_proj$|mlp\.c_proj$/)];
  const d = qkv[0].inFeatures;
  const needsInput = (of: readonly ModuleLayout[]): boolean =>
    method !== "lora-fa" && of.some(({ name }) => adapted.has(name));
  const inputs = [qkv, out, up, down].map((of) =>
    needsInput(of) || (fused && of === out) ? of[0].inFeatures : 0,
  );
  const own = layers
    .filter(({ name }) => method !== "full" && adapted.has(name))
    .map(({ outFeatures }) => rank + (method === "dora" ? outFeatures : 0));
  const one = 2 * d + outputs(qkv) + (fused ? 0 : heads * length) + outputs(up) + sum(inputs) + sum(own);
  return checkpointing ? count * d + one : count * one;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** 6.74·10⁹, 32,000 */
export function big(n: number): string {
  if (n < 1e6) return Math.round(n).toLocaleString("en");
  const power = Math.floor(Math.log10(n) / 3) * 3;
  return `${(n / 10 ** power).toPrecision(3)}·10${power === 6 ? "⁶" : power === 9 ? "⁹" : "¹²"}`;
}

/** GB and MB are 10⁹ and 10⁶ bytes, as the papers count. */
export function inBytes(bytes: number): string {
  const [unit, size] = bytes >= 1e12 ? ["TB", 1e12] : bytes >= 1e9 ? ["GB", 1e9] : (["MB", 1e6] as const);
  return `${Number((bytes / Number(size)).toPrecision(3)).toLocaleString("en")} ${unit}`;
}
