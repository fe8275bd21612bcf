/**
 * @file Initialization: the initial values of A [r, in] and B [out, r], with ΔW = s B A.
 *
 *     kaiming      A uniform on ±1/√in, B = 0         LoRA's code (loralib, PEFT). Embeddings: A = 0, B ~ N(0, 1)
 *     gaussian     A ~ N(0, 1/r²), B = 0              LoRA §4.1 says "random Gaussian"; the deviation 1/r is PEFT's
 *     random       A on ±1/√in, B on ±1/√r, uniform   not the identity: for trying things on
 *     orthogonal   B A = 0 with neither zero          PEFT's form; see below
 *     pissa, olora, loftq                             A and B take a part of W over: pissa.ts, olora.ts, loftq.ts
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
import type { WeightView } from "../model/weight-view.ts";
import { type LoftQ, loftq } from "./loftq.ts";
import { olora } from "./olora.ts";
import { pissa } from "./pissa.ts";
import { matrix } from "./residual.ts";

export type Init = "kaiming" | "gaussian" | "random" | "orthogonal" | "pissa" | "olora" | "loftq";

export interface InitOptions {
  readonly rank: number;
  /** s */
  readonly scaling: number;
  /** @default "kaiming" */
  readonly init?: Init;
  /** For `init: "loftq"`: the weight before it was quantized. */
  readonly loftq?: LoftQ;
  /**
   * The factor that starts at zero, for the initializations that have one.
   * @default "B", and "A" at an embedding
   */
  readonly zero?: "A" | "B";
  readonly rng: Random;
}

export interface Initial {
  readonly A: NDArray; // [r, in]
  readonly B: NDArray; // [out, r]
  /** The residual weight W − s B A [out, in] when A and B took a part of W over, else null. */
  readonly residual: NDArray | null;
}

/** Initial values for one layer. @throws AdapterError when the initialization does not fit the layer or the rank */
export function initialize(W0: WeightView, options: InitOptions): Initial {
  const { init = "kaiming" } = options;
  if (!Object.hasOwn(starts, init))
    throw new AdapterError(`init: expected one of ${Object.keys(starts).join(", ")}; got ${init}`);
  return starts[init](W0, options);
}

/** @deprecated Named `Initial` now, with `residual` for `remainder`. */
export type FirstValues = Initial & { readonly remainder: NDArray | null };

/** @deprecated Named `initialize` now. */
export function firstValues(W0: WeightView, options: InitOptions): FirstValues {
  const initial = initialize(W0, options);
  return { ...initial, remainder: initial.residual };
}

const starts: Record<Init, (W0: WeightView, options: InitOptions) => Initial> = {
  kaiming: (W0, options) =>
    startAtZero(W0, options, ({ rank, rng }) => kaimingUniform(rng, [rank, W0.in], W0.in)),

  gaussian: (W0, options) =>
    startAtZero(W0, options, ({ rank, rng }) => normal(rng, [rank, W0.in], 1 / rank)),

  random: (W0, { rank, rng }) => ({
    A: kaimingUniform(rng, [rank, W0.in], W0.in),
    B: kaimingUniform(rng, [W0.out, rank], rank),
    residual: null,
  }),

  orthogonal,
  pissa,
  olora,
  loftq,
};

/** B A = 0 with one factor drawn: A by `draw`; at an embedding N(0, 1), and A is what is zero, unless `zero` says B. */
function startAtZero(W0: WeightView, options: InitOptions, draw: (options: InitOptions) => NDArray): Initial {
  const { rank, rng } = options;
  const lookup = W0.kind === "embedding";
  const { zero = lookup ? "A" : "B" } = options;
  const [a, b] = [
    [rank, W0.in],
    [W0.out, rank],
  ];
  if (zero === "A") return { A: zeros(a), B: normal(rng, b, 1), residual: null };
  return { A: lookup ? normal(rng, a, 1) : draw(options), B: zeros(b), residual: null };
}

/**
 * A = (N₁ Q₁)ᵀ and B = N₂ Q₂, with Q₁ and Q₂ [r/2, r] every other row of one orthogonal matrix, so that Q₂ Q₁ᵀ = 0 and
 * B A = N₂ Q₂ Q₁ᵀ N₁ᵀ = 0 but for rounding. N₁ [in, r/2] and N₂ [out, r/2] ~ N(0, 0.1²).
 */
function orthogonal(W0: WeightView, { rank, rng }: InitOptions): Initial {
  if (rank % 2 !== 0) throw new AdapterError(`init orthogonal: expected an even rank; got ${rank}`);
  const { Q } = qr(rng.normal(rank * rank), rank, rank);
  const half = rank / 2;
  const rows = (first: 0 | 1): NDArray => matrix(half, rank, (i, j) => Q[(2 * i + first) * rank + j]);
  const A = mT(matmul(normal(rng, [W0.in, half], 0.1), rows(0)));
  const B = matmul(normal(rng, [W0.out, half], 0.1), rows(1));
  return { A: contiguous(A), B, residual: null };
}
