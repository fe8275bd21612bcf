/**
 * @file The memory of a QLoRA step of a GPT-2, by formula and by the meter. Temporaries of a step live until its scope
 * ends; so at the peak memory holds everything that the forward pass computed, and the gradients being propagated.
 */
import { type Bytes, liveBytes, scope } from "lowrank/core";
import { AdamW, type GPT2 } from "lowrank/nn";
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
