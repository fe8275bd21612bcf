/**
 * @file The graph behind backward: nodes linked to nodes. A node keeps what its rules declared in `saves`, and
 * nothing else. It does not keep its input tensors, so a value lives only as long as a node saves it.
 */

import { AutogradError, type NDArray, type Shape } from "../core/index.ts";
import type { Tensor } from "./tensor.ts";

/** A saved value, what it was when saved, and its place in the graph (for gradients of gradients). */
export interface Saved {
  readonly value: NDArray;
  readonly version: number;
  readonly node: Node | null;
}

/** In `saves`: the result of the op itself, which does not exist yet when the rule is written. */
export const OUTPUT = Symbol("the op's own result");

export type Saveable = Tensor | number | typeof OUTPUT;

/** What a vjp is called with: the saved tensors (or numbers), in the order of `saves`. */
// biome-ignore lint/suspicious/noExplicitAny: a rule's parameters are as many as its saves; TypeScript cannot count them
export type Vjp = (dY: Tensor, ...saved: any[]) => Tensor;

export interface Edge {
  readonly parent: Node;
  readonly saves: readonly (Saved | number)[];
  readonly vjp: Vjp;
}

/** Sees the gradient of a tensor on its way back; what it returns, if anything, replaces it. */
export type GradientHook = (gradient: Tensor) => Tensor | undefined;

let created = 0;

/** One op's place in the graph: the nodes of its inputs, their rules, and what those saved. A leaf has no inputs. */
export class Node {
  /** Rises with creation, so every node's inputs have smaller ids: descending order is a backward order. */
  readonly id = created++;
  readonly op: string;
  readonly shape: Shape;
  /** The tensor that collects this node's gradient in `grad`: a leaf, or one that asked to retain it. */
  collector: Tensor | null = null;
  readonly hooks = new Set<GradientHook>();
  /** Instead of edges: the gradients of several nodes at once, some of which are known only then (checkpoint). */
  multiVjp: ((dY: Tensor, createGraph: boolean) => Iterable<readonly [Node, Tensor]>) | null = null;
  readonly #edges: Edge[] = [];
  readonly #kept: Saved[] = [];
  #released = false;

  constructor(op: string, shape: Shape) {
    this.op = op;
    this.shape = shape;
  }

  /** @throws AutogradError when a backward pass has released them already */
  get edges(): readonly Edge[] {
    if (this.#released) {
      throw new AutogradError(
        `backward: the saved values of "${this.op}" were released by an earlier backward(); ` +
          "call the first one with { retainGraph: true } to go through the graph twice",
      );
    }
    return this.#edges;
  }

  /** Adds an input: what its rule keeps counts as saved until `release`. */
  connect(edge: Edge): void {
    this.#edges.push(edge);
    for (const saved of edge.saves) if (typeof saved !== "number") this.keep(saved);
  }

  /** Keeps a value for backward. */
  keep(saved: Saved): Saved {
    saved.value.storage.retain();
    this.#kept.push(saved);
    return saved;
  }

  /** Drops the saved values and the links to the inputs. A leaf has neither. */
  release(): void {
    if (this.op === "leaf") return;
    for (const { value } of this.#kept) value.storage.unretain();
    this.#kept.length = 0;
    this.#edges.length = 0;
    this.multiVjp = null;
    this.#released = true;
  }

  /** The nodes that this one was computed from: those of its inputs, and those that its kept values belong to. */
  *parents(): Generator<Node> {
    for (const { parent } of this.edges) yield parent;
    for (const { node } of this.#kept) if (node) yield node;
  }

  /** Storages this node keeps for backward. */
  *savedStorages(): Generator<NDArray["storage"]> {
    for (const { value } of this.#kept) yield value.storage;
  }
}

/** `value` with its present version, for a node to keep. */
export const snapshot = (value: NDArray, node: Node | null): Saved => ({
  value,
  version: value.storage.version,
  node,
});

/** @throws AutogradError when a saved value was changed in place since it was saved */
export function checkVersion(op: string, { value, version }: Saved): void {
  if (value.storage.version === version) return;
  throw new AutogradError(
    `backward: a tensor that "${op}" saved, of shape [${value.shape.join(", ")}], was changed in place since; ` +
      "run backward before the update, or compute the forward again",
  );
}

/** The node of `root` and all before it, each once. Of a checkpoint: its inputs, but not what it computes again. */
function nodesOf(root: Tensor): ReadonlySet<Node> {
  const nodes = new Set(root.node ? [root.node] : []);
  for (const node of nodes) for (const parent of node.parents()) nodes.add(parent); // the loop comes to these too
  return nodes;
}

/**
 * The leaves that `root` was computed from, as far as the graph knows them: of a checkpoint it knows the inputs, and not
 * the parameters that its function uses.
 */
export function leavesOf(root: Tensor): Tensor[] {
  const found: Tensor[] = [];
  for (const { op, collector } of nodesOf(root)) if (op === "leaf" && collector) found.push(collector);
  return found;
}

/** Bytes kept for backward by the graph that ends at `root`: each storage once, parameters included. */
export function savedBytes(root: Tensor): number {
  const storages = new Set<NDArray["storage"]>();
  for (const node of nodesOf(root)) for (const storage of node.savedStorages()) storages.add(storage);
  let bytes = 0;
  for (const storage of storages) bytes += storage.bytes;
  return bytes;
}
