/**
 * @file The walk back through the graph: order, accumulation, fan-out, un-broadcasting, releasing. What all ops
 * share is here and only here; an op states its own mathematics.
 */

import {
  ArgumentError,
  AutogradError,
  type Category,
  checkOptions,
  copy,
  ones,
  type Shape,
  ShapeError,
  type Storage,
  sameShape,
  scope,
  storagesMade,
  sumTo,
  synchronous,
  zeros,
} from "../core/index.ts";
import { checkVersion, type Edge, type GradientHook, type Node } from "./graph.ts";
import { add } from "./ops/arithmetic.ts";
import { sumTo as sumToOp } from "./ops/movement.ts";
import { checkForNaN, record, withAnomaly, withRecording } from "./record.ts";
import { operand, Tensor } from "./tensor.ts";

export interface BackwardOptions {
  /** Keep the saved values, so that backward can run again. */
  readonly retainGraph?: boolean;
  /** Record the backward pass itself, for gradients of gradients. Implies `retainGraph`. */
  readonly createGraph?: boolean;
}

/** Where a walk leaves gradients: how far back it goes, and what it does at nodes that collect. */
interface Walk extends BackwardOptions {
  /** Nodes older than this are not entered; their gradients are handed to `beyond` (used by checkpoint). */
  readonly from?: number;
  readonly beyond?: (node: Node, gradient: Tensor) => void;
  /** Called with each collecting node's complete gradient; true when it keeps that very tensor. */
  readonly collect: (node: Node, gradient: Tensor) => boolean;
}

/**
 * Adds ∂(Σ gradient ∘ root)/∂leaf to `grad` of every leaf that `root` depends on. Each `grad` has memory of its own,
 * shared with no other tensor: what is done to it in place (clipping) is done to it alone.
 * @param gradient of the shape of `root`; may be left out when root has one element (it is 1)
 * @throws AutogradError when there is nothing to differentiate, a saved value was changed in place, or the graph
 *   was released by an earlier call; ShapeError when `gradient` is missing or does not fit
 */
export function backward(root: Tensor, gradient?: Tensor, options: BackwardOptions = {}): void {
  const seed = seedFor("backward", root, gradient, options);
  const run = (): void =>
    walk([[root.node as Node, seed]], { ...options, collect: (node, g) => collect(node, g, options) });
  if (options.createGraph) run();
  else scope(run);
}

/**
 * Gradients of Σ gradient ∘ root with respect to `inputs`, returned and not accumulated; each has memory of its own.
 * An input that root does not depend on has a gradient of zeros.
 */
export function gradients(
  root: Tensor,
  inputs: readonly Tensor[],
  gradient?: Tensor,
  options: BackwardOptions = {},
): Tensor[] {
  const seed = seedFor("gradients", root, gradient, options);
  const found = new Map<Node, Tensor>();
  if (!Array.isArray(inputs)) throw new ArgumentError("gradients", "a list of tensors", { inputs });
  for (const input of inputs) {
    operand("gradients", input, "each input");
    if (!input.node) throw new AutogradError("gradients: every input must require a gradient");
  }
  const wanted = new Set(inputs.map((input) => input.node as Node));
  const run = (): Tensor[] => {
    walk(
      [[root.node as Node, seed]],
      {
        ...options,
        collect: (node, g) => {
          if (wanted.has(node)) found.set(node, owned(g));
          return false;
        },
      },
      wanted,
    );
    return inputs.map((input, i) => {
      const g = found.get(input.node as Node);
      if (!g) return new Tensor(zeros(input.shape));
      return inputs.indexOf(input) === i ? g : withRecording(options.createGraph ?? false, () => owned(g));
    });
  };
  return options.createGraph ? run() : scope(run);
}

function seedFor(who: string, root: Tensor, gradient: Tensor | undefined, options: BackwardOptions): Tensor {
  operand(who, root, "root");
  if (gradient !== undefined && !(gradient instanceof Tensor)) {
    const expected = "a tensor as gradient, or undefined, and options after it";
    throw new ArgumentError(who, expected, { gradient });
  }
  checkOptions(who, options, ["retainGraph", "createGraph"], {
    retain_graph: "retainGraph",
    create_graph: "createGraph",
  });
  if (!root.node) {
    throw new AutogradError(
      `${who}: the tensor depends on nothing that requires a gradient (or was made inside noGrad)`,
    );
  }
  if (!gradient) {
    if (root.size !== 1) {
      throw new ShapeError(who, "a scalar, or a gradient of its shape as argument", { tensor: root.shape });
    }
    return new Tensor(ones(root.shape));
  }
  if (!sameShape(gradient.shape, root.shape)) {
    throw new ShapeError(who, "a gradient of the tensor's shape", {
      tensor: root.shape,
      gradient: gradient.shape,
    });
  }
  return gradient;
}

/** Visits nodes in descending order of creation, each once, when its gradient is complete. */
export function walk(
  seeds: readonly (readonly [Node, Tensor])[],
  options: Walk,
  wanted?: ReadonlySet<Node>,
): void {
  const { createGraph = false, retainGraph = createGraph, from = 0, beyond } = options;
  const pending = new Pending(createGraph);
  for (const [node, gradient] of seeds) pending.add(node, gradient);

  withRecording(createGraph, () => {
    for (let next = pending.take(); next; next = pending.take()) {
      const [node] = next;
      let gradient = next[1];
      if (node.id < from) {
        beyond?.(node, gradient);
        continue;
      }
      for (const hook of node.hooks) gradient = replaced(node, gradient, hook);
      if (node.collector || wanted?.has(node)) {
        if (options.collect(node, gradient)) pending.pin(gradient);
      }
      if (node.hooks.size > 0) pending.pin(gradient);
      for (const edge of node.edges) {
        const send = (): Tensor =>
          unbroadcast(apply(node, edge, gradient, createGraph), edge.parent, createGraph);
        pending.add(edge.parent, createGraph ? send() : scope(send));
      }
      if (node.joint)
        for (const [parent, part] of node.joint(gradient, createGraph)) pending.add(parent, part);
      if (!retainGraph) node.release();
      pending.done(gradient);
    }
  });
}

/** What a hook makes of a gradient. @throws ShapeError when that is no tensor of its shape */
function replaced(node: Node, gradient: Tensor, hook: GradientHook): Tensor {
  const returned: unknown = synchronous("onGradient", hook(gradient) ?? gradient);
  if (returned instanceof Tensor && sameShape(returned.shape, gradient.shape)) return returned;
  throw new ShapeError(
    `onGradient of ${node.op}`,
    "a hook that returns nothing, or a gradient of the same shape",
    {
      gradient: gradient.shape,
      returned: returned instanceof Tensor ? returned.shape : returned,
    },
  );
}

function apply(node: Node, edge: Edge, gradient: Tensor, createGraph: boolean): Tensor {
  const saved = edge.saves.map((item) => {
    if (typeof item === "number") return item;
    checkVersion(node.op, item);
    const tensor = new Tensor(item.value);
    if (createGraph) tensor.node = item.node;
    return tensor;
  });
  // The ops inside a rule are not blamed by their own names, but by that of the op whose rule it is.
  const result = withAnomaly(false, () => edge.vjp(gradient, ...saved));
  if (!(result instanceof Tensor) || !sumsTo(result.shape, edge.parent.shape)) {
    const got = result instanceof Tensor ? `[${result.shape.join(", ")}]` : typeof result;
    throw new AutogradError(
      `backward of ${node.op}: expected a gradient of shape [${edge.parent.shape.join(", ")}], or one that broadcasts ` +
        `from it; the rule gave ${got}`,
    );
  }
  checkForNaN(`backward of ${node.op}`, result.value);
  return result;
}

/** True when `shape` is one to which `to` broadcasts. */
const sumsTo = (shape: Shape, to: Shape): boolean =>
  shape.length >= to.length && to.every((n, i) => n === 1 || n === shape[i + shape.length - to.length]);

/** The gradient of a broadcast input: summed over the axes along which it was repeated. */
function unbroadcast(gradient: Tensor, parent: Node, createGraph: boolean): Tensor {
  if (sameShape(gradient.shape, parent.shape)) return gradient;
  return createGraph ? sumToOp(gradient, parent.shape) : new Tensor(sumTo(gradient.value, parent.shape));
}

/** Adds `gradient` to the collector's `grad`. */
function collect(node: Node, gradient: Tensor, { createGraph = false }: BackwardOptions): boolean {
  const tensor = node.collector;
  if (!tensor) return false;
  if (createGraph) {
    tensor.grad = owned(tensor.grad ? add(tensor.grad, gradient) : gradient, "gradients");
  } else tensor.accumulate(gradient);
  return false;
}

/** The same values in memory that no other tensor shares: on its way back one gradient may go to several leaves. */
function owned(gradient: Tensor, category?: Category): Tensor {
  return record("gradient", copy(gradient.value, category), [{ input: gradient, vjp: (dY) => dY }]);
}

/**
 * Gradients on their way, newest node first. Sums of several arrivals are formed here. A gradient's memory is
 * given back as soon as its node is done, unless it was made before this walk or somebody else may hold it.
 */
class Pending {
  /** Ascending by id; few at a time, so insertion is cheap. */
  readonly #nodes: Node[] = [];
  readonly #gradients = new Map<Node, Tensor>();
  /** How many pending gradients share a storage (views, or one gradient sent two ways). */
  readonly #owners = new Map<Storage, number>();
  readonly #keepAll: boolean;
  readonly #start = storagesMade();

  constructor(keepAll: boolean) {
    this.#keepAll = keepAll;
  }

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

  take(): readonly [Node, Tensor] | null {
    const node = this.#nodes.pop();
    if (!node) return null;
    const gradient = this.#gradients.get(node) as Tensor;
    this.#gradients.delete(node);
    return [node, gradient];
  }

  /** Somebody outside may hold this gradient: its memory is not given back here. */
  pin({ value }: Tensor): void {
    this.#owners.set(value.storage, Number.POSITIVE_INFINITY);
  }

  /** The opposite of the hold that `add` took. */
  done({ value: { storage } }: Tensor): void {
    const left = (this.#owners.get(storage) ?? 0) - 1;
    this.#owners.set(storage, left);
    if (left === 0 && !this.#keepAll && storage.serial > this.#start) storage.release();
  }

  #hold({ value: { storage } }: Tensor): void {
    this.#owners.set(storage, (this.#owners.get(storage) ?? 0) + 1);
  }
}
