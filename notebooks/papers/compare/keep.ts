/** @file What is kept of a reported run: whether merging is exact, and what the model writes. */
import { mergeError, type Trained } from "../../support/methods/recipes.ts";
import { type Compared, continued } from "./shifts.ts";

export interface Kept {
  /** Largest difference between a merged and an adapted logit, as a part of the largest logit; null if nothing merges. */
  readonly merge: number | null;
  readonly text: string;
}

/** The first of the reported seeds, whose model is looked at. */
const FIRST = 100;

/** A reader of runs on `shift`: the first seed's model is merged and writes, the others are only judged. */
export function kept(shift: Compared): (trained: Trained) => Kept | null {
  return (trained) => {
    if (trained.seed !== FIRST) return null;
    const error = mergeError(trained, shift.domain.validation[0]);
    return { merge: error && error.difference / error.largest, text: continued(trained.model, shift) };
  };
}
