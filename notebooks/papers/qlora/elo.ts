/**
 * @file Elo ratings of players judged in pairs, as in §5 of QLoRA's paper. The paper starts at 1,000 with K = 32 and
 * averages over random orders of the judgements, since a rating depends on their order.
 */
import type { Random } from "lowrank/core";

/** A judgement of a pair. `score` is the first player's: 1 for a win, ½ for a tie, 0 for a loss. */
export interface Judgement {
  readonly first: number;
  readonly second: number;
  readonly score: number;
}

/** Expected score of a player who is rated D higher. */
export const expectedScore = (D: number): number => 1 / (1 + 10 ** (-D / 400));

/** The players' ratings after all judgements, in order. */
export function elo(
  players: number,
  judgements: Iterable<Judgement>,
  { start = 1000, K = 32 } = {},
): number[] {
  const R = new Array<number>(players).fill(start);
  for (const { first, second, score } of judgements) {
    const change = K * (score - expectedScore(R[first] - R[second]));
    R[first] += change;
    R[second] -= change;
  }
  return R;
}

/** ratings[n]: the players' ratings after all judgements in the n-th random order. */
export function eloInOrders(
  players: number,
  judgements: readonly Judgement[],
  { orders, random }: { readonly orders: number; readonly random: Random },
): number[][] {
  return Array.from({ length: orders }, () =>
    elo(
      players,
      Array.from(random.permutation(judgements.length), (i) => judgements[i]),
    ),
  );
}

/** Judges each pair `times` times, without ties, so that `strengths` are the true Elo ratings. */
export function judge(strengths: readonly number[], times: number, random: Random): Judgement[] {
  const judgements: Judgement[] = [];
  for (let first = 0; first < strengths.length; first++)
    for (let second = first + 1; second < strengths.length; second++)
      for (let n = 0; n < times; n++) {
        const wins = random.float() < expectedScore(strengths[first] - strengths[second]);
        judgements.push({ first, second, score: wins ? 1 : 0 });
      }
  return judgements;
}
