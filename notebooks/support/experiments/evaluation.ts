/** @file The held-out loss and accuracy of a language model. */
import { argmax } from "lowrank/autograd";
import { scope } from "lowrank/core";
import { evaluated, type LanguageModel, nextTokenLoss } from "lowrank/nn";
import { type Batch, countedLabels, type Domain, IGNORED } from "../data/domain.ts";
import { sum } from "./statistics.ts";

/** Mean cross-entropy, in nats, over all validation labels that count. */
export function validationLoss(model: LanguageModel, { validation }: Domain): number {
  const sums = evaluated(model, () =>
    validation.map(({ ids, labels }) =>
      scope(() => nextTokenLoss(model, ids, labels, { reduction: "sum" }).item()),
    ),
  );
  return sum(sums) / sum(validation.map(countedLabels));
}

/**
 * Fraction of the validation rows in which every label that counts is the likeliest next symbol: for a task, the
 * completions that greedy decoding gets right. The result is exact, a ratio of two counts.
 */
export function accuracy(model: LanguageModel, { validation }: Domain): number {
  const right = evaluated(model, () => validation.map((batch) => scope(() => rowsRight(model, batch))));
  return sum(right) / sum(validation.map(({ ids }) => ids.shape[0]));
}

function rowsRight(model: LanguageModel, { ids, labels }: Batch): number {
  const [rows, width] = ids.shape;
  const read = new Int32Array(rows * (width - 1)); // the last symbol is predicted, never read
  for (let row = 0; row < rows; row++)
    read.set(ids.data.subarray(row * width, (row + 1) * width - 1), row * (width - 1));
  const likeliest = argmax(model.forward({ data: read, shape: [rows, width - 1] })).data;
  const right = (row: number): boolean =>
    Array.from({ length: width - 1 }, (_, i) => i).every((i) => {
      const label = labels.data[row * width + i + 1];
      return label === IGNORED || label === likeliest[row * (width - 1) + i];
    });
  return Array.from({ length: rows }, (_, row) => row).filter(right).length;
}
