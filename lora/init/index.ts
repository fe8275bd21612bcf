/**
 * @file First values of A [r, in] and B [out, r], with ΔW = s B A.
 *
 *     kaiming      A uniform on ±1/√in, B = 0         LoRA's code (loralib, PEFT). Embeddings: A = 0, B ~ N(0, 1)
 *     gaussian     A ~ N(0, 1/r²), B = 0              LoRA §4.1 says "random Gaussian"; the deviation 1/r is PEFT's
 *     random       A on ±1/√in, B on ±1/√r, uniform   not the identity: for trying things on
 *     orthogonal   B A = 0 with neither zero          PEFT's form; see below
 *     pissa, olora, loftq                             A and B take a part of W over; see init-divided.ts
 */

import {
  AdapterError,
  contiguous,
  matmul,
  mT,
  type NDArray,
  qr,
  type Random,
  zeros,
} from "../../core/index.ts";
import { kaimingUniform, normal } from "../../nn/index.ts";
import type { Site } from "../model/weight-view.ts";
import { type LoftQ, loftq, matrix, olora, pissa } from "./residual.ts";

export type Init = "kaiming" | "gaussian" | "random" | "orthogonal" | "pissa" | "olora" | "loftq";

export interface InitOptions {
  readonly rank: number;
  /** s */
  readonly scaling: number;
  readonly init?: Init;
  readonly loftq?: LoftQ;
  /** Which factor starts at zero where one does: B unless given, A at an embedding. */
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

  orthogonal,
  pissa,
  olora,
  loftq,
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

/**
 * A = (N₁ Q₁)ᵀ and B = N₂ Q₂, with Q₁ and Q₂ [r/2, r] every other row of one orthogonal matrix, so that Q₂ Q₁ᵀ = 0 and
 * B A = N₂ Q₂ Q₁ᵀ N₁ᵀ = 0 but for rounding. N₁ [in, r/2] and N₂ [out, r/2] ~ N(0, 0.1²).
 */
function orthogonal(site: Site, { rank, rng }: InitOptions): FirstValues {
  if (rank % 2 !== 0) throw new AdapterError(`init orthogonal: expected an even rank; got ${rank}`);
  const { Q } = qr(rng.normal(rank * rank), rank, rank);
  const half = rank / 2;
  const rows = (first: 0 | 1): NDArray => matrix(half, rank, (i, j) => Q[(2 * i + first) * rank + j]);
  const A = mT(matmul(normal(rng, [site.in, half], 0.1), rows(0)));
  const B = matmul(normal(rng, [site.out, half], 0.1), rows(1));
  return { A: contiguous(A), B, remainder: null };
}
