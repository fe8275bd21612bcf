/**
 * @file A sum over chunks of rows whose gradients are taken chunk by chunk, as soon as a chunk is there: so nothing of a
 * chunk is kept, and nothing is computed twice. This is how Liger Kernel's fused linear cross-entropy trains over large
 * vocabularies (Hsu et al. 2024, arXiv:2410.10989, §3.2); Cut Cross-Entropy (Wijmans et al. 2024, arXiv:2411.09009) is
 * the same idea with chunks of classes.
 */

import { array, copy, full, type NDArray, scope, sizeOf, slice as sliceArray, zeros } from "../core/index.ts";
import { recompute, recordDraws } from "./checkpoint.ts";
import { Node, snapshot } from "./graph.ts";
import { add, div, mul } from "./ops/arithmetic.ts";
import { slice } from "./ops/movement.ts";
import { isRecording } from "./record.ts";
import { Tensor } from "./tensor.ts";
import { walk } from "./walk.ts";

/**
 * (Σ f(chunk of x)) / divisor, over chunks of `size` along one axis of x. f gets a chunk and the index at which it
 * starts, and returns a scalar.
 *
 * When recording, each chunk's gradients, with respect to x and to the parameters that f uses, are taken at once for a
 * final gradient of 1, added up in the order of the chunks, and scaled in backward: what f computes is released chunk
 * by chunk. Second derivatives (`createGraph`) compute all chunks again and keep them.
 */
export function sumOfChunks(
  f: (chunk: Tensor, start: number) => Tensor,
  x: Tensor,
  axis: number,
  size: number,
  divisor: number,
): Tensor {
  const length = x.shape[axis];
  const starts = Array.from({ length: Math.ceil(length / size) }, (_, i) => i * size);
  const end = (start: number): number => Math.min(length, start + size);
  const node = new Node("sum of chunks", []);
  const found = new Gradients(node, x, axis);
  let total = 0; // in double precision, in the order of the chunks
  const { replay } = recordDraws(() => {
    for (const start of starts) {
      scope(() => {
        const chunk = new Tensor(sliceArray(x.value, axis, start, end(start)));
        if (!isRecording()) {
          total += f(chunk, start).item();
          return [];
        }
        chunk.requiresGrad = x.requiresGrad;
        const y = f(chunk, start);
        total += y.item();
        return found.take(y, chunk, start, divisor);
      });
    }
  });
  const result = new Tensor(array(total / divisor, []));
  if (!found.any) return result;
  const input = node.keep(snapshot(x.value, x.node));
  found.keep();
  node.multiVjp = (dY, createGraph) => {
    if (!createGraph) return found.scaled(dY);
    const parts = (X: Tensor): Tensor[] => starts.map((start) => f(slice(X, axis, start, end(start)), start));
    return recompute(node, [input], dY, true, ([X]) => replay(() => div(parts(X).reduce(add), divisor)));
  };
  result.node = node;
  return result;
}

/** The gradients of all chunks, summed as they are computed, for a gradient of 1 of the result. */
class Gradients {
  readonly #node: Node;
  readonly #axis: number;
  readonly #source: Node | null;
  readonly #dX: NDArray | null;
  readonly #others = new Map<Node, NDArray>();

  constructor(node: Node, x: Tensor, axis: number) {
    this.#node = node;
    this.#axis = axis;
    this.#source = isRecording() ? x.node : null;
    this.#dX = this.#source && zeros(x.shape);
  }

  get any(): boolean {
    return this.#dX !== null || this.#others.size > 0;
  }

  /** Walks back from y, a chunk's sum. @returns the arrays made here that must outlive the chunk's scope */
  take(y: Tensor, chunk: Tensor, start: number, divisor: number): NDArray[] {
    const made: NDArray[] = [];
    if (!y.node) return made;
    const receive = (node: Node, g: Tensor): void => {
      if (node === chunk.node && this.#dX) writeTo(this.#dX, this.#axis, start, g.value);
    };
    const outside = (older: Node, g: Tensor): void => {
      const before = this.#others.get(older);
      if (before) addTo(before, g.value);
      else {
        const first = copy(g.value);
        this.#others.set(older, first);
        made.push(first);
      }
    };
    const seed = new Tensor(full(y.shape, 1 / divisor));
    walk(y.node, seed, { from: this.#node.id, receive, outside });
    return made;
  }

  /** The node keeps them for backward, each with the node that it is the gradient of. */
  keep(): void {
    if (this.#dX) this.#node.keep(snapshot(this.#dX, this.#source));
    for (const [older, g] of this.#others) this.#node.keep(snapshot(g, older));
  }

  scaled(dY: Tensor): [Node, Tensor][] {
    const one = dY.item() === 1;
    const scale = (g: NDArray): Tensor => (one ? new Tensor(g) : mul(new Tensor(g), dY));
    const all: [Node, Tensor][] = [...this.#others].map(([older, g]) => [older, scale(g)]);
    if (this.#source && this.#dX) all.push([this.#source, scale(this.#dX)]);
    return all;
  }
}

/** sum ← sum + x, in place. */
function addTo(sum: NDArray, x: NDArray): void {
  const S = sum.storage.write();
  const { data } = x;
  for (let i = 0; i < S.length; i++) S[i] += data[i];
}

/** Writes part into whole, from `start` along `axis`. */
function writeTo(whole: NDArray, axis: number, start: number, part: NDArray): void {
  const outer = sizeOf(whole.shape.slice(0, axis));
  const inner = sizeOf(whole.shape.slice(axis + 1));
  const block = part.shape[axis] * inner;
  const W = whole.storage.write();
  const { data } = part;
  for (let o = 0; o < outer; o++) {
    W.set(data.subarray(o * block, (o + 1) * block), (o * whole.shape[axis] + start) * inner);
  }
}
