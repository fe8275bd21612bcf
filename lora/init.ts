/**
 * @file First values of A [r, in] and B [out, r], with ΔW = s B A.
 *
 *     kaiming      A uniform on ±1/√in, B = 0       LoRA's code (loralib, PEFT). Embeddings: A = 0, B ~ N(0, 1)
 *     gaussian     A ~ N(0, 1/r²), B = 0            LoRA §4.1 says "random Gaussian"; the deviation is PEFT's
 *     random       A and B uniform on ±1/√in, ±1/√r not the identity: to try things on
 *     orthogonal   B A = 0 with neither zero        A = N₁ Q₁ / 10, B = N₂ Q₂ / 10, Q₁ and Q₂ orthogonal; PEFT's form
 *     pissa        s B A = the r largest singular triplets of W       Meng et al. 2024, arXiv:2404.02948, Eq. 2–4
 *     olora        B A = Q R cut to r columns and rows, W = Q R       Büyükakyüz 2024, arXiv:2406.01775, §3
 *     loftq        min ‖W − (q(·) + s B A)‖, q quantization           Li et al. 2023, arXiv:2310.08659, Alg. 1
 *
 * The last three take a part of W over: the layer keeps the remainder W − s B A, and still computes W x with the
 * adapter on it. In OLoRA's and LoftQ's own code B A has no factor; here s B A is what leaves W, as in PEFT.
 */

import {
  AdapterError,
  array,
  binary,
  contiguous,
  matmul,
  mT,
  type NDArray,
  qr,
  type Random,
  sameShape,
  svd,
  zeros,
} from "../core/index.ts";
import { kaimingUniform, normal } from "../nn/index.ts";
import { type Site, siteOf } from "./site.ts";

export type Init = "kaiming" | "gaussian" | "random" | "orthogonal" | "pissa" | "olora" | "loftq";

export interface LoftQ {
  /** W [out, in] before quantization: what is left of it in the quantized layer cannot tell what was lost. */
  readonly original: NDArray;
  /** T of Algorithm 1; 5, as in the paper's experiments. */
  readonly iterations?: number;
}

export interface InitOptions {
  readonly rank: number;
  /** s */
  readonly scaling: number;
  readonly init?: Init;
  readonly loftq?: LoftQ;
  /** Which factor starts at zero where one does: B, or A at an embedding. */
  readonly zero?: "A" | "B";
  readonly rng: Random;
}

export interface FirstValues {
  readonly A: NDArray; // [r, in]
  readonly B: NDArray; // [out, r]
  /** W − s B A [out, in] when W was divided, else null. */
  readonly remainder: NDArray | null;
}

/** First values for a layer. @throws AdapterError when the initialisation does not fit the layer or the rank */
export function firstValues(site: Site, options: InitOptions): FirstValues {
  const { init = "kaiming" } = options;
  if (!Object.hasOwn(starts, init))
    throw new AdapterError(`init: expected one of ${Object.keys(starts).join(", ")}; got ${init}`);
  return starts[init](site, options);
}

const starts: Record<Init, (site: Site, options: InitOptions) => FirstValues> = {
  kaiming: (site, options) =>
    startAtZero(site, options, ({ rank, rng }) => kaimingUniform(rng, [rank, site.in], site.in)),

  gaussian: (site, options) =>
    startAtZero(site, options, ({ rank, rng }) => normal(rng, [rank, site.in], 1 / rank)),

  random: (site, { rank, rng }) => ({
    A: kaimingUniform(rng, [rank, site.in], site.in),
    B: kaimingUniform(rng, [site.out, rank], rank),
    remainder: null,
  }),

  /** The rows of an orthogonal matrix, every other one for A and for B: Q₂ Q₁ᵀ = 0, so B A = N₂ᵀ Q₂ Q₁ᵀ N₁ᵀ / 100 = 0. */
  orthogonal(site, { rank, rng }) {
    if (rank % 2 !== 0) throw new AdapterError(`init orthogonal: expected an even rank; got ${rank}`);
    const { Q } = qr(rng.normal(rank * rank), rank, rank);
    const half = rank / 2;
    const rows = (first: number): NDArray =>
      array(
        Float64Array.from({ length: half * rank }, (_, i) => Q[i + (Math.floor(i / rank) + first) * rank]),
        [half, rank],
      );
    const spread = (units: number, Q: NDArray): NDArray => matmul(normal(rng, [units, half], 0.1), Q);
    return {
      A: contiguous(mT(spread(site.in, rows(0)))),
      B: spread(site.out, rows(1)),
      remainder: null,
    };
  },

  pissa(site, options) {
    checkDivision("pissa", site, options);
    const W = site.weight().value;
    return divided(W, halves(W, options), options.scaling);
  },

  olora(site, options) {
    checkDivision("olora", site, options);
    const { rank, scaling } = options;
    const W = site.weight().value;
    const { Q, R } = qr(W.data, site.out, site.in); // Q [out, p], R [p, in]
    const p = Math.min(site.out, site.in);
    const A = array(R.subarray(0, rank * site.in), [rank, site.in]);
    const B = array(
      Float64Array.from({ length: site.out * rank }, (_, i) => Q[Math.floor(i / rank) * p + (i % rank)]),
      [site.out, rank],
    );
    return divided(W, { A, B }, scaling);
  },

  loftq(site, options) {
    checkDivision("loftq", site, options);
    const { original: W, iterations = 5 } = options.loftq ?? {};
    if (!W || !sameShape(W.shape, [site.out, site.in]) || !(iterations >= 1)) {
      throw new AdapterError(
        `init loftq: expected loftq.original, the weight [${site.out}, ${site.in}] before quantization, and ` +
          `iterations ≥ 1; got ${W ? `[${W.shape.join(", ")}]` : "none"}, ${iterations}`,
      );
    }
    let remainder = W; // W − s B A, before quantization
    for (let t = 1; ; t++) {
      const quantized = siteOf(site.withWeight(remainder)).weight().value; // q(W − s B A)
      if (binaryEqual(quantized, remainder))
        throw new AdapterError("init loftq: expected a quantized layer; this one keeps its weight exactly");
      const { A, B } = halves(binary("sub", W, quantized), options);
      if (t >= iterations) return { A, B, remainder };
      remainder = divided(W, { A, B }, options.scaling).remainder as NDArray;
    }
  },
};

/** B A = 0 with one factor drawn: A by `draw`; at an embedding N(0, 1), and A is what is zero, unless `zero` says B. */
function startAtZero(site: Site, options: InitOptions, draw: (options: InitOptions) => NDArray): FirstValues {
  const { rank, rng } = options;
  const lookup = site.kind === "embedding";
  const { zero = lookup ? "A" : "B" } = options;
  const [a, b] = [
    [rank, site.in],
    [site.out, rank],
  ];
  if (zero === "A") return { A: zeros(a), B: normal(rng, b, 1), remainder: null };
  return { A: lookup ? normal(rng, a, 1) : draw(options), B: zeros(b), remainder: null };
}

/** A and B with s B A the best approximation of M of that rank: √(S/s) shared by both sides. */
function halves(M: NDArray, { rank, scaling, rng }: InitOptions): { A: NDArray; B: NDArray } {
  const [out, into] = M.shape;
  const { U, S, V } = leadingTriplets(M, rank, rng);
  const root = Array.from({ length: rank }, (_, k) => Math.sqrt(S[k] / scaling));
  const p = S.length;
  return {
    A: array(
      Float64Array.from({ length: rank * into }, (_, i) => {
        const k = Math.floor(i / into);
        return root[k] * V[(i % into) * p + k];
      }),
      [rank, into],
    ),
    B: array(
      Float64Array.from(
        { length: out * rank },
        (_, i) => U[Math.floor(i / rank) * p + (i % rank)] * root[i % rank],
      ),
      [out, rank],
    ),
  };
}

const EXACT_UP_TO = 128; // the Jacobi SVD of 128² takes 0.2 s, of 512² 7 s

/** At least r singular triplets of M, the largest: exactly for small M, else by subspace iteration, as PiSSA's "fast SVD"
 * (Halko, Martinsson & Tropp 2011, arXiv:0909.4061, Alg. 4.4), 16 times, with as many directions again to spare. */
function leadingTriplets(M: NDArray, rank: number, rng: Random): ReturnType<typeof svd> {
  const [out, into] = M.shape;
  if (Math.min(out, into) <= EXACT_UP_TO) return svd(M.data, out, into);
  const k = Math.min(2 * rank, out, into);
  const orthonormal = (X: NDArray): NDArray => array(qr(X.data, X.shape[0], k).Q, [X.shape[0], k]);
  let Q = orthonormal(matmul(M, array(rng.normal(into * k), [into, k]))); // [out, k]
  for (let i = 0; i < 16; i++) Q = orthonormal(matmul(M, orthonormal(matmul(mT(M), Q))));
  const { U, S, V } = svd(matmul(mT(Q), M).data, k, into); // Qᵀ M [k, in]
  return { U: Float64Array.from(matmul(Q, array(U, [k, k])).data), S, V };
}

function divided(W: NDArray, { A, B }: { A: NDArray; B: NDArray }, scaling: number): FirstValues {
  return { A, B, remainder: binary("sub", W, binary("mul", matmul(B, A), array(scaling, []))) };
}

function checkDivision(init: Init, { out, in: into }: Site, { rank, scaling }: InitOptions): void {
  if (rank > Math.min(out, into) || !(scaling > 0)) {
    throw new AdapterError(
      `init ${init}: expected a rank up to that of W, ${Math.min(out, into)}, and alpha > 0; got rank ${rank}, ` +
        `scaling ${scaling}`,
    );
  }
}

function binaryEqual(a: NDArray, b: NDArray): boolean {
  const [x, y] = [a.data, b.data];
  return x.every((value, i) => value === y[i]);
}
