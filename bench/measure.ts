// Timing in turns: A B C A B C ..., so that whatever else the machine does falls on all contestants alike. What is
// reported is the median and the quartiles, which a few disturbed samples do not move.

/** Something warm that can be timed once more. */
export interface Runner {
  name: string;
  /** Resolves to the seconds of one run. */
  sample(): Promise<number>;
}

export interface Timing {
  median: number; // s
  lowerQuartile: number; // s
  upperQuartile: number; // s
  samples: number[]; // s, in the order taken
}

/** The q-quantile of `sorted`, linear between neighbours. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

export function summarise(samples: number[]): Timing {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
    samples,
  };
}

/** Takes `rounds` samples of every runner, in turns, and returns their timings in the same order. */
export async function takeTurns(
  runners: readonly Runner[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Timing[]> {
  const samples: number[][] = runners.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, runner] of runners.entries()) {
      progress(`round ${round} of ${rounds}: ${runner.name}`);
      samples[i].push(await runner.sample());
    }
  }
  return samples.map(summarise);
}
