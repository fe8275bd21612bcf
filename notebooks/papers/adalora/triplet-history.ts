/** @file The history of each AdaLoRA triplet in a run: when it was in use, and whether it came back. */
import type { Moment } from "./runs.ts";

/** The history of one triplet. */
export interface Life {
  /** Index of the adapted layer, and of the triplet in it. */
  readonly layer: number;
  readonly triplet: number;
  /** First and last step of each stretch of steps after which λ is not zero. */
  readonly stretches: readonly { readonly from: number; readonly to: number }[];
  /** Number of times that λ became non-zero again after it had been masked. */
  readonly returns: number;
  /** Whether the triplet is in use after the last step. */
  readonly survives: boolean;
}

/** One `Life` for each triplet. A zero up to step `warmup` is not a masked one, since λ starts at zero. */
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
