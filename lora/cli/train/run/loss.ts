/** @file The loss of a run, and the mean loss over a source. */

import { add, type Tensor } from "../../../../autograd/index.ts";
import { evaluated, type LanguageModelHolder, type Module, nextTokenLoss } from "../../../../nn/index.ts";
import { type AdaLoRA, orthogonality } from "../../../index.ts";
import { type Batch, batchOf } from "./batches.ts";
import { countOf, type Source } from "./source.ts";

/** The cross-entropy of a batch: the sum over the labels that count, times `factor`. */
export const lossOf = (model: LanguageModelHolder, { ids, labels }: Batch, factor: number): Tensor =>
  nextTokenLoss(model, ids, labels, { reduction: "sum" }).mul(factor);

/** AdaLoRA's loss: with the orthogonality of P and Q, in the form of the authors' code, which PEFT has, too. */
export const withOrthogonality = (loss: Tensor, adapters: Iterable<AdaLoRA>, weight: number): Tensor =>
  add(loss, orthogonality(adapters, { weight, form: "code" }));

/** How the mean loss is computed. */
export interface MeanOptions {
  readonly batchSize: number;
  /** The id at places without a token. */
  readonly padding: number;
  /** Most examples, spread evenly over the source. @default all */
  readonly most?: number;
  /** Called after each batch. */
  readonly onBatch?: (done: number, batches: number) => void;
}

/** The mean loss over the labels of a source that count, in evaluation mode. */
export function meanLoss(
  model: Module & LanguageModelHolder,
  source: Source,
  { batchSize, padding, most = Infinity, onBatch }: MeanOptions,
): number {
  const chosen = spread(source.size, most);
  let [sum, count] = [0, 0];
  for (let first = 0; first < chosen.length; first += batchSize) {
    const examples = chosen.slice(first, first + batchSize).map((i) => source.at(i, 0));
    const batch = batchOf(examples, padding);
    sum += evaluated(model, () => lossOf(model, batch, 1).item());
    count += examples.reduce((total, example) => total + countOf(example), 0);
    onBatch?.(Math.floor(first / batchSize) + 1, Math.ceil(chosen.length / batchSize));
  }
  return sum / count;
}

/** At most `most` numbers from 0 to n − 1, evenly spread. */
function spread(n: number, most: number): number[] {
  if (n <= most) return Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * n) / most));
}
