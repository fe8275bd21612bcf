/**
 * @file Plans: how a batched, strided product is laid over a kernel's three thread axes. A plan says which axes of
 * the result go to x, y and z, and by which strides A and B follow them. Views are not copied, except when their
 * batch axes do not merge into few enough axes.
 */

import { contiguous, type NDArray } from "../array/ndarray.ts";
import { type ArgumentsOf, EXACT, type ProductName } from "./kernels.ts";
import { isWithin, type Limits, type Threads, tooLarge } from "./limits.ts";

/** A product for a kernel: the numbers of threads along x, y and z, and the arguments after the two arrays. */
export type Plan<Name extends ProductName = ProductName> = {
  readonly [N in Name]: { readonly kernel: N; readonly output: Threads; readonly arguments: ArgumentsOf<N> };
}[Name];

/** An axis of the result, with the strides of A and B along it. */
interface Axis {
  readonly length: number;
  readonly a: number;
  readonly b: number;
}

/**
 * Plans Y = A B, with A [...p, n, k] and B [...p, k, m]. Returns the plan and the operands that it is for: A and B
 * themselves, or contiguous copies of them.
 * @param name of the device, for the error
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

  // The axes are outer, middle and row, from the last one. Where planes are not folded, a single axis goes to z.
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

/** Appends an axis. It is merged with the last one when both operands step through the two as through one axis. */
function append(axes: Axis[], next: Axis): void {
  if (next.length === 1) return;
  const last = axes.at(-1);
  if (last && last.a === next.a * next.length && last.b === next.b * next.length) {
    axes[axes.length - 1] = { length: last.length * next.length, a: next.a, b: next.b };
  } else axes.push(next);
}

/**
 * An upper bound of how far positions move from the first element, the step past the last included: Σ |stride|
 * length.
 */
function span(...stridesAndLengths: number[]): number {
  let sum = 0;
  for (let at = 0; at < stridesAndLengths.length; at += 2) {
    sum += Math.abs(stridesAndLengths[at]) * stridesAndLengths[at + 1];
  }
  return sum;
}
