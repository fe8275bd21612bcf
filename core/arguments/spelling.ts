/** @file Spelling suggestions for messages: the known names nearest to one that is not known. */

/** `words` sorted by their edit distance to `wanted`, ignoring case. */
export function nearest(wanted: string, words: readonly string[]): string[] {
  return words
    .map((word) => ({ word, distance: editDistance(wanted.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ word }) => word);
}

/** Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  // D[i][j] is the distance of the first i letters of a to the first j of b.
  const D = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  for (let j = 1; j <= b.length; j++) D[0][j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replace = D[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      D[i][j] = Math.min(D[i - 1][j] + 1, D[i][j - 1] + 1, replace);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) D[i][j] = Math.min(D[i][j], D[i - 2][j - 2] + 1);
    }
  }
  return D[a.length][b.length];
}
