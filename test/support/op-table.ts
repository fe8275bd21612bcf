/**
 * @file Every op with inputs on which it is differentiable, drawn by construction: away from kinks and poles by more
 * than the step of a finite difference. One row per op; the suites run over all rows.
 */

import * as fc from "fast-check";
import type { Tensor } from "lowrank/autograd";
import * as ag from "lowrank/autograd";
import { random, type Shape, sizeOf } from "lowrank/core";
import { broadcastable, filled, seed, shape, values } from "./arbitraries.ts";

export interface Draw {
  readonly f: (...xs: Tensor[]) => Tensor;
  readonly xs: readonly Tensor[];
}

export interface Op {
  readonly name: string;
  readonly draw: fc.Arbitrary<Draw>;
}

/** f of one tensor of any shape, low ≤ |x| < high. */
const unary = (name: string, f: (x: Tensor) => Tensor, low: number, high: number, signed = true): Op => ({
  name,
  draw: fc
    .record({ at: shape(), from: seed })
    .map(({ at, from }) => ({ f, xs: [values(at, from, low, high, signed)] })),
});

/** f of two tensors whose shapes broadcast. */
const binary = (
  name: string,
  f: (a: Tensor, b: Tensor) => Tensor,
  low: number,
  high: number,
  signed = true,
): Op => ({
  name,
  draw: fc.record({ shapes: broadcastable(2), from: seed }).map(({ shapes: { parts }, from }) => ({
    f: f as Draw["f"],
    xs: [values(parts[0], from, low, high, signed), values(parts[1], from + 1, low, high, signed)],
  })),
});

/** f of a tensor and a set of its axes. Axes are drawn for every rank, negative ones too. */
const overAxes = (
  name: string,
  f: (x: Tensor, axes: number[], keepdims: boolean) => Tensor,
  distinct = false,
): Op => ({
  name,
  draw: filled(3).chain((at) =>
    fc
      .record({
        axes: fc.subarray(at.map((_, i) => i)),
        negative: fc.boolean(),
        keepdims: fc.boolean(),
        from: seed,
      })
      .map(({ axes, negative, keepdims, from }) => {
        const named = axes.map((axis) => (negative ? axis - at.length : axis));
        const x = distinct ? spread(at, from) : values(at, from, 0.1, 1.5);
        return { f: (t) => f(t, named, keepdims), xs: [x] };
      }),
  ),
});

/** Values no two of which are nearer than 0.1: a maximum is one maximum. */
function spread(at: Shape, from: number): Tensor {
  const order = random(from).permutation(sizeOf(at));
  return ag.tensor(
    Float32Array.from(order, (i) => 0.1 * i - 1),
    at,
  );
}

/** Pairs of which neither is within 0.1 of the other. */
const apart = (name: string, f: (a: Tensor, b: Tensor) => Tensor): Op => ({
  name,
  draw: fc.record({ at: shape(), from: seed }).map(({ at, from }) => {
    const a = values(at, from, 0, 1);
    const gap = values(at, from + 1, 0.1, 1);
    return { f: f as Draw["f"], xs: [a, ag.tensor(a.add(gap).toArray(), at)] };
  }),
});

const matrices: Op = {
  name: "matmul",
  draw: fc
    .record({ batch: broadcastable(2, 2), n: fc.nat(3), k: fc.nat(3), m: fc.nat(3), from: seed })
    .map(({ batch: { parts }, n, k, m, from }) => ({
      f: (a, b) => ag.matmul(a, b),
      xs: [values([...parts[0], n, k], from, 0, 1), values([...parts[1], k, m], from + 1, 0, 1)],
    })),
};

const linear: Op = {
  name: "linear",
  draw: fc
    .record({ lead: shape(2), k: fc.nat(4), m: fc.nat(4), bias: fc.boolean(), from: seed })
    .map(({ lead, k, m, bias, from }) => ({
      f: (x, W, b) => ag.linear(x, W, bias ? b : null),
      xs: [values([...lead, k], from, 0, 1), values([m, k], from + 1, 0, 1), values([m], from + 2, 0, 1)],
    })),
};

const einsums: Op = {
  name: "einsum",
  draw: fc
    .record({
      equation: fc.constantFrom(
        "ij,kj->ik",
        "bij,bkj->bik",
        "bhqd,bhkd->bhqk",
        "bti,btj->ij",
        "ij,j->i",
        "i,j->ij",
        "ij,ij->",
        "ijk->ki",
      ),
      sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 8, maxLength: 8 }),
      from: seed,
    })
    .map(({ equation, sizes, from }) => {
      const letters = [...new Set(equation.replace(/[^a-z]/g, ""))];
      const size = (letter: string): number => sizes[letters.indexOf(letter)];
      const inputs = equation.split("->")[0].split(",");
      return {
        f: (...xs) => ag.einsum(equation, ...xs),
        xs: inputs.map((input, i) => values([...input].map(size), from + i, 0, 1)),
      };
    }),
};

const norms: readonly Op[] = [
  {
    name: "layerNorm",
    draw: fc
      .record({ lead: shape(2), n: fc.integer({ min: 2, max: 5 }), from: seed })
      .map(({ lead, n, from }) => ({
        f: (x, w, b) => ag.layerNorm(x, w, b, 0.1),
        xs: [values([...lead, n], from, 0, 1), values([n], from + 1, 0, 1), values([n], from + 2, 0, 1)],
      })),
  },
  {
    name: "rmsNorm",
    draw: fc
      .record({ lead: shape(2), n: fc.integer({ min: 1, max: 5 }), from: seed })
      .map(({ lead, n, from }) => ({
        f: (x, w) => ag.rmsNorm(x, w, 0.1),
        xs: [values([...lead, n], from, 0, 1), values([n], from + 1, 0, 1)],
      })),
  },
];

const movements: readonly Op[] = [
  {
    name: "reshape",
    draw: fc.record({ at: filled(3), from: seed }).map(({ at, from }) => ({
      f: (x) => ag.reshape(x, [-1]),
      xs: [values(at, from, 0, 1)],
    })),
  },
  {
    name: "permute",
    draw: shape(4).chain((at) =>
      fc
        .record({
          order: fc.shuffledSubarray(
            at.map((_, i) => i),
            { minLength: at.length },
          ),
          from: seed,
        })
        .map(({ order, from }) => ({
          f: (x) => ag.permute(x, order),
          xs: [values(at, from, 0, 1)],
        })),
    ),
  },
  {
    name: "broadcastTo",
    draw: fc.record({ shapes: broadcastable(2), from: seed }).map(({ shapes: { whole, parts }, from }) => ({
      f: (x) => ag.broadcastTo(x, whole),
      xs: [values(parts[0], from, 0, 1)],
    })),
  },
  {
    name: "sumTo",
    draw: fc.record({ shapes: broadcastable(2), from: seed }).map(({ shapes: { whole, parts }, from }) => ({
      f: (x) => ag.sumTo(x, parts[0]),
      xs: [values(whole, from, 0, 1)],
    })),
  },
  {
    name: "slice",
    draw: filled(3, 1).chain((at) =>
      fc
        .record({ axis: fc.nat(at.length - 1), cut: fc.tuple(fc.nat(4), fc.nat(4)), from: seed })
        .map(({ axis, cut, from }) => {
          const [start, end] = cut.map((c) => Math.min(c, at[axis])).sort((a, b) => a - b);
          return { f: (x) => ag.slice(x, axis, start, end), xs: [values(at, from, 0, 1)] };
        }),
    ),
  },
  {
    name: "concat",
    draw: filled(3, 1).chain((at) =>
      fc
        .record({ axis: fc.nat(at.length - 1), other: fc.nat(3), from: seed })
        .map(({ axis, other, from }) => ({
          f: (a, b) => ag.concat([a, b, a], axis),
          xs: [
            values(at, from, 0, 1),
            values(
              at.map((n, i) => (i === axis ? other : n)),
              from + 1,
              0,
              1,
            ),
          ],
        })),
    ),
  },
  {
    name: "stack",
    draw: shape(2).chain((at) =>
      fc
        .record({ axis: fc.integer({ min: -at.length - 1, max: at.length }), from: seed })
        .map(({ axis, from }) => ({
          f: (a, b) => ag.stack([a, b], axis),
          xs: [values(at, from, 0, 1), values(at, from + 1, 0, 1)],
        })),
    ),
  },
];

const lookups: readonly Op[] = [
  {
    name: "takeRows",
    draw: fc
      .record({
        rows: fc.integer({ min: 1, max: 4 }),
        d: fc.nat(3),
        ids: fc.array(fc.nat(3), { maxLength: 5 }),
        from: seed,
      })
      .map(({ rows, d, ids, from }) => ({
        f: (table) =>
          ag.takeRows(
            table,
            ids.map((id) => id % rows),
          ),
        xs: [values([rows, d], from, 0, 1)],
      })),
  },
  {
    name: "addRows",
    draw: fc
      .record({ ids: fc.array(fc.nat(3), { maxLength: 5 }), d: fc.nat(3), from: seed })
      .map(({ ids, d, from }) => ({
        f: (x) => ag.addRows(x, ids, 4),
        xs: [values([ids.length, d], from, 0, 1)],
      })),
  },
  {
    name: "gather",
    draw: filled(3, 1).chain((at) =>
      fc.record({ axis: fc.nat(at.length - 1), n: fc.nat(3), from: seed }).map(({ axis, n, from }) => {
        const indexShape = at.map((length, i) => (i === axis ? n : length));
        const rng = random(from);
        const data = Int32Array.from({ length: sizeOf(indexShape) }, () => rng.integer(at[axis]));
        return { f: (x) => ag.gather(x, { data, shape: indexShape }, axis), xs: [values(at, from, 0, 1)] };
      }),
    ),
  },
];

/** Windows of a small image, with every setting drawn. */
const window = fc
  .record({
    kernel: fc.integer({ min: 1, max: 2 }),
    stride: fc.integer({ min: 1, max: 2 }),
    padding: fc.nat(1),
    dilation: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ kernel, stride, padding, dilation }) => ({
    kernel: [kernel, 2] as const,
    stride: [stride, 1] as const,
    padding: [padding, 0] as const,
    dilation: [dilation, 1] as const,
  }));

const forModels: readonly Op[] = [
  {
    name: "causalSoftmax",
    draw: fc
      .record({ lead: shape(2), queries: fc.integer({ min: 1, max: 3 }), more: fc.nat(2), from: seed })
      .map(({ lead, queries, more, from }) => ({
        f: (x) => ag.causalSoftmax(x),
        xs: [values([...lead, queries, queries + more], from, 0, 2)],
      })),
  },
  {
    name: "rotate",
    draw: fc
      .record({
        lead: filled(2, 1),
        time: fc.integer({ min: 1, max: 3 }),
        half: fc.integer({ min: 1, max: 2 }),
        from: seed,
      })
      .map(({ lead, time, half, from }) => {
        const angles = values([time, half], from + 1, 0, 3);
        const [cos, sin] = [ag.cos(angles), ag.sin(angles)];
        return { f: (x) => ag.rotate(x, cos, sin), xs: [values([...lead, time, 2 * half], from, 0, 1)] };
      }),
  },
  {
    name: "unfold",
    draw: fc.record({ windows: window, from: seed }).map(({ windows, from }) => ({
      f: (x) => ag.unfold(x, windows),
      xs: [values([2, 2, 4, 3], from, 0, 1)],
    })),
  },
  {
    name: "fold",
    draw: fc.record({ windows: window, from: seed }).map(({ windows, from }) => {
      const columns = ag.unfold(values([1, 2, 4, 3], from, 0, 1), windows);
      return { f: (y) => ag.fold(y, [1, 2, 4, 3], windows), xs: [values(columns.shape, from + 1, 0, 1)] };
    }),
  },
];

const losses: readonly Op[] = [
  {
    name: "crossEntropy",
    draw: fc
      .record({
        n: fc.integer({ min: 1, max: 4 }),
        classes: fc.integer({ min: 1, max: 4 }),
        smooth: fc.boolean(),
        ignore: fc.boolean(),
        from: seed,
      })
      .map(({ n, classes, smooth, ignore, from }) => {
        const rng = random(from);
        const labels = Array.from({ length: n }, (_, i) =>
          ignore && i > 0 && i % 2 === 1 ? -100 : rng.integer(classes),
        );
        return {
          f: (x) => ag.crossEntropy(x, labels, { labelSmoothing: smooth ? 0.2 : 0 }),
          xs: [values([n, classes], from, 0, 2)],
        };
      }),
  },
  {
    name: "mseLoss",
    draw: fc.record({ at: filled(), from: seed }).map(({ at, from }) => ({
      f: (a, b) => ag.mseLoss(a, b),
      xs: [values(at, from, 0, 1), values(at, from + 1, 0, 1)],
    })),
  },
];

export const ops: readonly Op[] = [
  unary("neg", ag.neg, 0, 2),
  unary("abs", ag.abs, 0.1, 2),
  unary("square", ag.square, 0, 2),
  unary("sqrt", ag.sqrt, 0.3, 2, false),
  unary("rsqrt", ag.rsqrt, 0.3, 2, false),
  unary("reciprocal", ag.reciprocal, 0.3, 2),
  unary("exp", ag.exp, 0, 2),
  unary("expm1", ag.expm1, 0, 2),
  unary("log", ag.log, 0.3, 3, false),
  unary("log1p", ag.log1p, 0, 2, false),
  unary("sin", ag.sin, 0, 3),
  unary("cos", ag.cos, 0, 3),
  unary("tanh", ag.tanh, 0, 2),
  unary("sigmoid", ag.sigmoid, 0, 4),
  unary("softplus", ag.softplus, 0, 4),
  unary("relu", ag.relu, 0.1, 2),
  unary("erf", ag.erf, 0, 2),
  unary("gelu", ag.gelu, 0, 3),
  unary("geluTanh", ag.geluTanh, 0, 3),
  unary("silu", ag.silu, 0, 4),
  unary("clamp", (x) => ag.clamp(x, -0.05, 1), 0.1, 0.9),
  unary("add a number", (x) => ag.add(x, 3), 0, 1),
  unary("divide a number", (x) => ag.div(3, x), 0.3, 2),
  unary("pow of a number", (x) => ag.pow(x, 3), 0.1, 1.5),
  binary("add", ag.add, 0, 2),
  binary("sub", ag.sub, 0, 2),
  binary("mul", ag.mul, 0, 2),
  binary("div", ag.div, 0.4, 2),
  binary("pow", ag.pow, 0.4, 1.5, false),
  binary("where", (a, b) => ag.where(ag.gt(a.detach(), 0), a, b), 0.1, 2),
  apart("maximum", ag.maximum),
  apart("minimum", ag.minimum),
  overAxes("sum", (x, axes, keepdims) => ag.sum(x, axes, { keepdims })),
  overAxes("mean", (x, axes, keepdims) => ag.mean(x, axes, { keepdims })),
  overAxes("variance", (x, axes, keepdims) => ag.variance(x, axes, { keepdims })),
  overAxes("max", (x, axes, keepdims) => ag.max(x, axes, { keepdims }), true),
  overAxes("min", (x, axes, keepdims) => ag.min(x, axes, { keepdims }), true),
  overAxes("logsumexp", (x, axes, keepdims) => ag.logsumexp(x, axes, { keepdims })),
  overAxes("norm", (x, axes, keepdims) => ag.norm(x, axes, { keepdims })),
  overAxes("softmax", (x, axes) => ag.softmax(x, axes)),
  overAxes("logSoftmax", (x, axes) => ag.logSoftmax(x, axes)),
  matrices,
  linear,
  einsums,
  ...norms,
  ...movements,
  ...lookups,
  ...forModels,
  ...losses,
];
