/** @file The held-out loss of a language model. */
import { scope } from "lowrank/core";
import { evaluated, type LanguageModel, nextTokenLoss } from "lowrank/nn";
import { countedLabels, type Domain } from "./domain.ts";

/** Mean cross-entropy in nats over all validation labels that count. */
export function validationLoss(model: LanguageModel, { validation }: Domain): number {
  const sums = evaluated(model, () =>
    validation.map(({ ids, labels }) =>
      scope(() => nextTokenLoss(model, ids, labels, { reduction: "sum" }).item()),
    ),
  );
  const counted = validation.reduce((n, batch) => n + countedLabels(batch), 0);
  return sums.reduce((total, sum) => total + sum, 0) / counted;
}
