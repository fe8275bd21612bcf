/**
 * @file Small random programs over tensors, as data: a few ops, each with its operands drawn from what is there or from
 * new leaves that lie somehow in memory, then a scalar, then the gradients of all leaves. Any list of steps is a
 * program, because shapes are worked out while it runs; so counterexamples shrink.
 */

import * as fc from "fast-check";
import * as ag from "lowrank/autograd";
import { Tensor } from "lowrank/autograd";
import { type Shape, sizeOf } from "lowrank/core";
import { numbers } from "./numbers.ts";
import { type Layout, layout, viewOf } from "./views.ts";

/** One op. Naturals are taken modulo what there is to choose from. */
interface Step {
  readonly op: number;
  /** Which of the tensors so far is the operand. */
  readonly of: number;
  /** The other operand: one of the tensors so far where it fits, or a new leaf. */
  readonly other: number;
  readonly isLeaf: boolean;
  /** How the new leaf lies. */
  readonly how: Layout;
  /** Lengths, axes and the like. */
  readonly n: readonly number[];
}

export interface Program {
  readonly first: Shape;
  readonly how: Layout;
  readonly steps: readonly Step[];
  readonly end: number;
}

/** Exact: additions and multiplications of small integers, so that float32 makes no error at all. */
export type Kind = "exact" | "smooth";

const size = fc.constantFrom(1, 1, 2, 2, 3, 3, 4, 5, 8, 9, 17);

export const program: fc.Arbitrary<Program> = fc.record({
  first: fc.array(fc.oneof({ weight: 40, arbitrary: size }, { weight: 1, arbitrary: fc.constant(0) }), {
    minLength: 1,
    maxLength: 4,
  }),
  how: layout,
  steps: fc.array(
    fc.record({
      op: fc.nat(999),
      of: fc.nat(2),
      other: fc.nat(9),
      isLeaf: fc.boolean(),
      how: layout,
      n: fc.array(fc.nat(99), { minLength: 6, maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  end: fc.nat(9),
});

const lengths = [1, 2, 3, 1, 4, 5, 8, 9, 17];
/** A program stays small: what would be longer is summed. */
const LONGEST = 4000;

/** What runs a program, and what an op may ask of it. */
class Run {
  readonly leaves: Tensor[] = [];
  readonly tensors: Tensor[] = [];
  readonly lines: string[] = [];
  readonly kind: Kind;
  /** In place of each number its size and in place of each op one that only grows: bounds all partial sums. */
  readonly isBound: boolean;

  constructor(kind: Kind, isBound: boolean) {
    this.kind = kind;
    this.isBound = isBound;
  }

  name(x: Tensor): string {
    return `x${this.tensors.indexOf(x)}`;
  }

  add(x: Tensor, line: string): Tensor {
    this.tensors.push(x);
    this.lines.push(`x${this.tensors.length - 1} [${x.shape.join(", ")}] = ${line}`);
    return x;
  }

  leaf(shape: Shape, how: Layout): Tensor {
    let values = numbers(how.seed, sizeOf(shape), how.isCoarse);
    if (this.kind === "exact") values = values.map((value) => Math.round(value * 2));
    if (this.isBound) values = values.map(Math.abs);
    const x = new Tensor(viewOf(ag.tensor(values, shape), how).value);
    x.requiresGrad = true;
    this.leaves.push(x);
    return this.add(
      x,
      `a leaf with strides [${x.value.strides.join(", ")}]${how.isInArena ? "" : " elsewhere"}`,
    );
  }

  /** A tensor so far that `fits`, or a new leaf. */
  other({ isLeaf, other, how }: Step, shape: Shape, fits: (shape: Shape) => boolean): Tensor {
    const found = isLeaf ? [] : this.tensors.filter((x) => fits(x.shape));
    return found.length > 0 ? found[other % found.length] : this.leaf(shape, how);
  }

  /** The same, of a shape that broadcasts with x's. */
  broadcast(step: Step, x: Tensor): Tensor {
    const wanted = x.shape
      .map((n, axis) => (step.n[axis] % 3 === 0 ? 1 : n === 1 && step.n[axis] % 3 === 1 ? 3 : n))
      .slice(step.n[5] % 2 ? step.n[4] % (x.shape.length + 1) : 0);
    return this.other(step, wanted, (shape) => {
      const rank = Math.max(shape.length, x.shape.length);
      const at = (s: Shape, axis: number): number => s[s.length - 1 - axis] ?? 1;
      return Array.from({ length: rank }).every((_, axis) => {
        const [a, b] = [at(shape, axis), at(x.shape, axis)];
        return a === b || a === 1 || b === 1;
      });
    });
  }
}

type Op = (x: Tensor, step: Step, run: Run) => [Tensor, string] | null;

const pick = <T>(list: readonly T[], n: number): T => list[n % list.length];
const axisOf = (x: Tensor, n: number): number => n % Math.max(1, x.shape.length);
const axesOf = (x: Tensor, n: number): number[] =>
  x.shape.map((_, axis) => axis).filter((axis) => ((n + 1) >> axis) & 1);
const orderOf = (x: Tensor, keys: readonly number[]): number[] =>
  x.shape.map((_, axis) => axis).sort((a, b) => keys[a] - keys[b]);

const binary =
  (name: string, f: (a: Tensor, b: Tensor) => Tensor, bound = f): Op =>
  (x, step, run) => {
    const y = run.broadcast(step, x);
    const [a, b] = step.n[4] % 2 ? [y, x] : [x, y];
    return [(run.isBound ? bound : f)(a, b), `${name}(${run.name(a)}, ${run.name(b)})`];
  };

const unary =
  (name: string, f: (x: Tensor) => Tensor, bound = f): Op =>
  (x, _, run) => [(run.isBound ? bound : f)(x), `${name}(${run.name(x)})`];

/** Elsewhere than `axis`, the shape of x; there, `length`. */
const alike = (x: Tensor, axis: number, length: number): number[] =>
  x.shape.map((n, i) => (i === axis ? length : n));

const products: Record<string, Op> = {
  matmul: (x, step, run) => {
    const { shape } = x;
    if (shape.length === 0) return null;
    const [n, m] = [pick(lengths, step.n[0]), pick(lengths, step.n[1])];
    const batch = shape.slice(0, -2).map((length, axis) => (step.n[2 + axis] % 3 === 0 ? 1 : length));
    const lead = step.n[5] % 2 ? batch : [];
    const isLeft = step.n[4] % 2 === 1; // x is on the left
    const inner = isLeft || shape.length === 1 ? shape[shape.length - 1] : shape[shape.length - 2];
    const vector = step.n[5] % 5 === 0;
    const y = run.other(step, vector ? [inner] : isLeft ? [...lead, inner, m] : [...lead, n, inner], (s) => {
      const product = isLeft ? multiplies(shape, s) : multiplies(s, shape);
      return product;
    });
    const [a, b] = isLeft ? [x, y] : [y, x];
    return [ag.matmul(a, b), `matmul(${run.name(a)}, ${run.name(b)})`];
  },
  linear: (x, step, run) => {
    if (x.shape.length === 0) return null;
    const [k, m] = [x.shape.at(-1) as number, pick(lengths, step.n[0])];
    const W = run.other(step, [m, k], (s) => s.length === 2 && s[1] === k);
    const b = step.n[1] % 2 ? run.leaf([W.shape[0]], { ...step.how, seed: step.how.seed + 1 }) : null;
    return [ag.linear(x, W, b), `linear(${run.name(x)}, ${run.name(W)}, ${b ? run.name(b) : null})`];
  },
  einsum: (x, step, run) => {
    const letters = "abcdefgh".slice(0, x.shape.length);
    // Of each letter: kept or summed, in the other operand or not. The other has a letter of its own, z.
    const uses = [...letters].map((c, i) => ({
      c,
      shared: step.n[i] % 2 === 1,
      kept: step.n[i] % 4 < 2 || i === 0,
    }));
    const shared = uses.filter((use) => use.shared).map((use) => use.c);
    const hasOwn = step.n[5] % 2 === 1;
    const second = rotated([...shared, ...(hasOwn ? ["z"] : [])], step.n[4]);
    const length = (c: string): number =>
      c === "z" ? pick(lengths, step.n[0]) : x.shape[letters.indexOf(c)];
    const y = run.leaf(second.map(length), step.how);
    const out = rotated(
      [...uses.filter((use) => use.kept).map((use) => use.c), ...(hasOwn ? ["z"] : [])],
      step.n[3],
    );
    const equation = `${letters},${second.join("")}->${out.join("")}`;
    return [ag.einsum(equation, x, y), `einsum("${equation}", ${run.name(x)}, ${run.name(y)})`];
  },
};

const rotated = <T>(list: readonly T[], n: number): T[] => list.map((_, i) => list[(i + n) % list.length]);

/** True when A B exists for these shapes. */
function multiplies(a: Shape, b: Shape): boolean {
  if (a.length === 0 || b.length === 0) return false;
  if (a.at(-1) !== (b.length === 1 ? b[0] : b.at(-2))) return false;
  const [p, q] = [a.slice(0, -2).reverse(), b.slice(0, -2).reverse()];
  return p.every((n, axis) => n === 1 || (q[axis] ?? 1) === 1 || n === q[axis]);
}

const movements: Record<string, Op> = {
  mT: (x, _, run) => (x.shape.length < 2 ? null : [x.T, `${run.name(x)}.T`]),
  permute: (x, step, run) => {
    const order = orderOf(x, step.n);
    return [ag.permute(x, order), `permute(${run.name(x)}, [${order}])`];
  },
  reshape: (x, step, run) => {
    // Two neighbours joined, or one split, or all flat, or an axis of length 1 put in.
    const axis = axisOf(x, step.n[1]);
    const { shape } = x;
    const joined = [
      ...shape.slice(0, axis),
      (shape[axis] ?? 1) * (shape[axis + 1] ?? 1),
      ...shape.slice(axis + 2),
    ];
    const split = shape.flatMap((n, i) => (i === axis && n % 2 === 0 ? [2, n / 2] : [n]));
    const to = pick([joined, split, [x.size], [...shape.slice(0, axis), 1, ...shape.slice(axis)]], step.n[0]);
    if (to.length > 5) return null;
    return [ag.reshape(x, to), `reshape(${run.name(x)}, [${to}])`];
  },
  slice: (x, step, run) => {
    if (x.shape.length === 0) return null;
    const axis = axisOf(x, step.n[0]);
    const start = step.n[1] % Math.max(1, x.shape[axis]);
    const end = Math.min(x.shape[axis], start + 1 + (step.n[2] % Math.max(1, x.shape[axis])));
    return [ag.slice(x, axis, start, end), `slice(${run.name(x)}, ${axis}, ${start}, ${end})`];
  },
  broadcastTo: (x, step, run) => {
    if (x.shape.length > 4) return null;
    const to = x.shape.map((n, axis) => (n === 1 && step.n[axis] % 2 ? pick(lengths, step.n[4]) : n));
    const whole = step.n[5] % 2 ? [pick(lengths, step.n[3]), ...to] : to;
    return [ag.broadcastTo(x, whole), `broadcastTo(${run.name(x)}, [${whole}])`];
  },
  concat: (x, step, run) => {
    if (x.shape.length === 0) return null;
    const axis = axisOf(x, step.n[0]);
    const y = run.other(
      step,
      alike(x, axis, pick(lengths, step.n[1])),
      (s) => s.length === x.shape.length && s.every((n, i) => i === axis || n === x.shape[i]),
    );
    return [ag.concat([x, y, x], axis), `concat([${run.name(x)}, ${run.name(y)}, ${run.name(x)}], ${axis})`];
  },
  stack: (x, step, run) => {
    if (x.shape.length > 4) return null;
    const axis = step.n[0] % (x.shape.length + 1);
    const y = run.other(step, x.shape, (s) => s.join() === x.shape.join());
    return [ag.stack([x, y], axis), `stack([${run.name(x)}, ${run.name(y)}], ${axis})`];
  },
  gather: (x, step, run) => {
    if (x.shape.length === 0 || x.size === 0) return null;
    const axis = axisOf(x, step.n[0]);
    const shape = alike(x, axis, pick(lengths, step.n[1]));
    const data = Int32Array.from(
      { length: sizeOf(shape) },
      (_, i) => (i * 7 + step.n[2] + (i >> 2)) % x.shape[axis],
    );
    return [ag.gather(x, { data, shape }, axis), `gather(${run.name(x)}, [${data}], ${axis})`];
  },
  takeRows: (x, step, run) => {
    if (x.shape.length === 0 || x.size === 0) return null;
    const ids = step.n.slice(0, 1 + (step.n[0] % 5)).map((n) => n % x.shape[0]);
    return [ag.takeRows(x, ids), `takeRows(${run.name(x)}, [${ids}])`];
  },
  addRows: (x, step, run) => {
    if (x.shape.length === 0) return null;
    const ids = Array.from({ length: x.shape[0] }, (_, i) => (i * 3 + step.n[0]) % 4);
    return [ag.addRows(x, ids, 4), `addRows(${run.name(x)}, [${ids}], 4)`];
  },
  unfold: (x, step, run) => {
    if (x.shape.length !== 4 || x.size === 0) return null;
    const [, , height, width] = x.shape;
    const kernel = [1 + (step.n[0] % Math.min(3, height)), 1 + (step.n[1] % Math.min(3, width))] as const;
    const windows = {
      kernel,
      stride: [1 + (step.n[2] % 2), 1 + (step.n[3] % 2)] as const,
      padding: [step.n[4] % 2, step.n[5] % 2] as const,
      dilation: [1, 1] as const,
    };
    return [ag.unfold(x, windows), `unfold(${run.name(x)}, ${JSON.stringify(windows)})`];
  },
};

const sums: Record<string, Op> = {
  sum: (x, step, run) => {
    const [axes, keepdims] = [axesOf(x, step.n[0]), step.n[1] % 2 === 1];
    return [ag.sum(x, axes, { keepdims }), `sum(${run.name(x)}, [${axes}], ${keepdims})`];
  },
  add: binary("add", ag.add),
  sub: binary("sub", ag.sub, ag.add),
  mul: binary("mul", ag.mul),
};

/** With kinks: where float32 is exact, both sides of a kink are told apart. */
const kinked: Record<string, Op> = {
  maximum: binary("maximum", ag.maximum, ag.add),
  minimum: binary("minimum", ag.minimum, ag.add),
  relu: unary("relu", ag.relu, (x) => x),
  abs: unary("abs", ag.abs),
  neg: unary("neg", ag.neg, (x) => x),
  clamp: unary(
    "clamp",
    (x) => ag.clamp(x, -1, 2),
    (x) => x,
  ),
  where: (x, step, run) => {
    const y = run.broadcast(step, x);
    const mask = ag.gt(y.detach(), 0);
    return [
      run.isBound ? ag.add(x, y) : ag.where(mask, x, y),
      `where(${run.name(y)} > 0, ${run.name(x)}, ${run.name(y)})`,
    ];
  },
};

const overLast =
  (name: string, f: (x: Tensor, axis: number) => Tensor): Op =>
  (x, step, run) => {
    if (x.shape.length === 0 || x.size === 0) return null;
    const axis = axisOf(x, step.n[0]);
    return [f(x, axis), `${name}(${run.name(x)}, ${axis})`];
  };

const smooth: Record<string, Op> = {
  tanh: unary("tanh", ag.tanh),
  sigmoid: unary("sigmoid", ag.sigmoid),
  gelu: unary("gelu", ag.gelu),
  silu: unary("silu", ag.silu),
  sin: unary("sin", ag.sin),
  square: unary("square", ag.square),
  "rsqrt(1 + square)": unary("rsqrt(1 + square)", (x) => ag.rsqrt(ag.add(ag.square(x), 1))),
  "log1p(square)": unary("log1p(square)", (x) => ag.log1p(ag.square(x))),
  "exp(sin)": unary("exp(sin)", (x) => ag.exp(ag.sin(x))),
  quotient: binary("quotient", (a, b) => ag.div(a, ag.add(ag.square(b), 1))),
  softmax: overLast("softmax", ag.softmax),
  logSoftmax: overLast("logSoftmax", ag.logSoftmax),
  logsumexp: overLast("logsumexp", ag.logsumexp),
  mean: overLast("mean", ag.mean),
  variance: overLast("variance", (x, axis) => ag.variance(x, axis, { keepdims: true })),
  causalSoftmax: (x, _, run) => {
    if (x.size === 0 || x.shape.length < 2 || (x.shape.at(-2) as number) > (x.shape.at(-1) as number))
      return null;
    return [ag.causalSoftmax(x), `causalSoftmax(${run.name(x)})`];
  },
  layerNorm: (x, step, run) => {
    if (x.size === 0 || x.shape.length === 0) return null;
    const n = x.shape.at(-1) as number;
    const w = run.other(step, [n], (s) => s.length === 1 && s[0] === n);
    return [ag.layerNorm(x, w, w, 0.1), `layerNorm(${run.name(x)}, ${run.name(w)}, ${run.name(w)}, 0.1)`];
  },
  rmsNorm: (x, step, run) => {
    if (x.size === 0 || x.shape.length === 0) return null;
    const n = x.shape.at(-1) as number;
    const w = run.other(step, [n], (s) => s.length === 1 && s[0] === n);
    return [ag.rmsNorm(x, w, 0.1), `rmsNorm(${run.name(x)}, ${run.name(w)}, 0.1)`];
  },
  rotate: (x, step, run) => {
    const [time, d] = x.shape.slice(-2);
    if (x.shape.length < 2 || d % 2 === 1) return null;
    const angles = ag.tensor(numbers(step.n[0], (time * d) / 2), [time, d / 2]);
    return [ag.rotate(x, ag.cos(angles), ag.sin(angles)), `rotate(${run.name(x)}, …)`];
  },
};

/** Products come as often as all else together. */
const often = (ops: Record<string, Op>, times: number): Op[] => Array(times).fill(Object.values(ops)).flat();
const common = [...often(products, 4), ...often(movements, 1), ...often(sums, 1)];
const opsOf: Record<Kind, readonly Op[]> = {
  exact: [...common, ...Object.values(kinked)],
  smooth: [...common, ...Object.values(smooth)],
};

export interface Outcome {
  /** The scalar, then the gradient of each leaf, null where it does not reach the scalar. */
  readonly results: readonly (ArrayLike<number> | null)[];
  readonly names: readonly string[];
  /** The program, a line for each tensor. */
  readonly listing: string;
}

/** Runs a program on the device in use. */
export function execute({ first, how, steps, end }: Program, kind: Kind, isBound = false): Outcome {
  const run = new Run(kind, isBound);
  run.leaf(first, how);
  for (const step of steps) {
    const x = run.tensors[Math.max(0, run.tensors.length - 1 - step.of)]; // mostly what came last
    const done = pick(opsOf[kind], step.op)(x, step, run);
    if (!done) continue;
    const y = run.add(...done);
    if (y.size > LONGEST) run.add(ag.sum(y, 0), `sum(${run.name(y)}, 0)`);
  }
  const last = run.tensors.at(-1) as Tensor;
  const weighted = (): Tensor => ag.mul(last, run.leaf(last.shape, { ...how, seed: how.seed + 1 }));
  const [scalar, line] =
    kind === "smooth" && end % 4 === 0
      ? [ag.mean(ag.square(last)), "mean(square(…))"]
      : kind === "smooth" && end % 4 === 1 && last.size > 0
        ? [ag.mean(last), "mean(…)"]
        : end % 4 < 3
          ? [ag.sum(last), "sum(…)"]
          : [ag.sum(weighted()), "sum(… ∘ the last leaf)"];
  run.lines.push(`scalar = ${line}`);
  scalar.backward();
  return {
    results: [valuesOf(scalar), ...run.leaves.map((leaf) => leaf.grad && valuesOf(leaf.grad))],
    names: ["the scalar", ...run.leaves.map((leaf) => `the gradient of ${run.name(leaf)}`)],
    listing: run.lines.join("\n"),
  };
}

/** A copy, in the precision that they have. */
const valuesOf = (x: Tensor): ArrayLike<number> => x.value.data.slice();
