/**
 * @file Laws: true statements about the library that anybody can check. A law is a sentence, its equation and a check of
 * it on one trial, which is an object that says what to try it on. The laws of adapters (lora/laws) and those of
 * quantization (quant/laws) share this interface:
 *
 *     laws.mergedIsAdapted.check({ ...trial, method: "dora" })      { holds: true, error: 1.2e-7, bound: 2.0e-5 }
 *     quantizationLaws.halfGap.check({ x, format: "nf4" })          { holds: true, error: 0.12, bound: 0.13 }
 */

/** What a check found. The law holds if error ≤ bound. */
export interface LawResult {
  readonly holds: boolean;
  /** The largest distance between what should be equal. */
  readonly error: number;
  /** The largest error that rounding can make, derived in the check; 0 where both sides must be equal to the last bit. */
  readonly bound: number;
}

/** One law, which is checked on objects of type `Trial`. */
export interface Law<Trial> {
  /** A short name, such as "merged equals adapted". */
  readonly name: string;
  /** The law in words, a full sentence. */
  readonly statement: string;
  /** The law in symbols. */
  readonly equation: string;
  /** Tries the law on `trial`. */
  check(trial: Trial): LawResult;
}

/** A law that says by itself which trials it applies to. */
export type GuardedLaw<Trial, L extends Law<Trial> = Law<Trial>> = L & {
  /** True if the law applies to `trial`; if it does not, `check` throws. */
  concerns(trial: Trial): boolean;
};

/** How a group of laws treats its trials. */
export interface Guard<Trial, L extends Law<Trial>> {
  /** Throws if `trial` is malformed. `who` names the law in the message. */
  validate(trial: Trial, who: string): void;
  /** Why `law` does not apply to `trial`, in words that follow "this law"; null if it applies. */
  exception(law: L, trial: Trial): string | null;
  /** The error to throw. */
  readonly error: new (
    message: string,
  ) => Error;
}

/**
 * Guards the checks of a group of laws, so that no check passes by mistake: each refuses malformed trials, trials that its
 * law does not apply to, and results that are not numbers.
 * @param group the name of the group, for error messages: "laws" gives "laws.mergedIsAdapted: …"
 */
export function guardLaws<Trial, L extends Law<Trial>, K extends string>(
  group: string,
  laws: Readonly<Record<K, L>>,
  { validate, exception, error: GroupError }: Guard<Trial, L>,
): Readonly<Record<K, GuardedLaw<Trial, L>>> {
  const guarded = (key: string, law: L): GuardedLaw<Trial, L> => ({
    ...law,
    concerns: (trial) => exception(law, trial) === null,
    check(trial) {
      const who = `${group}.${key}`;
      validate(trial, who);
      const why = exception(law, trial);
      if (why !== null) throw new GroupError(`${who}: this law ${why}. Ask ${who}.concerns(trial) first`);
      const result = law.check(trial) as LawResult | undefined;
      if (typeof result?.holds !== "boolean" || Number.isNaN(result.error) || Number.isNaN(result.bound))
        throw new GroupError(`${who}: expected a result of the check; got ${JSON.stringify(result)}`);
      return result;
    },
  });
  const entries = Object.entries<L>(laws).map(([key, law]) => [key, guarded(key, law)]);
  return Object.fromEntries(entries) as Record<K, GuardedLaw<Trial, L>>;
}

/** The result of comparing an error with its bound. */
export const within = (error: number, bound: number): LawResult => ({ holds: error <= bound, error, bound });

/** The result of a yes or no question: error 0 or infinite. */
export const exactly = (holds: boolean): LawResult => within(holds ? 0 : Number.POSITIVE_INFINITY, 0);

/** Joins results into one, which holds if all do: the first that fails, else the one with the largest bound. */
export const together = (...results: readonly LawResult[]): LawResult =>
  results.find(({ holds }) => !holds) ?? results.reduce((a, b) => (b.bound > a.bound ? b : a));

/** `together` for i = 0 … n − 1, one at a time; holds if n is 0. */
export function forAll(n: number, check: (i: number) => LawResult): LawResult {
  let widest = within(0, 0);
  for (let i = 0; i < n; i++) {
    const result = check(i);
    if (!result.holds) return result;
    if (result.bound > widest.bound) widest = result;
  }
  return widest;
}
