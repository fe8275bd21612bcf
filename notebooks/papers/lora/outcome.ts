/** @file The results of a page's runs, by method: values of every base and seed, in the same order for all methods. */
import type { ArmResult } from "../../support/experiments/study.ts";
import { full, type Kept, type Updates } from "./methods.ts";

type Named = { readonly name: string };

/** A base, and its held-out loss before any adaptation. */
type From = { readonly base: string; readonly before: number };

export class Outcome {
  readonly #results: readonly ArmResult<Kept>[];
  readonly #shifts: readonly From[];

  constructor(shifts: readonly From[], ...results: readonly (readonly ArmResult<Kept>[])[]) {
    this.#shifts = shifts;
    this.#results = results.flat();
  }

  #of({ name }: Named): ArmResult<Kept>[] {
    const found = this.#results.filter(({ arm }) => arm === name);
    if (found.length === 0) throw new RangeError(`Outcome: expected a method that ran; got ${name}`);
    return found;
  }

  /** Held-out losses: the seeds of the first base, then those of the next. */
  losses(method: Named): number[] {
    return this.#of(method).flatMap(({ losses }) => losses);
  }

  /**
   * The part of full fine-tuning's gain that a method has, (before − loss) / (before − loss of full fine-tuning), run by
   * run and base by base: full fine-tuning of the same base with the same batches.
   */
  gains(method: Named): number[][] {
    return this.#of(method).map(({ base, losses }) => {
      const { before } = this.#shifts.find((one) => one.base === base) as From;
      const best = this.#of(full).find((one) => one.base === base) as ArmResult<Kept>;
      return losses.map((loss, seed) => (before - loss) / (before - best.losses[seed]));
    });
  }

  /** Number of parameters that the method trains. */
  trained(method: Named): number {
    return this.#of(method)[0].runs[0].trainable;
  }

  /** The trained updates of every run, base by base. */
  updates(method: Named): Updates[][] {
    return this.#of(method).map(({ runs }) => runs.map(({ read }) => read.updates));
  }

  /** Percent of the held-out rows that are right, base by base, where it was measured; NaN elsewhere. */
  accuracies(method: Named): number[][] {
    return this.#of(method).map(({ runs }) => runs.map(({ read }) => 100 * read.right));
  }

  /** Whether the method ran. */
  has({ name }: Named): boolean {
    return this.#results.some(({ arm }) => arm === name);
  }

  /** The runs from one base alone. */
  on({ base }: { readonly base: string }): Outcome {
    return new Outcome(
      this.#shifts,
      this.#results.filter((one) => one.base === base),
    );
  }

  /** This outcome and further runs from the same bases. */
  with(results: readonly ArmResult<Kept>[]): Outcome {
    return new Outcome(this.#shifts, this.#results, results);
  }

  /** The rate of each method. */
  rates(): { readonly method: string; readonly rate: number }[] {
    return [...new Map(this.#results.map(({ arm, rate }) => [arm, rate]))].map(([method, rate]) => ({
      method,
      rate,
    }));
  }
}
