/**
 * @file How a batched, strided product is laid over a kernel's three thread axes: which axes of the result go to
 * x, y and z, and the strides by which A and B follow them. Views are never copied for it, except in one case:
 * batch axes so tangled that they do not merge into three.
 */

import { contiguous, type NDArray } from "../array/ndarray.ts";
import { type ArgumentsOf, EXACT, type ProductName } from "./kernels.ts";
import { isWithin, type Limits, type Threads, tooLarge } from "./limits.ts";

/** A product for a kernel: thread counts along x, y, z, and the arguments that follow the two arrays. */
export type Plan<Name extends ProductName = ProductName> = {
  readonly [N in Name]: { readonly kernel: N; readonly output: Threads; readonly arguments: ArgumentsOf<N> };
}[Name];

/** An axis of the result, with the steps it makes in A and in B. */
interface Axis {
  readonly length: number;
  readonly a: number;
  readonly b: number;
}

/**
 * The plan of Y = A B, A [...p, n, k], B [...p, k, m], and the operands it is for: A and B themselves, or
 * contiguous copies of them.
 * @throws DeviceError when the product is beyond `limits`
 */
export function planProduct(
  name: string,
  a: NDArray,
  b: NDArray,
  limits: Limits,
): { plan: Plan<"product" | "productWide">; a: NDArray; b: NDArray } {
  const { rank } = a;
  const axes: Axis[] = [];
  for (let axis = 0; axis < rank - 1; axis++) {
    const isRow = axis === rank - 2;
    append(axes, { length: a.shape[axis], a: a.strides[axis], b: isRow ? 0 : b.strides[axis] });
  }
  if (axes.length > 3) return planProduct(name, contiguous(a), contiguous(b), limits);

  // Aligned at the innermost: outer, middle, row. A lone axis goes to z where planes are not folded.
  const none: Axis = { length: 1, a: 0, b: 0 };
  const [outer, middle, row] = [...Array<Axis>(3 - axes.length).fill(none), ...axes];
  const swap = !limits.foldsPlanes && axes.length === 1;
  const [i, y] = swap ? [row, none] : [middle, row];

  const m = b.shape[rank - 1];
  const inner = a.shape[rank - 1];
  const output = [m, y.length, outer.length * i.length] as const;
  if (!isWithin(limits, output, [a.storage.length, b.storage.length], inner))
    throw tooLarge(name, limits, `A [${a.shape.join(", ")}] and B [${b.shape.join(", ")}]`);
  const reach = Math.max(
    a.offset + span(outer.a, outer.length, i.a, i.length, y.a, y.length, a.strides[rank - 1], inner),
    b.offset +
      span(outer.b, outer.length, i.b, i.length, y.b, y.length, b.strides[rank - 1], m) +
      span(b.strides[rank - 2], inner),
  );
  return {
    a,
    b,
    plan: {
      kernel: reach <= EXACT ? "product" : "productWide",
      output,
      arguments: {
        middle: i.length,
        inner,
        aOffset: a.offset,
        aOuter: outer.a,
        aMiddle: i.a,
        aRow: y.a,
        aInner: a.strides[rank - 1],
        bOffset: b.offset,
        bOuter: outer.b,
        bMiddle: i.b,
        bRow: y.b,
        bColumn: b.strides[rank - 1],
        bInner: b.strides[rank - 2],
      },
    },
  };
}

/** Adds an axis inside those there, merged with the innermost when both operands step through them as one. */
function append(axes: Axis[], next: Axis): void {
  if (next.length === 1) return;
  const last = axes.at(-1);
  if (last && last.a === next.a * next.length && last.b === next.b * next.length) {
    axes[axes.length - 1] = { length: last.length * next.length, a: next.a, b: next.b };
  } else axes.push(next);
}

/** Most that positions can move from the first element, and on to the step past the last: Σ |stride| length. */
function span(...stridesAndLengths: number[]): number {
  let sum = 0;
  for (let at = 0; at < stridesAndLengths.length; at += 2) {
    sum += Math.abs(stridesAndLengths[at]) * stridesAndLengths[at + 1];
  }
  return sum;
}
