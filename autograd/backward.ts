/** @file backward and gradients: the derivatives of one tensor, added to the leaves or returned. */

import {
  ArgumentError,
  AutogradError,
  type Category,
  checkOptions,
  copy,
  ones,
  ShapeError,
  sameShape,
  zeros,
} from "../core/index.ts";
import type { Node } from "./graph.ts";
import { add } from "./ops/arithmetic.ts";
import { record, withRecording } from "./record.ts";
import { operand, Tensor } from "./tensor.ts";
import { scopeUnless, walk } from "./walk.ts";

export interface BackwardOptions {
  /** Keeps the saved values, so that backward can run again. @default false, or true with `createGraph` */
  readonly retainGraph?: boolean;
  /** Records the backward pass itself, for gradients of gradients. Implies `retainGraph`. @default false */
  readonly createGraph?: boolean;
}

/**
 * Adds ∂(Σ gradient ∘ root)/∂leaf to `grad` of every leaf that `root` depends on. Each `grad` has memory of its own,
 * shared with no other tensor: an in-place change (clipping) affects it alone.
 *
 * @param gradient of the shape of `root`. Defaults to 1 when root has one element
 * @throws AutogradError when there is nothing to differentiate, a saved value was changed in place, or the graph
 *   was released by an earlier call; ShapeError when `gradient` is missing or does not fit
 */
export function backward(root: Tensor, gradient?: Tensor, options: BackwardOptions = {}): void {
  const [node, seed] = start("backward", root, gradient, options);
  const { createGraph = false } = options;
  const receive = (node: Node, gradient: Tensor): void => addToGrad(node, gradient, createGraph);
  scopeUnless(createGraph, () => walk(node, seed, { ...options, receive }));
}

/**
 * Gradients of Σ gradient ∘ root with respect to `inputs`, returned and not accumulated; each has memory of its own.
 * An input that root does not depend on has a gradient of zeros.
 *
 * @param gradient of the shape of `root`. Defaults to 1 when root has one element
 * @throws AutogradError as `backward` does, and when an input does not require a gradient
 */
export function gradients(
  root: Tensor,
  inputs: readonly Tensor[],
  gradient?: Tensor,
  options: BackwardOptions = {},
): Tensor[] {
  const [node, seed] = start("gradients", root, gradient, options);
  if (!Array.isArray(inputs)) throw new ArgumentError("gradients", "a list of tensors", { inputs });
  for (const input of inputs) {
    operand("gradients", input, "each input");
    if (!input.node) throw new AutogradError("gradients: every input must require a gradient");
  }
  const { createGraph = false } = options;
  const wanted = new Set(inputs.map((input) => input.node as Node));
  const found = new Map<Node, Tensor>();
  const receive = (node: Node, gradient: Tensor): void => {
    if (wanted.has(node)) found.set(node, owned(gradient));
  };
  return scopeUnless(createGraph, () => {
    walk(node, seed, { ...options, receive, wanted });
    return inputs.map((input, i) => {
      const g = found.get(input.node as Node);
      if (!g) return new Tensor(zeros(input.shape));
      return inputs.indexOf(input) === i ? g : withRecording(createGraph, () => owned(g)); // given twice: its own copy
    });
  });
}

/** The node at which a walk from `root` starts, and the gradient it starts with. */
function start(
  who: string,
  root: Tensor,
  gradient: Tensor | undefined,
  options: BackwardOptions,
): [Node, Tensor] {
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
    return [root.node, new Tensor(ones(root.shape))];
  }
  if (!sameShape(gradient.shape, root.shape)) {
    throw new ShapeError(who, "a gradient of the tensor's shape", {
      tensor: root.shape,
      gradient: gradient.shape,
    });
  }
  return [root.node, gradient];
}

/** Adds `gradient` to `grad` of the tensor that collects at `node`. */
function addToGrad({ collector }: Node, gradient: Tensor, createGraph: boolean): void {
  if (!collector) return;
  if (createGraph) {
    collector.grad = owned(collector.grad ? add(collector.grad, gradient) : gradient, "gradients");
  } else collector.accumulate(gradient);
}

/** A copy of `gradient` that no other tensor shares memory with: one gradient may go to several leaves. */
function owned(gradient: Tensor, category?: Category): Tensor {
  return record("gradient", copy(gradient.value, category), [{ input: gradient, vjp: (dY) => dY }]);
}
