/**
 * @file Memory: LLaMA models in training, computed from their shapes; a QLoRA step of a GPT-2, by formula and by the
 * meter; and an optimizer whose state is in pages. Temporaries of a step live until its scope ends; so at the peak memory
 * holds everything that the forward pass computed, and the gradients being propagated.
 */
import { type Bytes, liveBytes, scope } from "lowrank/core";
import { countParameters } from "lowrank/lora";
import {
  AdamW,
  configurations,
  type GPT2,
  type LanguageModel,
  layout,
  linearWeightCount,
  nextTokenLoss,
  parameterCount,
} from "lowrank/nn";
import { PagedAdamW, quantizedBytes } from "lowrank/quant";
import type { Batch } from "../../support/data/domain.ts";
import { measureOwn, release } from "../../support/experiments/memory.ts";
import { sum } from "../../support/experiments/statistics.ts";

export interface StepShape {
  readonly rows: number;
  readonly time: number;
  readonly d: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly rank: number;
  /** Whether each block is in a checkpoint. */
  readonly checkpointed: boolean;
}

/** Numbers per token of one block with adapters on its four linear layers, whose outputs are 3d, d, 4d and d wide. */
export function blockNumbers({ time, d, heads, rank: r }: StepShape): Readonly<Record<string, number>> {
  return {
    "two layer norms": 2 * (3 * d + 1), //                          x − mean, that over σ, y; 1/σ
    "W x, B A x, their sum, + b": 4 * (3 * d + d + 4 * d + d),
    "A x and s A x, four times": 8 * r,
    "scores and softmax": 2 * heads * time, //                      of each token to every other
    "scaled queries, keys, heads, merged heads": 4 * d,
    GELU: 4 * d,
    "two sums with the residual": 2 * d,
  };
}

/** Bytes of activations at the peak, including the gradients being propagated. */
export function activationBytes(step: StepShape): number {
  const { rows, time, d, layers, heads, vocabulary, checkpointed } = step;
  const block = sum(Object.values(blockNumbers(step)));
  const blocks = checkpointed ? layers * d + block : layers * block; // inputs of all and one again, or all
  const around = 3 * d + (3 * d + 1) + 2 * vocabulary; //              embeddings, last norm, logits and their softmax
  const onTheWay = Math.max(12 * d, 2 * heads * time + d); //          through the MLP, or through attention
  return 4 * rows * time * (blocks + around + onTheWay);
}

/** Peak bytes of one step (with the optimizer's state allocated), by category and in total. */
export interface StepMemory {
  readonly peak: Readonly<Bytes>;
  readonly peakTotal: number;
  /** Number of trainable parameters, and of frozen ones. */
  readonly trained: number;
  readonly frozen: number;
}

/** Makes a model, takes two training steps on `batch`, measures the second, and releases the model. */
export function measureStep(make: () => GPT2, { ids, labels }: Batch): StepMemory {
  const others = liveBytes();
  const model = make();
  model.train();
  const parameters = model.parameters();
  const optimizer = new AdamW(
    parameters.filter(({ requiresGrad }) => requiresGrad),
    { lr: 1e-3 },
  );
  const step = (): void => {
    model.loss(ids, labels).backward();
    optimizer.step();
    optimizer.zeroGrad();
  };
  scope(step);
  const { memory, peak } = measureOwn(others, step);
  release(model, optimizer);
  const size = (list: readonly { readonly size: number }[]): number => sum(list.map((each) => each.size));
  return {
    peak: memory,
    peakTotal: peak,
    trained: size(optimizer.parameters()),
    frozen: size(parameters) - size(optimizer.parameters()),
  };
}

/** Bytes in training, part by part. */
export interface Parts {
  readonly base: number;
  readonly adapters: number;
  readonly gradients: number;
  readonly optimizer: number;
  readonly activations: number;
}

export const total = (parts: Parts): number => sum(Object.values(parts));

/** Tokens of the one row of a batch. */
export const TOKENS = 512;

/**
 * LLaMA, 7B to 65B: adapters of rank 64 on every linear layer, in 16 bits like their gradients, with two float32 moments.
 * The base is in 16 bits, or its linear layers are in NF4 with double quantization. Full fine-tuning takes 12 bytes a
 * parameter: 2 for the weight, 2 for its gradient, 8 for Adam's moments.
 */
export const llamas = (["llama-7b", "llama-13b", "llama-33b", "llama-65b"] as const).map((name) => {
  const config = configurations[name];
  const modules = layout(config);
  const [all, linear] = [parameterCount(modules), linearWeightCount(modules)];
  const { trainable } = countParameters("lora", { config, rank: 64, target: "all-linear" });
  const { codes, absmax } = quantizedBytes([linear], { format: "nf4", blockSize: 64, doubleQuant: true });
  const trained = { adapters: 2 * trainable, gradients: 2 * trainable, optimizer: 8 * trainable };
  const activations = checkpointedBytes(config);
  return {
    size: name.replace("llama-", "").toUpperCase(),
    parameters: all,
    full: 12 * all,
    lora: { base: 2 * all, ...trained, activations } as Parts,
    qlora: { base: codes + absmax + 2 * (all - linear), ...trained, activations } as Parts,
    /** What double quantization saves if all weights are in NF4, as the paper counts. */
    saved: ((32 / 64 - 8 / 64 - 32 / (64 * 256)) * all) / 8,
  };
});

/** Activations of a row of `TOKENS` in 16 bits with gradient checkpointing: each block's input, one block, the logits. */
function checkpointedBytes({
  hidden_size: d,
  intermediate_size: inner,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  vocab_size: vocabulary,
}: (typeof configurations)["llama-7b"]): number {
  const block = 2 * 3 * d + 4 * 2 * d + 2 * heads * TOKENS + 4 * d + 3 * 2 * inner + 2 * inner + 2 * d;
  return TOKENS * (2 * (layers * d + block) + 2 * 4 * vocabulary); // logits and their softmax in float32
}

/** Takes the same steps with AdamW and with PagedAdamW on copies of a model, all of whose weights train. */
export function paged(make: () => LanguageModel, batches: readonly Batch[], part: number) {
  const train = (optimizerOf: (model: LanguageModel) => AdamW) => {
    const model = make();
    model.requiresGrad_();
    const optimizer = optimizerOf(model);
    for (const { ids, labels } of batches)
      scope(() => {
        nextTokenLoss(model, ids, labels).backward();
        optimizer.step();
        optimizer.zeroGrad();
      });
    const weights = model.parameters().map((parameter) => parameter.toArray());
    const counts = optimizer instanceof PagedAdamW ? optimizer.paging : null;
    if (optimizer instanceof PagedAdamW) {
      optimizer.close();
      for (const storage of model.storages()) storage.release();
    } else release(model, optimizer);
    return { weights, counts };
  };
  const state = sum(
    make()
      .parameters()
      .map(({ size }) => 8 * size),
  );
  const budget = Math.ceil(state / part);
  const plain = train((model) => new AdamW(model.parameters(), { lr: 1e-3 }));
  const inPages = train((model) => new PagedAdamW(model.parameters(), { lr: 1e-3, budget, pageBytes: 4096 }));
  return {
    state,
    budget,
    resident: inPages.counts?.peakResidentBytes ?? 0,
    moved: (inPages.counts?.bytesRead ?? 0) + (inPages.counts?.bytesWritten ?? 0),
    equal: plain.weights.every((w, i) => w.every((value, j) => value === inPages.weights[i][j])),
  };
}
