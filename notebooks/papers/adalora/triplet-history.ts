/** @file The lives of triplets, read from the moments of a run: when each is in use, and whether it came back. */
import type { Moment } from "./runs.ts";

export interface Life {
  /** Number of the adapted layer, and of the triplet in it, from 0. */
  readonly layer: number;
  readonly triplet: number;
  /** The steps after which λ is not zero, first and last of each stretch. */
  readonly stretches: readonly { readonly from: number; readonly to: number }[];
  /** How often λ became other than zero after it had been masked. */
  readonly returns: number;
  /** Whether it is in use after the last step. */
  readonly survives: boolean;
}

/** One life for each triplet. What is zero up to step `warmup` has not been masked: λ starts at zero. */
export function livesOf(moments: readonly Moment[], warmup: number): Life[] {
  const first = moments[0]?.lambda ?? [];
  return first.flatMap((values, layer) =>
    values.map((_, triplet) => {
      const stretches: { from: number; to: number }[] = [];
      for (const { step, lambda } of moments) {
        if (lambda[layer][triplet] === 0) continue;
        const last = stretches.at(-1);
        if (last?.to === step - 1) last.to = step;
        else stretches.push({ from: step, to: step });
      }
      return {
        layer,
        triplet,
        stretches,
        returns: stretches.filter(({ from }) => from > warmup + 1).length,
        survives: moments[moments.length - 1].lambda[layer][triplet] !== 0,
      };
    }),
  );
}
