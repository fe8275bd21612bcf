/**
 * @file Compares the directions of a trained update with those of the weight that it changes (§7.2 and §7.3 of LoRA's
 * paper). A basis is [n, p] with orthonormal columns, the most important first.
 */
import { noGrad } from "lowrank/autograd";
import {
  array,
  frobeniusNorm,
  matmul,
  mT,
  type NDArray,
  qr,
  type Random,
  random,
  svd,
  withPrecision,
} from "lowrank/core";
import { AdaptedLayer, principalAngles, subspaceOverlap } from "lowrank/lora";
import type { Module } from "lowrank/nn";
import { mean } from "../../support/experiments/statistics.ts";

/** A matrix as plain numbers, copied so that it outlives its model. */
export interface Matrix {
  /** [rows × columns], row by row. */
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** The trained update of one layer: h = W x + B A x, where B includes the factor α/r. */
export interface TrainedUpdate {
  readonly W: Matrix; //  [out, in]
  readonly A: Matrix; //  [r, in]
  readonly delta: Matrix; // ΔW [out, in]
}

/** The updates of a model with LoRA, by path of the layer. */
export function updatesOf(model: Module): Map<string, TrainedUpdate> {
  const updates = new Map<string, TrainedUpdate>();
  for (const [path, layer] of model.namedModules()) {
    if (!(layer instanceof AdaptedLayer)) continue;
    for (const [name, adapter] of layer.adapters) {
      noGrad(() => {
        const pair = adapter.factors();
        if (!pair) return;
        const parts = { W: layer.site.weight(), A: pair.A, delta: layer.delta(name) };
        const copies = Object.entries(parts).map(([part, { shape, value }]) => [
          part,
          { values: Float64Array.from(value.data), rows: shape[0], columns: shape[1] },
        ]);
        updates.set(path, Object.fromEntries(copies) as TrainedUpdate);
      });
    }
  }
  return updates;
}

/** Left- and right-singular vectors: `left` [rows, p], `right` [columns, p]. */
export function singularVectors({ values, rows, columns }: Matrix): { left: Matrix; right: Matrix } {
  const { U, S, V } = svd(values, rows, columns);
  return {
    left: { values: U, rows, columns: S.length },
    right: { values: V, rows: columns, columns: S.length },
  };
}

/** A random basis [n, p], from p Gaussian vectors. */
export function randomBasis(n: number, p: number, random: Random): Matrix {
  return { values: qr(Float64Array.from(random.normal(n * p, 0, 1)), n, p).Q, rows: n, columns: p };
}

/** One cell of φ(i, j) = ‖U₁[:, :i]ᵀ U₂[:, :j]‖²_F / min(i, j), a map as in figures 3, 4 and 8. */
export interface Overlap {
  readonly i: number;
  readonly j: number;
  readonly phi: number;
}

/** φ(i, j) for every i up to `most[0]` and j up to `most[1]`. */
export function overlap(first: Matrix, second: Matrix, most: readonly [number, number]): Overlap[] {
  const phi = withPrecision("float64", () => {
    const [U1, U2] = [first, second].map((basis, which) => asArray(columns(basis, most[which])));
    return subspaceOverlap(U1, U2);
  });
  return phi.flatMap((row, i) => row.map((value, j) => ({ i: i + 1, j: j + 1, phi: value })));
}

/** √(p − Σ σᵢ²) of two spans of p dimensions, σᵢ the singular values of U₁ᵀ U₂ (appendix G). */
export function projectionDistance(first: Matrix, second: Matrix): number {
  const angles = withPrecision("float64", () => principalAngles(asArray(first), asArray(second)));
  return Math.sqrt(first.columns - angles.reduce((sum, angle) => sum + Math.cos(angle) ** 2, 0));
}

/** ‖Uᵀ W V‖_F: the part of W in the directions V of its input and U of its output (table 7). */
export function captured(W: Matrix, left: Matrix, right: Matrix): number {
  return withPrecision("float64", () =>
    frobeniusNorm(matmul(mT(asArray(left)), matmul(asArray(W), asArray(right))).data),
  );
}

/** A column of table 7, for one matrix. */
export interface Amplification {
  readonly normW: number;
  readonly normDelta: number;
  /** ‖Uᵀ W V‖_F with the first r singular vectors of ΔW, of W, and with random ones. */
  readonly byDelta: number;
  readonly byW: number;
  readonly byRandom: number;
  /** ‖ΔW‖_F / ‖Uᵀ W V‖_F: the amplification by ΔW of the part of W in its directions. */
  readonly factor: number;
}

export function amplification({ W, delta }: TrainedUpdate, r: number, random: Random): Amplification {
  const within = ({ left, right }: { left: Matrix; right: Matrix }): number =>
    captured(W, columns(left, r), columns(right, r));
  const [normW, normDelta] = [frobeniusNorm(W.values), frobeniusNorm(delta.values)];
  const byDelta = within(singularVectors(delta));
  const byRandom = within({
    left: randomBasis(W.rows, r, random.split("left")),
    right: randomBasis(W.columns, r, random.split("right")),
  });
  return {
    normW,
    normDelta,
    byDelta,
    byW: within(singularVectors(W)),
    byRandom,
    factor: normDelta / byDelta,
  };
}

/** How many of their main directions two trainings share, and how many two random bases would. */
export interface Shared {
  /** φ(i, i): of the first i input directions of both updates. */
  readonly i: number;
  readonly phi: number;
}

/**
 * φ(i, i) for i up to `most`, of the right-singular vectors of ΔW in two models, as means over the layers whose path ends
 * with `layer`.
 */
export function sharedDirections(
  first: ReadonlyMap<string, TrainedUpdate>,
  second: ReadonlyMap<string, TrainedUpdate>,
  layer: string,
  most: number,
): Shared[] {
  const paths = [...first.keys()].filter((path) => path.endsWith(layer));
  const byLayer = paths.map((path) => {
    const [a, b] = [first, second].map((updates) => singularVectors(updates.get(path)!.delta).right);
    return overlap(a, b, [most, most]).filter(({ i, j }) => i === j);
  });
  return Array.from({ length: most }, (_, at) => ({
    i: at + 1,
    phi: mean(byLayer.map((cells) => cells[at].phi)),
  }));
}

/** Table 7 for one model: means over the layers whose path ends with `layer`. */
export function amplified(
  updates: ReadonlyMap<string, TrainedUpdate>,
  layer: string,
  r: number,
): Amplification {
  const all = [...updates]
    .filter(([path]) => path.endsWith(layer))
    .map(([path, update]) => amplification(update, r, random(r).split(path)));
  const keys = Object.keys(all[0]) as (keyof Amplification)[];
  return Object.fromEntries(
    keys.map((key) => [key, mean(all.map((one) => one[key]))]),
  ) as unknown as Amplification;
}

/** The first columns. */
function columns({ values, rows, columns: all }: Matrix, count: number): Matrix {
  const kept = Math.min(count, all);
  const part = new Float64Array(rows * kept);
  for (let row = 0; row < rows; row++) part.set(values.subarray(row * all, row * all + kept), row * kept);
  return { values: part, rows, columns: kept };
}

function asArray({ values, rows, columns: count }: Matrix): NDArray {
  return array(values, [rows, count]);
}
