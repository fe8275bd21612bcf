/** @file A single layer adapted by a method of the library, with given numbers in its parameters. */
import { noGrad, type Tensor, tensor } from "lowrank/autograd";
import { svd } from "lowrank/core";
import { type AdapterConfig, inject } from "lowrank/lora";
import { Linear, Module } from "lowrank/nn";
import { vera } from "../../../test/lora/methods/vera.ts";

class OneLayer extends Module {
  layer: Linear;

  constructor(layer: Linear) {
    super();
    this.layer = layer;
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

/** The weight W' that the library merges, with these values in the adapter's parameters. */
function merged(W0: Tensor, config: object, values: Readonly<Record<string, Tensor>>): Float64Array {
  const [out, into] = W0.shape;
  const layer = new Linear(into, out, { bias: false });
  layer.weight.assign(W0.value);
  const adapted = inject(new OneLayer(layer), { target: "layer", seed: 1, ...config } as AdapterConfig);
  const [part] = adapted.adapter("default").values();
  for (const [name, parameter] of part.namedParameters()) parameter.assign(values[name].value);
  return noGrad(() => Float64Array.from(adapted.toPlain().layer.weight.value.data));
}

/** Numbers for the matrices of all methods: B and P are the same, A and Q, and the diagonal of Λ and Λ_d. */
export interface Numbers {
  readonly W0: Tensor; // [d, k]
  readonly B: Tensor; // [d, r]
  readonly A: Tensor; // [r, k]
  readonly b: Tensor; // [d, 1]
  readonly λ: Tensor; // [r, 1]
  readonly m: Tensor; // [d, 1]
  readonly alpha: number;
}

/** The weight that each method of the library merges, by its name. */
export function libraryWeights({
  W0,
  B,
  A,
  b,
  λ,
  m,
  alpha,
}: Numbers): Readonly<Record<string, Float64Array>> {
  const [rank] = A.shape;
  const on = { rank, alpha };
  return {
    LoRA: merged(W0, on, { A, B }),
    rsLoRA: merged(W0, { ...on, rankStabilized: true }, { A, B }),
    "LoRA-FA": merged(W0, { ...on, method: "lora-fa" }, { A, B }),
    PiSSA: merged(W0, { ...on, init: "pissa" }, { A, B }),
    AdaLoRA: merged(W0, { ...on, method: "adalora" }, { P: B, Q: A, lambda: λ }),
    VeRA: merged(W0, { rank, method: vera }, { A, B, b: b.reshape(b.size), d: λ.reshape(rank) }),
    DoRA: merged(W0, { ...on, method: "dora" }, { A, B, m: m.reshape(m.size) }),
  };
}

/** The best approximation of W with rank r: its first r singular directions (Eckart and Young, 1936). */
export function bestOfRank(W: Tensor, r: number): Tensor {
  const [rows, columns] = W.shape;
  const { U, S, V } = svd(W.value.data, rows, columns);
  const p = S.length;
  const entry = (i: number, j: number): number => {
    let sum = 0;
    for (let t = 0; t < r; t++) sum += U[i * p + t] * S[t] * V[j * p + t];
    return sum;
  };
  return tensor(
    Array.from({ length: rows * columns }, (_, at) => entry(Math.floor(at / columns), at % columns)),
    [rows, columns],
  );
}

/** The largest |a − b|, as a part of the largest |a|. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [most, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    most = Math.max(most, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(a[i]));
  }
  return most / largest;
}
