/** @file Tensor operations against PyTorch: y, and the gradients of Σ y ∘ g. */

import type { Tensor } from "lowrank/autograd";
import * as ops from "lowrank/autograd";
import type { LoadedCase } from "../cases.ts";
import type { Params } from "../params.ts";
import { differentiate, indicesOf, type Method, type Methods, shapeOf, variable } from "./method.ts";

/** y = f(x). */
const unary =
  (f: (x: Tensor, params: Params, c: LoadedCase) => Tensor): Method =>
  (c) => {
    const x = variable(c, "x");
    return differentiate(c, f(x, c.params, c), { x });
  };

/** y = f(x, y_in). */
const binary =
  (f: (a: Tensor, b: Tensor, params: Params, c: LoadedCase) => Tensor): Method =>
  (c) => {
    const [x, y_in] = [variable(c, "x"), variable(c, "y_in")];
    return differentiate(c, f(x, y_in, c.params, c), { x, y_in });
  };

/** The params `dims` or `dim`; all axes when there is neither. */
const axes = (params: Params): readonly number[] | undefined =>
  params.has("dims") ? params.numbers("dims") : params.has("dim") ? [params.number("dim")] : undefined;

/** The input `mask`, of zeros and ones. */
function maskOf(c: LoadedCase): Tensor {
  const { data, shape } = indicesOf(c, "mask");
  return ops.tensor(data, shape);
}

const keep = (params: Params) => ({ keepdims: params.boolean("keepdim", false) });

export const nnOps: Methods = {
  "nn-exp": unary(ops.exp),
  "nn-log": unary(ops.log),
  "nn-sqrt": unary(ops.sqrt),
  "nn-rsqrt": unary(ops.rsqrt),
  "nn-tanh": unary(ops.tanh),
  "nn-sigmoid": unary(ops.sigmoid),
  "nn-softplus": unary(ops.softplus),
  "nn-relu": unary(ops.relu),
  "nn-silu": unary(ops.silu),
  "nn-gelu-erf": unary(ops.gelu),
  "nn-gelu-tanh": unary(ops.geluTanh),
  "nn-pow*": unary((x, params) => ops.pow(x, params.number("exponent"))),

  "nn-broadcast-add": binary(ops.add),
  "nn-broadcast-sub": binary(ops.sub),
  "nn-broadcast-mul": binary(ops.mul),
  "nn-broadcast-div": binary(ops.div),
  "nn-where": binary((x, y_in, _, c) => ops.where(maskOf(c), x, y_in)),
  "nn-bmm": binary(ops.matmul),
  "nn-matmul-*": binary(ops.matmul),
  "nn-einsum-*": (c) => {
    const operands = ["x", "y_in"]
      .filter((name) => c.inputs.has(name))
      .map((name) => [name, variable(c, name)] as const);
    const y = ops.einsum(c.params.string("equation"), ...operands.map(([, operand]) => operand));
    return differentiate(c, y, Object.fromEntries(operands));
  },

  "nn-sum-*": unary((x, params) => ops.sum(x, axes(params), keep(params))),
  "nn-mean-*": unary((x, params) => ops.mean(x, axes(params), keep(params))),
  "nn-var*": unary((x, params) =>
    ops.variance(x, axes(params), { correction: params.number("correction"), ...keep(params) }),
  ),
  "nn-norm-*": unary((x, params) => ops.norm(x, axes(params), keep(params))),
  "nn-logsumexp*": unary((x, params) => ops.logsumexp(x, axes(params), keep(params))),
  "nn-softmax-*": unary((x, params) => ops.softmax(x, axes(params))),
  "nn-log-softmax*": unary((x, params) => ops.logSoftmax(x, axes(params))),
  "nn-max-*": (c) => {
    const [x, dim] = [variable(c, "x"), c.params.number("dim")];
    const y = ops.max(x, dim, keep(c.params));
    return { ...differentiate(c, y, { x }), argmax: { data: ops.argmax(x, dim).data, shape: y.shape } };
  },

  "nn-permute*": unary((x, params) => ops.permute(x, params.numbers("dims"))),
  "nn-reshape-transpose*": unary((x, _, c) => ops.reshape(ops.mT(x), shapeOf(c, "g"))),
  "nn-gather*": unary((x, params, c) => ops.gather(x, indicesOf(c, "index"), params.number("dim"))),
  "nn-index-select*": unary((x, params, c) => {
    const dim = params.number("dim");
    return ops.transpose(ops.takeRows(ops.transpose(x, 0, dim), indicesOf(c, "index")), 0, dim);
  }),
  "nn-slice-cat*": binary((x, y_in, params) =>
    ops.concat(slices(params.string("slices"), { x, y_in }), params.number("dim", 1)),
  ),

  "nn-mse*": (c) => {
    const [x, t] = [variable(c, "x"), variable(c, "t")];
    return differentiate(c, ops.mseLoss(x, t, c.params.oneOf("reduction", ["mean", "sum"])), { x, t });
  },
  "nn-cross-entropy*": (c) => {
    const logits = variable(c, "logits");
    const y = ops.crossEntropy(logits, indicesOf(c, "labels"), {
      ignoreIndex: c.params.number("ignore_index", -100),
      labelSmoothing: c.params.number("label_smoothing", 0),
      reduction: c.params.oneOf("reduction", ["mean", "sum", "none"]),
    });
    return differentiate(c, y, { logits });
  },
};

/** The tensors of "x[:, 1:3], y_in[:, :2]": Python's slices of named tensors. */
function slices(text: string, tensors: Readonly<Record<string, Tensor>>): Tensor[] {
  const parts = [...text.matchAll(/(\w+)\[([^\]]*)\]/g)];
  if (
    parts.length === 0 ||
    parts.map(([part]) => part).join(", ") !== text ||
    parts.some(([, name]) => !tensors[name])
  ) {
    throw new Error(
      `params.slices: expected slices like "x[:, 1:3], y_in[:, :2]"; got ${JSON.stringify(text)}`,
    );
  }
  return parts.map(([, name, ranges]) =>
    ranges.split(",").reduce((x, range, axis) => {
      const [, start, end] = /^ *(-?\d*):(-?\d*) *$/.exec(range) ?? [];
      if (start === undefined) throw new Error(`params.slices: expected a range start:end; got ${range}`);
      return ops.slice(x, axis, Number(start), end === "" ? undefined : Number(end));
    }, tensors[name]),
  );
}
