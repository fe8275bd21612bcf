/**
 * @file Elo ratings of players judged in pairs, as QLoRA's section 5 computes them. The paper starts at 1,000 with
 * K = 32 and averages over random orders of the judgements, since a rating depends on the order it was earned in.
 */
import type { Random } from "lowrank/core";

/** `score` is the first player's: 1 for a win, ½ for a tie, 0 for a loss. */
export interface Judgement {
  readonly first: number;
  readonly second: number;
  readonly score: number;
}

/** What a player rated D higher is expected to score. */
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

/** Each pair judged `times` times; of a player of that strength the expected scores are Elo's own, without ties. */
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
