/**
 * @file The walk back through the graph: order, accumulation, fan-out, un-broadcasting, releasing. All that ops have in
 * common is here, once; an op states its own mathematics only.
 */

import {
  AutogradError,
  type Shape,
  ShapeError,
  sameShape,
  scope,
  sumTo,
  synchronous,
} from "../core/index.ts";
import { checkVersion, type Edge, type GradientHook, type Node } from "./graph.ts";
import { sumTo as sumToOp } from "./ops/movement.ts";
import { PendingGradients } from "./pending.ts";
import { checkForNaN, withAnomaly, withRecording } from "./record.ts";
import { Tensor } from "./tensor.ts";

/** How far back a walk goes, and who receives gradients. */
interface Walk {
  /** Keeps the saved values, so that the graph can be walked again. @default createGraph */
  readonly retainGraph?: boolean;
  /** Records the walk itself, for gradients of gradients. @default false */
  readonly createGraph?: boolean;
  /** Receives the complete gradient of each node that has a collector, and of each one in `wanted`. */
  readonly receive?: (node: Node, gradient: Tensor) => void;
  /** Further nodes whose gradients are received. @default none */
  readonly wanted?: ReadonlySet<Node>;
  /** Nodes with a smaller id, which are older, are not entered. @default 0, all are entered */
  readonly from?: number;
  /** Receives the complete gradient of each node that is not entered. */
  readonly outside?: (node: Node, gradient: Tensor) => void;
}

/** Visits nodes in descending order of creation, each once, when its gradient is complete. */
export function walk(root: Node, seed: Tensor, options: Walk): void {
  const { createGraph = false, retainGraph = createGraph, receive, wanted, from = 0, outside } = options;
  const pending = new PendingGradients(createGraph);
  pending.add(root, seed);

  withRecording(createGraph, () => {
    for (let next = pending.take(); next; next = pending.take()) {
      const { node } = next;
      let { gradient } = next;
      if (node.id < from) {
        outside?.(node, gradient);
        continue;
      }
      for (const hook of node.hooks) gradient = hooked(node, gradient, hook);
      if (node.hooks.size > 0) pending.pin(gradient);
      if (node.collector || wanted?.has(node)) receive?.(node, gradient);

      for (const edge of node.edges) {
        const send = (): Tensor =>
          unbroadcast(vjp(node, edge, gradient, createGraph), edge.parent, createGraph);
        pending.add(edge.parent, scopeUnless(createGraph, send));
      }
      const parts = node.multiVjp?.(gradient, createGraph) ?? [];
      for (const [parent, part] of parts) pending.add(parent, part);

      if (!retainGraph) node.release();
      pending.done(gradient);
    }
  });
}

/** Runs a part of a walk in a scope, which releases its temporaries; with `createGraph` they belong to the new graph. */
export const scopeUnless = <T>(createGraph: boolean, fn: () => T): T => (createGraph ? fn() : scope(fn));

/** The gradient that `hook` makes of `gradient`. @throws ShapeError when that is not a tensor of its shape */
function hooked(node: Node, gradient: Tensor, hook: GradientHook): Tensor {
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

/** The vector-Jacobian product of one input: the edge's rule, called with what it saved. */
function vjp(node: Node, edge: Edge, gradient: Tensor, createGraph: boolean): Tensor {
  const saved = edge.saves.map((item) => {
    if (typeof item === "number") return item;
    checkVersion(node.op, item);
    const tensor = new Tensor(item.value);
    if (createGraph) tensor.node = item.node;
    return tensor;
  });
  // A NaN made inside a rule is reported under the name of the op whose rule it is, not of the ops in it.
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

/** True when `to` broadcasts to `shape`. */
const sumsTo = (shape: Shape, to: Shape): boolean =>
  shape.length >= to.length && to.every((n, i) => n === 1 || n === shape[i + shape.length - to.length]);

/** The gradient of an input that the op broadcast: the sum over the axes along which it was repeated. */
function unbroadcast(gradient: Tensor, parent: Node, createGraph: boolean): Tensor {
  if (sameShape(gradient.shape, parent.shape)) return gradient;
  return createGraph ? sumToOp(gradient, parent.shape) : new Tensor(sumTo(gradient.value, parent.shape));
}
