/**
 * @file The toy with a hidden layer of Hayou, Ghosh & Yu, 2024, arXiv:2402.12354, Eq. 3:
 * f(x) = W_out relu(B A relu(W_in x)) with 5 inputs, width n and rank 4. Only A and B train, by gradient descent on all
 * examples at once, each with a rate of its own. W_in ~ N(0, 1); W_out, A ~ N(0, 1/n); B ~ N(0, 1);
 * x ~ N(0, I), y = sin(mean of x); the loss is half the mean squared error.
 *
 * The paper trains on 1,000 examples and tests on 100; here it is the other way round, nearly: ten steps cannot overfit,
 * and what is measured by more examples is measured better.
 */
import { type Tensor, tensor } from "lowrank/autograd";
import { random, scope } from "lowrank/core";

export interface Rates {
  readonly etaA: number;
  readonly etaB: number;
}

/** A pair of rates, with the test loss of each seed; infinite where training has diverged. */
export interface Cell extends Rates {
  readonly losses: readonly number[];
}

interface Examples {
  /** relu(W_in x) [examples, n] */
  readonly h: Tensor;
  /** [examples, 1] */
  readonly y: Tensor;
}

export interface HiddenToy {
  readonly n: number;
  readonly train: Examples;
  readonly test: Examples;
  /** W_out [n, 1] */
  readonly out: Tensor;
  /** The factors at the start: A [r, n], B [n, r]. */
  readonly A: Float32Array;
  readonly B: Float32Array;
}

const R = 4;
const INPUTS = 5;
const TRAIN = 200;
const TEST = 1000;
/** A training loss above this has diverged. */
const DIVERGED = 1e6;

export function hiddenToy(n: number, seed: number): HiddenToy {
  const rng = random(seed).split(`figure 2, n = ${n}`);
  const win = tensor(rng.split("in").normal(n * INPUTS), [n, INPUTS]);
  const examples = (count: number, label: string): Examples => {
    const x = tensor(rng.split(label).normal(count * INPUTS), [count, INPUTS]);
    return { h: x.matmul(win.T).relu(), y: x.mean(1).sin().reshape(count, 1) };
  };
  return {
    n,
    train: examples(TRAIN, "train"),
    test: examples(TEST, "test"),
    out: tensor(rng.split("out").normal(n, 0, 1 / Math.sqrt(n)), [n, 1]),
    A: rng.split("A").normal(R * n, 0, 1 / Math.sqrt(n)),
    B: rng.split("B").normal(n * R),
  };
}

/** Half the mean squared error of `copies` pairs of factors at once, A [copies, r, n] and B [copies, n, r]: [copies]. */
export function hiddenLoss({ n, out }: HiddenToy, { h, y }: Examples, A: Tensor, B: Tensor): Tensor {
  const copies = A.shape[0];
  const z = h
    .matmul(A.reshape(copies * R, n).T)
    .reshape(h.shape[0], copies, R)
    .permute(1, 0, 2); // A h
  return z.matmul(B.T).relu().matmul(out).sub(y).square().mean([1, 2]).mul(0.5);
}

/** The test losses of one toy after `steps` steps with each pair of rates. */
export function trainHidden(toy: HiddenToy, pairs: readonly Rates[], steps: number): number[] {
  const { n } = toy;
  const copies = pairs.length;
  const repeat = (values: Float32Array, shape: number[]): Tensor => {
    const all = new Float32Array(copies * values.length);
    for (let i = 0; i < copies; i++) all.set(values, i * values.length);
    return tensor(all, shape, { requiresGrad: true });
  };
  const column = (values: readonly number[]): Tensor => tensor([...values], [copies, 1, 1]);
  return scope(() => {
    const [A, B] = [repeat(toy.A, [copies, R, n]), repeat(toy.B, [copies, n, R])];
    const rateA = column(pairs.map(({ etaA }) => etaA));
    const rateB = column(pairs.map(({ etaB }) => etaB));
    let alive = true;
    for (let step = 0; step < steps && alive; step++) {
      scope(() => {
        const losses = hiddenLoss(toy, toy.train, A, B);
        losses.sum().backward();
        A.assign(A.sub((A.grad as Tensor).mul(rateA)));
        B.assign(B.sub((B.grad as Tensor).mul(rateB)));
        for (const leaf of [A, B]) leaf.zeroGrad();
        alive = losses.toArray().some((loss) => loss < DIVERGED);
      });
    }
    const losses = hiddenLoss(toy, toy.test, A.detach(), B.detach());
    return Array.from(losses.toArray(), (loss) => (loss < DIVERGED ? loss : Number.POSITIVE_INFINITY));
  });
}
