/** @file The results of a study on one base, as the page asks for them: by method, beside LoRA, as parts of the gap. */
import { mean } from "../../support/experiments/statistics.ts";
import type { ArmResult } from "../../support/experiments/study.ts";
import { interval } from "../../support/experiments/verdicts.ts";

/** A method beside LoRA. */
export interface Beside {
  readonly arm: string;
  /** Mean of the paired differences of the losses, this method less LoRA. */
  readonly difference: number;
  /**
   * "ahead" or "behind" if the 95 % interval of the difference leaves zero out and its mean is at least δ, "level" if the
   * interval lies within ± δ, else one cannot tell.
   */
  readonly side: "ahead" | "behind" | "level" | "unsure";
}

/** All arms on one base; `before` is the base's loss. */
export class Comparison<T> {
  readonly results: readonly ArmResult<T>[];
  readonly before: number;
  readonly #par: number;

  constructor(
    results: readonly ArmResult<T>[],
    { before, par }: { readonly before: number; readonly par: number },
  ) {
    this.results = [...results].sort((a, b) => mean(a.losses) - mean(b.losses));
    this.before = before;
    this.#par = par;
  }

  /** @throws RangeError if the arm did not run */
  of(arm: string): ArmResult<T> {
    const found = this.results.find((one) => one.arm === arm);
    if (!found) throw new RangeError(`comparison: expected an arm that ran; got "${arm}"`);
    return found;
  }

  losses = (arm: string): readonly number[] => this.of(arm).losses;
  rate = (arm: string): number => this.of(arm).rate;
  trained = (arm: string): number => this.of(arm).runs[0].trainable;
  /** Bytes that a step keeps for the backward pass. */
  saved = (arm: string): number => this.of(arm).runs[0].memory.saved;

  /** The part of the gap that each run closes, in percent: (before − loss) / (before − full fine-tuning). */
  closed(arm: string): number[] {
    const best = mean(this.losses("full fine-tuning"));
    return this.losses(arm).map((loss) => (100 * (this.before - loss)) / (this.before - best));
  }

  /** Every other method beside LoRA, from the lowest loss to the highest. */
  besideLora(): Beside[] {
    const lora = this.losses("LoRA");
    return this.results
      .filter(({ arm }) => arm !== "LoRA")
      .map(({ arm, losses }): Beside => {
        const { mean: difference, low, high } = interval(losses.map((loss, seed) => loss - lora[seed]));
        const counts = (low > 0 || high < 0) && Math.abs(difference) >= this.#par;
        if (counts) return { arm, difference, side: difference < 0 ? "ahead" : "behind" };
        const within = low >= -this.#par && high <= this.#par;
        return { arm, difference, side: within ? "level" : "unsure" };
      });
  }

  /** Which methods with few numbers are ahead of LoRA and which behind, in words. */
  sides(): string {
    const few = this.besideLora().filter(({ arm }) => arm !== "full fine-tuning");
    const said = {
      ahead: "ahead of LoRA",
      behind: "behind",
      level: "level with it",
      unsure: "one cannot tell",
    };
    return Object.entries(said)
      .map(([side, words]) => [words, few.filter((one) => one.side === side).map(({ arm }) => arm)] as const)
      .flatMap(([words, arms]) => (arms.length > 0 ? [`${words}: ${arms.join(", ")}`] : []))
      .join("; ");
  }

  /** The largest rank at which a method trains no more numbers than LoRA does, found from its count at `rank`. */
  rankForLorasNumbers(arm: "LoRA-FA" | "DoRA", rank: number): number {
    const [mine, lora] = [this.trained(arm), this.trained("LoRA")];
    const fixed = arm === "DoRA" ? mine - lora : 0; // DoRA's magnitudes, whatever the rank
    return Math.max(1, Math.floor((lora - fixed) / ((mine - fixed) / rank)));
  }
}
