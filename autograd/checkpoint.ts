/** @file Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): recompute instead of save. */

import { scope } from "../core/index.ts";
import { checkVersion, Node, type Saved, snapshot } from "./graph.ts";
import { isRecording, noGrad, withRecording } from "./record.ts";
import { checkFunction, operand, returnedTensor, Tensor } from "./tensor.ts";
import { scopeUnless, walk } from "./walk.ts";

/** What makes the random draws inside ops while a checkpoint records or replays them; null when none does. */
let source: ((draw: () => number) => number) | null = null;

/** Makes a random draw inside an op. When a checkpoint computes the op again, it gets the same value. */
export const replayable = (draw: () => number): number => (source ? source(draw) : draw());

function withSource<T>(next: typeof source, fn: () => T): T {
  const before = source;
  source = next;
  try {
    return fn();
  } finally {
    source = before;
  }
}

/** Runs `fn` and records its random draws; `replay` runs another function with the same draws. */
export function recordDraws<T>(fn: () => T): { readonly result: T; replay<S>(again: () => S): S } {
  const outer = source; // a checkpoint inside another draws what the outer one notes, or replays
  const values: number[] = [];
  const note = (draw: () => number): number => {
    const value = outer ? outer(draw) : draw();
    values.push(value);
    return value;
  };
  return {
    result: withSource(note, fn),
    replay(again) {
      let next = 0;
      return withSource(() => values[next++], again);
    },
  };
}

/**
 * Computes fn(...inputs) and keeps only the inputs for backward, which runs `fn` again.
 *
 *     const y = checkpoint((h) => block.forward(h), x); // saves x, and nothing that the block computes
 *
 * Parameters that `fn` uses get their gradients as usual. The temporaries of each run of `fn` are released at its end,
 * as by `scope`.
 *
 * @param fn must compute the same when it runs again; dropout does
 * @throws ArgumentError when `fn` is not a function, is asynchronous, or returns anything but a tensor
 */
export function checkpoint(fn: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor {
  checkFunction("checkpoint", fn);
  for (const input of inputs) operand("checkpoint", input, "each input");
  const { result: output, replay } = recordDraws(() =>
    scope(() => noGrad(() => returnedTensor("checkpoint", fn(...inputs)))),
  );
  if (!isRecording()) return output;

  const result = new Tensor(output.value);
  const node = new Node("checkpoint", output.shape);
  const sources = inputs.map((input) => node.keep(snapshot(input.value, input.node)));
  node.multiVjp = (dY, createGraph) =>
    recompute(node, sources, dY, createGraph, (copies) => replay(() => fn(...copies)));
  result.node = node;
  return result;
}

/**
 * The gradients of what `fn` computes from `sources`, computed again, with respect to all nodes that it is computed
 * from and that were there before `node`: inputs and parameters.
 */
export function recompute(
  node: Node,
  sources: readonly Saved[],
  dY: Tensor,
  createGraph: boolean,
  fn: (copies: Tensor[]) => Tensor,
): [Node, Tensor][] {
  const found: [Node, Tensor][] = [];
  const copies = sources.map((saved) => {
    checkVersion(node.op, saved);
    const copy = new Tensor(saved.value);
    copy.node = saved.node;
    return copy;
  });
  const run = (): Tensor[] => {
    const again = withRecording(true, () => fn(copies));
    if (!again.node) return [];
    const outside = (older: Node, gradient: Tensor): void => void found.push([older, gradient]);
    walk(again.node, dY, { createGraph, from: node.id, outside });
    return found.map(([, gradient]) => gradient);
  };
  // The gradients leave the scope; all that was computed again does not, unless it is differentiated again.
  scopeUnless(createGraph, run);
  return found;
}
