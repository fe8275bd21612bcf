// C = A·B for square matrices. Entries are multiples of 2⁻⁷ in [−1, 1): a sum of up to 1,024 products of them is a
// multiple of 2⁻¹⁴ below 2¹⁰, which float32 holds exactly. So every order of summation gives the same bits, and a
// contestant must equal the plain product entry for entry before it is timed.

import type { Contestant, Product } from "./contestant.ts";
import { type Runner, takeTurns } from "./measure.ts";
import { type Outcome, reason } from "./outcome.ts";
import { plainProduct } from "./peers/plain.ts";
import { uniform } from "./random.ts";

export const SIZES = [64, 128, 256, 512, 1024];

/** A sample repeats the product until it has lasted this long. */
const SAMPLE_SECONDS = 0.03;
const WARM_UP_SECONDS = 0.1;

/** An n × n matrix of multiples of 2⁻⁷ in [−1, 1). */
function dyadicMatrix(n: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: n * n }, () => Math.floor(next() * 256) / 128 - 1);
}

/** The first entry where `actual` is not `expected`, in words. */
function difference(actual: Float32Array, expected: Float32Array, n: number): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} entries instead of ${expected.length}`;
  const at = expected.findIndex((value, i) => value !== actual[i]);
  if (at < 0) return undefined;
  return `entry (${Math.floor(at / n)}, ${at % n}) is ${actual[at]} instead of ${expected[at]}`;
}

/** Runs the product until it is warm; returns how often a sample must repeat it. */
async function warmUp(product: Product): Promise<number> {
  let repeats = 1;
  let spent = 0;
  for (let runs = 0; runs < 3 || spent < WARM_UP_SECONDS; runs++) {
    const seconds = await product.run(repeats);
    spent += seconds;
    repeats = Math.max(1, Math.ceil((SAMPLE_SECONDS * repeats) / seconds));
    if (seconds > 1) break;
  }
  return repeats;
}

/** Every contestant's product of two n × n matrices: checked, then timed in turns. */
export async function benchMatmul(
  contestants: readonly Contestant[],
  n: number,
  rounds: number,
  progress: (text: string) => void,
): Promise<Outcome[]> {
  const [a, b] = [dyadicMatrix(n, 1), dyadicMatrix(n, 2)];
  const expected = plainProduct(a, b, n);
  const products: Product[] = [];
  const runners: Runner[] = [];
  const failures: Outcome[] = [];

  for (const contestant of contestants) {
    if (!contestant.product || n > contestant.largestProduct) continue;
    const { name } = contestant;
    progress(`checking ${name}`);
    try {
      const product = await contestant.product(a, b, n);
      products.push(product);
      const repeats = await warmUp(product);
      const wrong = difference(await product.result(), expected, n);
      if (wrong) failures.push({ name, failure: `wrong result, not timed: ${wrong}` });
      else runners.push({ name, sample: async () => (await product.run(repeats)) / repeats });
    } catch (error) {
      failures.push({ name, failure: reason(error) });
    }
  }

  const timings = await takeTurns(runners, rounds, progress);
  for (const product of products) product.dispose();
  return [...runners.map(({ name }, i) => ({ name, timing: timings[i], error: 0 })), ...failures];
}
