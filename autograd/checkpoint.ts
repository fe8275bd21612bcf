/** @file Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): recompute instead of save. */

import { AutogradError, scope, synchronous } from "../core/index.ts";
import { walk } from "./backward.ts";
import { checkVersion, Node, snapshot } from "./graph.ts";
import { isRecording, noGrad, withRecording } from "./record.ts";
import { Tensor } from "./tensor.ts";

/** Random draws of a forward pass, to be made again, equal, when it is recomputed. */
interface Draws {
  readonly mode: "note" | "replay";
  readonly values: number[];
  next: number;
}
let draws: Draws | null = null;

/** A random draw inside an op; the same again when a checkpoint recomputes the op. */
export function drawn(draw: () => number): number {
  if (draws?.mode === "replay") return draws.values[draws.next++];
  const value = draw();
  draws?.values.push(value);
  return value;
}

function withDraws<T>(next: Draws, fn: () => T): T {
  const before = draws;
  draws = next;
  try {
    return fn();
  } finally {
    draws = before;
  }
}

/**
 * fn(...inputs), keeping only the inputs for backward, which runs `fn` again. Parameters that `fn` uses get
 * their gradients as usual. `fn` must compute the same again (dropout does). What it computes on the way is released
 * each time it is done: `scope` says what that means.
 */
export function checkpoint(fn: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor {
  const values: number[] = [];
  const output = withDraws({ mode: "note", values, next: 0 }, () =>
    scope(() => noGrad(() => synchronous("checkpoint", fn(...inputs)))),
  );
  if (!isRecording()) return output;

  const result = new Tensor(output.value);
  const node = new Node("checkpoint", output.shape);
  const sources = inputs.map((input) => node.keep(snapshot(input.value, input.node)));
  node.joint = (dY, createGraph) => {
    if (createGraph)
      throw new AutogradError("checkpoint: gradients of gradients do not go through a checkpoint");
    const copies = sources.map((source) => {
      checkVersion("checkpoint", source);
      const leaf = new Tensor(source.value);
      leaf.requiresGrad = source.node !== null;
      return leaf;
    });
    const replay: Draws = { mode: "replay", values, next: 0 };
    const found: [Node, Tensor][] = [];
    // The gradients leave the scope; all that was computed again does not.
    scope(() => {
      const again = withDraws(replay, () => withRecording(true, () => fn(...copies)));
      if (!again.node) return [];
      const parentOf = new Map(copies.map((leaf, i) => [leaf.node, sources[i].node]));
      walk([[again.node, dY]], {
        from: node.id,
        beyond: (older, gradient) => found.push([older, gradient]),
        collect: (leaf, gradient) => {
          const parent = parentOf.get(leaf);
          if (parent) found.push([parent, gradient]);
          return parent !== undefined;
        },
      });
      return found.map(([, gradient]) => gradient);
    });
    return found;
  };
  result.node = node;
  return result;
}
