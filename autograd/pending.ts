/** @file Gradients on their way through a walk: where they wait, and when their memory is given back. */

import { type Storage, storagesMade } from "../core/index.ts";
import type { Node } from "./graph.ts";
import { add } from "./ops/arithmetic.ts";
import type { Tensor } from "./tensor.ts";

/**
 * The gradients that have arrived at nodes not yet visited, newest node first. Several arrivals at one node are added.
 *
 * The memory of a gradient is given back as soon as its node is done. It is kept if it was there before the walk began,
 * if another pending gradient shares it, if it was pinned, or if the walk builds a graph of its own.
 */
export class PendingGradients {
  /** Ascending by id. There are few at a time, so that insertion is cheap. */
  readonly #nodes: Node[] = [];
  readonly #gradients = new Map<Node, Tensor>();
  /** How many pending gradients share a storage: views, or one gradient sent two ways. */
  readonly #owners = new Map<Storage, number>();
  readonly #keepsAll: boolean;
  readonly #start = storagesMade();

  /** @param keepsAll gives no memory back: the gradients become part of a graph */
  constructor(keepsAll: boolean) {
    this.#keepsAll = keepsAll;
  }

  /** Adds `gradient` to what has arrived at `node`. */
  add(node: Node, gradient: Tensor): void {
    this.#hold(gradient);
    const before = this.#gradients.get(node);
    if (!before) {
      let at = this.#nodes.length;
      while (at > 0 && this.#nodes[at - 1].id > node.id) at--;
      this.#nodes.splice(at, 0, node);
      this.#gradients.set(node, gradient);
      return;
    }
    const sum = add(before, gradient);
    this.#hold(sum);
    this.#gradients.set(node, sum);
    this.done(before);
    this.done(gradient);
  }

  /** Takes out the newest node, whose gradient is complete: all nodes that send to it are newer. */
  take(): { readonly node: Node; readonly gradient: Tensor } | null {
    const node = this.#nodes.pop();
    if (!node) return null;
    const gradient = this.#gradients.get(node) as Tensor;
    this.#gradients.delete(node);
    return { node, gradient };
  }

  /** Never gives the memory of this gradient back: it has left the walk (a hook has seen it). */
  pin({ value }: Tensor): void {
    this.#owners.set(value.storage, Number.POSITIVE_INFINITY);
  }

  /** Undoes the hold that `add` took; the last one gives the memory back. */
  done({ value: { storage } }: Tensor): void {
    const left = (this.#owners.get(storage) ?? 0) - 1;
    this.#owners.set(storage, left);
    if (left === 0 && !this.#keepsAll && storage.serial > this.#start) storage.release();
  }

  #hold({ value: { storage } }: Tensor): void {
    this.#owners.set(storage, (this.#owners.get(storage) ?? 0) + 1);
  }
}
