/** @file Nonsense handed to an op is refused in one sentence by a typed error: never a TypeError, never a silent result. */

import * as ag from "lowrank/autograd";
import {
  array,
  fromHost,
  indices,
  keepingCopies,
  LowrankError,
  measureMemory,
  random,
  randomFromState,
  scope,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { byteTokenizer } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const { neg, exp, log, gelu, relu, bfloat16, add, sub, mul, div, pow, maximum, minimum, eq, gt, ge } = ag;
const { sum, mean, max, min, logsumexp, norm, variance, softmax, logSoftmax } = ag;
const nonsense = suite("arguments");

const x = ag.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
const row = ag.tensor([1, 2, 3]);
const image = ag.tensor(random(1).uniform(16), [1, 1, 4, 4]);
const windows = { kernel: [2, 2], stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const;
const notNumbers = [Number.NaN, "1", null, {}, [], true];
const notCounts = [...notNumbers, -1, 1.5, Number.POSITIVE_INFINITY];
const notTensors = [undefined, null, 1, "x", [1, 2], new Float32Array(2), {}];
const notAxes = [Number.NaN, "0", null, {}, 1.5, 2, -3];
const notFunctions = [undefined, null, 5, "f", {}];
const returning = (results: readonly unknown[]): (() => unknown)[] => results.map((result) => () => result);
const notShapes = [undefined, null, 3, "2", {}, [Number.NaN], [-2], [1.5], ["2"], [2, 3, -7]];

type Row = readonly [name: string, call: (bad: never) => unknown, bad: readonly unknown[]];
const rows: readonly Row[] = [
  ...Object.entries({ neg, exp, log, gelu, relu, bfloat16 }).map(([name, f]): Row => [name, f, notTensors]),
  ...Object.entries({ add, sub, mul, div, pow, maximum, minimum, eq, gt, ge }).flatMap(([name, f]): Row[] => [
    [`${name}, first`, (bad) => f(bad, x), notTensors.filter((bad) => bad !== 1)],
    [`${name}, second`, (bad) => f(x, bad), notTensors.filter((bad) => bad !== 1)],
  ]),
  ...Object.entries({ sum, mean, max, min, logsumexp, norm, variance, softmax, logSoftmax }).flatMap(
    ([name, f]): Row[] => [
      [name, (bad) => f(bad), notTensors],
      [`${name} over axes`, (bad) => f(x, bad), [...notAxes, [0, 0], [7], ["0"], { keepdims: true }]],
    ],
  ),
  ["sum, options", (bad) => x.sum(0, bad), [{ keepdim: true }, { keepDims: true }, { dim: 1 }]],
  ["variance, correction", (bad) => x.variance(0, { correction: bad }), [...notNumbers, -1]],
  ["argmax", (bad) => ag.argmax(bad), notTensors],
  ["argmax over an axis", (bad) => ag.argmax(x, bad), notAxes],
  ["noGrad", (bad) => ag.noGrad(bad), notFunctions],
  ["withRecording", (bad) => ag.withRecording(true, bad), notFunctions],
  ["detectAnomaly", (bad) => ag.detectAnomaly(bad), notFunctions],
  ["scope", (bad) => scope(bad), notFunctions],
  ["measureMemory", (bad) => measureMemory(bad), notFunctions],
  ["keepingCopies", (bad) => keepingCopies(bad), notFunctions],
  ["withDevice", (bad) => withDevice("cpu", bad), notFunctions],
  ["withPrecision", (bad) => withPrecision("float64", bad), notFunctions],
  ["checkpoint, fn", (bad) => ag.checkpoint(bad, x), [...notFunctions, ...returning(notTensors)]],
  ["checkpoint, input", (bad) => ag.checkpoint((t) => t, bad), notTensors],
  ["checkGradients, f", (bad) => ag.checkGradients(bad, [x]), [...notFunctions, ...returning(notTensors)]],
  ["checkGradients, inputs", (bad) => ag.checkGradients((t) => t, bad), [...notFunctions, x, [3]]],
  ["grad, f", (bad) => ag.grad(bad)(x), [...notFunctions, ...returning(notTensors)]],
  ["grad, argument", (bad) => ag.grad((t) => t.sum())(bad), notTensors],
  ["vjp, f", (bad) => ag.vjp(bad, [x], x), [...notFunctions, ...returning(notTensors)]],
  ["vjp, xs", (bad) => ag.vjp((t) => t, bad, x), [...notFunctions, x, [3]]],
  ["jacobian, f", (bad) => ag.jacobian(bad, x), [...notFunctions, ...returning(notTensors)]],
  ["hessian, f", (bad) => ag.hessian(bad, x), [...notFunctions, ...returning(notTensors)]],
  ["onGradient", (bad) => ag.parameter(x).onGradient(bad), notFunctions],
  ["randomFromState", (bad) => randomFromState(bad), [undefined, null, 1, {}, { key: [1], position: 0 }]],
  [
    "indices with a shape of their own",
    (bad) => indices({ data: new Int32Array(4), shape: bad }),
    [[-2, -2], [1.5]],
  ],
  ["where, mask", (bad) => ag.where(bad, x, 0), notTensors],
  ["where, a", (bad) => ag.where(x, bad, 0), [undefined, null, "1", [1]]],
  ["clamp, low", (bad) => x.clamp(bad, 1), [...notNumbers, 2]],
  ["clamp, high", (bad) => x.clamp(0, bad), [...notNumbers, undefined, -1]],
  ["matmul", (bad) => x.matmul(bad), [...notTensors, x, ag.tensor(1)]],
  ["linear, weight", (bad) => ag.linear(x, bad), [...notTensors, row, ag.tensor([[1, 2]])]],
  ["linear, bias", (bad) => ag.linear(x, x, bad), [1, "b", [1, 2], row, ag.tensor([1]), ag.tensor([[1, 2]])]],
  [
    "einsum, equation",
    (bad) => ag.einsum(bad, x),
    [undefined, null, 1, "", "ij", "ii->i", "ij->k", "ijk->i", "i,j->"],
  ],
  ["einsum, operand", (bad) => ag.einsum("ij->i", bad), notTensors],
  ["layerNorm, eps", (bad) => ag.layerNorm(x, null, null, bad), [...notNumbers, -1]],
  ["layerNorm, weight", (bad) => ag.layerNorm(x, bad), [1, [1, 2, 3], x, ag.tensor([1]), ag.tensor([1, 2])]],
  ["rmsNorm, eps", (bad) => ag.rmsNorm(x, null, bad), [...notNumbers, -1]],
  ["reshape", (bad) => ag.reshape(x, bad), [...notShapes, [-1, -1], [4], [0, -1], [7, -1]]],
  [
    "permute",
    (bad) => ag.permute(x, bad),
    [undefined, null, 1, "01", [0], [0, 0], [0, 2], [0, Number.NaN], [0, 1.5]],
  ],
  ["transpose", (bad) => ag.transpose(x, 0, bad), notAxes],
  ["mT", (bad) => ag.mT(bad), [...notTensors, row]],
  ["broadcastTo", (bad) => x.broadcastTo(bad), [...notShapes, [3], [3, 3], []]],
  ["sumTo", (bad) => ag.sumTo(x, bad), [...notShapes, [2, 2], [4], [1, 2, 3]]],
  ["slice, axis", (bad) => x.slice(bad, 0), notAxes],
  ["slice, start", (bad) => x.slice(1, bad), [Number.NaN, "1", null, {}, 1.5, 4, -4, undefined]],
  ["slice, end", (bad) => x.slice(1, 1, bad), [Number.NaN, "2", null, {}, 1.5, 4, -4, 0]],
  ["pad, axis", (bad) => ag.pad(x, bad, 0, 5), notAxes],
  ["pad, start", (bad) => ag.pad(x, 1, bad, 5), [...notCounts, undefined, 3]],
  ["pad, length", (bad) => ag.pad(x, 1, 1, bad), [...notCounts, undefined, 3]],
  ["concat", (bad) => ag.concat(bad), [...notTensors, [], [x, row], [x, 1], [ag.tensor(1)]]],
  ["concat, axis", (bad) => ag.concat([x, x], bad), notAxes],
  ["stack", (bad) => ag.stack(bad), [...notTensors, [], [x, row], [x, null]]],
  ["stack, axis", (bad) => ag.stack([row, row], bad), notAxes],
  ["takeRows, table", (bad) => ag.takeRows(bad, [0]), [...notTensors, ag.tensor(1)]],
  [
    "takeRows, ids",
    (bad) => x.takeRows(bad),
    [undefined, null, 1, "0", {}, row, [2], [-1], [0.5], [Number.NaN], ["0"], [[0], [0, 1]]],
  ],
  ["addRows, rows", (bad) => ag.addRows(x, [0, 1], bad), [...notCounts, 1]],
  ["addRows, ids", (bad) => ag.addRows(x, bad, 4), [[0], [0, 4], [[0]], row, null]],
  ["gather, index", (bad) => x.gather(bad, 1), [[0, 1], [[0], [3]], [[0]], row, null, [["0"], ["1"]]]],
  ["gather, axis", (bad) => x.gather([[0], [1]], bad), notAxes],
  [
    "scatterAdd, shape",
    (bad) =>
      ag.scatterAdd(
        x,
        [
          [0, 1, 2],
          [0, 1, 2],
        ],
        1,
        bad,
      ),
    [...notShapes, [2], [3, 3]],
  ],
  ["oneHot, classes", (bad) => ag.oneHot([0, 1], bad), [...notCounts, 1]],
  ["rotate, angles", (bad) => ag.rotate(x, bad, bad), [...notTensors, row, x]],
  [
    "unfold, windows",
    (bad) => ag.unfold(image, bad),
    [
      undefined,
      null,
      {},
      { ...windows, kernel: 2 },
      { ...windows, stride: [0, 1] },
      { ...windows, kernel: [9, 9] },
      { ...windows, padding: [-1, 0] },
      { ...windows, dilation: [1.5, 1] },
      { ...windows, kernel: ["2", 2] },
    ],
  ],
  ["unfold, x", (bad) => ag.unfold(bad, windows), [...notTensors, x]],
  [
    "fold, shape",
    (bad) => ag.fold(ag.unfold(image, windows), bad, windows),
    [...notShapes, [1, 1, 5, 5], [1, 2, 4, 4], [16]],
  ],
  ["dropout, p", (bad) => ag.dropout(x, bad, random(1)), [...notNumbers, -0.1, 1, 2]],
  ["dropout, generator", (bad) => ag.dropout(x, 0.5, bad), [undefined, null, 1, {}]],
  ["causalSoftmax", (bad) => ag.causalSoftmax(bad), [...notTensors, row, x.T]],
  [
    "crossEntropy, labels",
    (bad) => ag.crossEntropy(x, bad),
    [undefined, null, 0, "01", row, [0], [0, 3], [0, -1], [0, 0.5], [0, 2 ** 32], [[0, 1]]],
  ],
  [
    "crossEntropy, options",
    (bad) => ag.crossEntropy(x, [0, 1], bad),
    [
      { labelSmoothing: -1 },
      { labelSmoothing: "0" },
      { labelSmoothing: Number.NaN },
      { reduction: "avg" },
      { ignoreIndex: 0.5 },
      { label_smoothing: 0.1 },
      { weight: row },
    ],
  ],
  ["mseLoss", (bad) => ag.mseLoss(x, bad), [...notTensors, row]],
  ["mseLoss, reduction", (bad) => ag.mseLoss(x, x, bad), ["none", 1, null]],
  ["backward, gradient", (bad) => leaf().sum().backward(bad), [{ createGraph: true }, 1, [1], null, row]],
  [
    "backward, options",
    (bad) => leaf().sum().backward(undefined, bad),
    [{ create_graph: true }, { retain: true }],
  ],
  ["gradients, inputs", (bad) => ag.gradients(leaf().sum(), bad), [undefined, null, x, [x], [1]]],
  [
    "assign",
    (bad) => x.clone().assign(bad),
    ["123456", ["1", 2, 3, 4, 5, 6], [1], row, new BigInt64Array(6), [1, 2, 3, 4, 5, undefined]],
  ],
  [
    "tensor",
    (bad) => ag.tensor(bad),
    [
      undefined,
      null,
      "1.5",
      ["1.5", "2"],
      [1, "2"],
      [[1], ["2"]],
      [null],
      [undefined],
      [1n],
      1n,
      [{}],
      {},
      true,
      [true],
      new Array(3),
      [1, undefined, 2],
      [[1, 2], [3]],
      [[1], 2],
      [1, [2]],
      [[[1]], [2]],
      new BigInt64Array(2),
      new DataView(new ArrayBuffer(8)),
      cyclic(),
      deep(100),
      () => 1,
      Symbol("x"),
      new Map(),
    ],
  ],
  [
    "tensor, shape",
    (bad) => ag.tensor([1, 2], bad),
    [
      3,
      "2",
      [3],
      [Number.NaN],
      [-1, -2],
      [1.5],
      new Int32Array([2]),
      { shape: [2] },
      { requires_grad: true },
      { category: "leaf" },
    ],
  ],
  ["array", (bad) => array(bad), ["1", ["1"], [[1], [2, 3]], undefined]],
  ["fromHost", (bad) => fromHost(new Float32Array(4), bad), [[2], [2, 3], [-4], [4.5], undefined]],
  [
    "indices",
    (bad) => indices(bad),
    [
      undefined,
      null,
      1,
      "1",
      {},
      { data: [1], shape: [2] },
      [2 ** 31],
      [-(2 ** 31) - 1],
      [2 ** 32 + 5],
      [0.5],
      [Number.NaN],
      ["1"],
      [1, undefined, 2],
      [1n],
      [[1], 2],
      new BigInt64Array(1),
      x,
    ],
  ],
  [
    "byteTokenizer.decode",
    (bad) => byteTokenizer.decode(bad),
    [[256], [-1], [1.5], [Number.NaN], ["a"], [2 ** 32]],
  ],
];

function leaf(): ag.Tensor {
  return ag.tensor([1, 2], { requiresGrad: true });
}

function cyclic(): unknown {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

function deep(levels: number): unknown {
  let list: unknown = 1;
  for (let i = 0; i < levels; i++) list = [list];
  return list;
}

for (const [name, call, bad] of rows) {
  nonsense(name, () => {
    for (const argument of bad) {
      let outcome: unknown = "it is accepted";
      try {
        call(argument as never);
      } catch (error) {
        outcome = error;
      }
      const shown =
        typeof argument === "symbol"
          ? "a symbol"
          : typeof argument === "object"
            ? Object.keys(argument ?? {})
            : argument;
      assert.ok(outcome instanceof LowrankError, `${name} with ${shown} (${typeof argument}): ${outcome}`);
      assert.ok((outcome as Error).message.length < 300, (outcome as Error).message);
    }
  });
}

nonsense("messages name what was given, where it stands, and what to do", () => {
  const says = (call: () => unknown, words: RegExp): void => assert.throws(call, words);
  says(
    () => ag.tensor(["1.5", "2"] as never),
    /numbers \(Number\(text\) reads one\); got element \[0\] "1\.5"/,
  );
  says(() => ag.tensor([[1, 2], [3]]), /2 as first in the list; got \[1\] has 1/);
  says(() => x.add([1, 2] as never), /add: expected b a tensor \(tensor\(list\) makes one\)/);
  says(() => indices([2 ** 32 + 5]), /element 0 4294967301/);
  says(() => ag.pad(x, 1, 1, 3), /pad: expected 0 ≤ start ≤ length − 3/);
  says(
    () =>
      leaf()
        .sum()
        .backward({ createGraph: true } as never),
    /options after it/,
  );
});

nonsense("JSON of a tensor is its nested values, which tensor reads", () => {
  assert.is(JSON.stringify(x), "[[1,2,3],[4,5,6]]");
  assert.is(
    JSON.stringify({ t: x.T, scalar: ag.tensor(2), none: ag.tensor([], [2, 0]) }),
    '{"t":[[1,4],[2,5],[3,6]],"scalar":2,"none":[[],[]]}',
  );
  assert.equal(ag.tensor(JSON.parse(JSON.stringify(x))).toArray(), x.toArray());
});

nonsense.run();
