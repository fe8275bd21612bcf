/** @file PEFT's LoRA on convolutions with groups, against its definition in loops in double precision. */

import { tensor } from "lowrank/autograd";
import {
  parseSafetensors,
  random,
  serializeSafetensors,
  setDevice,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import {
  type AdaptedLayer,
  type AdapterFiles,
  compose,
  inject,
  readAdapter,
  writeAdapter,
} from "lowrank/lora";
import { Conv1d, Conv2d, cloneModule, Linear, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("PEFT's adapters of grouped convolutions");

type Sizes = {
  readonly channels: number;
  readonly out: number;
  readonly kernel: readonly [number, number];
  readonly groups: number;
  readonly stride: number;
  readonly padding: number;
  readonly rank: number;
};

const noise = (n: number, seed: number): Float32Array => Float32Array.from(random(seed).normal(n));
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Σ over the window: a convolution of x [c, h, w] with W [o, c/g, kh, kw], in double precision. */
function convolved(
  x: ArrayLike<number>,
  [c, h, w]: readonly number[],
  W: ArrayLike<number>,
  [o, , kh, kw]: readonly number[],
  { groups, stride, padding }: { groups: number; stride: readonly number[]; padding: readonly number[] },
): { y: Float64Array; shape: readonly number[] } {
  const H = Math.floor((h + 2 * padding[0] - kh) / stride[0]) + 1;
  const V = Math.floor((w + 2 * padding[1] - kw) / stride[1]) + 1;
  const y = new Float64Array(o * H * V);
  const [inputs, outputs] = [c / groups, o / groups];
  for (let n = 0; n < o; n++)
    for (let i = 0; i < H; i++)
      for (let j = 0; j < V; j++)
        for (let m = 0; m < inputs; m++)
          for (let a = 0; a < kh; a++)
            for (let b = 0; b < kw; b++) {
              const [p, q] = [i * stride[0] + a - padding[0], j * stride[1] + b - padding[1]];
              if (p < 0 || q < 0 || p >= h || q >= w) continue;
              const channel = Math.floor(n / outputs) * inputs + m;
              y[(n * H + i) * V + j] +=
                W[((n * inputs + m) * kh + a) * kw + b] * x[(channel * h + p) * w + q];
            }
  return { y, shape: [o, H, V] };
}

class Sound extends Module {
  conv: Conv1d | Conv2d;
  head = new Linear(3, 2, { rng: random(2) });
  readonly is1d: boolean;
  constructor({ channels, out, kernel, ...options }: Sizes, is1d: boolean) {
    super();
    const { groups, stride, padding } = options;
    const given = { groups, stride, padding, rng: random(1) };
    this.is1d = is1d;
    this.conv = is1d ? new Conv1d(channels, out, kernel[1], given) : new Conv2d(channels, out, kernel, given);
  }
  forward(x: ReturnType<typeof tensor>) {
    return this.conv.forward(x);
  }
}

/** The files as PEFT writes them: A [r, in, k...] of a convolution without groups, B [out, r/groups, 1...] of one with. */
function filesOf(
  { channels, out, kernel, groups, rank }: Sizes,
  is1d: boolean,
  fields: object = {},
  maskA: (row: number, channel: number) => number = () => 1,
): AdapterFiles & { A: Float32Array; B: Float32Array } {
  const k = is1d ? [kernel[1]] : kernel;
  const [shapeA, shapeB] = [
    [rank, channels, ...k],
    [out, rank / groups, ...k.map(() => 1)],
  ];
  const area = sizeOf(k);
  const A = noise(sizeOf(shapeA), 5).map(
    (value, i) => value * maskA(Math.floor(i / (channels * area)), Math.floor(i / area) % channels),
  );
  const B = noise(sizeOf(shapeB), 6);
  const entries: [string, TensorBytes][] = [
    ["base_model.model.conv.lora_A.weight", tensorBytes("F32", shapeA, A)],
    ["base_model.model.conv.lora_B.weight", tensorBytes("F32", shapeB, B)],
    ["base_model.model.head.lora_A.weight", tensorBytes("F32", [rank, 3], noise(3 * rank, 7))],
    ["base_model.model.head.lora_B.weight", tensorBytes("F32", [2, rank], noise(2 * rank, 8))],
  ];
  const config = JSON.stringify({
    peft_type: "LORA",
    r: rank,
    lora_alpha: 3,
    target_modules: ["conv", "head"],
    ...fields,
  });
  return { config, weights: serializeSafetensors(entries), A, B };
}

const cases: readonly [string, Sizes, boolean, object][] = [
  [
    "two groups",
    { channels: 4, out: 6, kernel: [3, 2], groups: 2, stride: 1, padding: 1, rank: 4 },
    false,
    {},
  ],
  [
    "a group a channel, rank-stabilized, with stride",
    { channels: 3, out: 3, kernel: [2, 2], groups: 3, stride: 2, padding: 0, rank: 6 },
    false,
    { use_rslora: true },
  ],
  [
    "pointwise",
    { channels: 4, out: 4, kernel: [1, 1], groups: 2, stride: 1, padding: 0, rank: 2 },
    false,
    {},
  ],
  [
    "a sequence",
    { channels: 6, out: 9, kernel: [1, 3], groups: 3, stride: 2, padding: 1, rank: 3 },
    true,
    {},
  ],
];

/** W0 *_g x + b + s B *_g (A * x) */
function expectedOf(
  model: Sound,
  sizes: Sizes,
  files: { A: ArrayLike<number>; B: ArrayLike<number> },
  s: number,
  x: Float32Array,
  shape: readonly number[],
) {
  const { groups, rank, out, channels, kernel } = sizes;
  const [stride, padding] = model.is1d
    ? [
        [1, sizes.stride],
        [0, sizes.padding],
      ]
    : [
        [sizes.stride, sizes.stride],
        [sizes.padding, sizes.padding],
      ];
  const W = model.conv.weight.toArray() as Float32Array;
  const b = model.conv.bias!.toArray() as Float32Array;
  const base = convolved(x, shape, W, [out, channels / groups, ...kernel], { groups, stride, padding });
  const z = convolved(x, shape, files.A, [rank, channels, ...kernel], { groups: 1, stride, padding });
  const unit = { groups, stride: [1, 1], padding: [0, 0] };
  const d = convolved(z.y, z.shape, files.B, [out, rank / groups, 1, 1], unit);
  const area = base.shape[1] * base.shape[2];
  return base.y.map((value, i) => value + b[Math.floor(i / area)] + s * d.y[i]);
}

const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  assert.is(a.length, b.length);
  for (let i = 0; i < a.length; i++)
    assert.ok(Math.abs(a[i] - b[i]) < 1e-4, `${i}: ${a[i]}, expected ${b[i]}`);
};

for (const [what, sizes, is1d, fields] of cases) {
  const s = 3 / ("use_rslora" in fields ? Math.sqrt(sizes.rank) : sizes.rank);
  const shape = [sizes.channels, is1d ? 1 : 5, 6];
  const x = noise(sizeOf(shape), 3);
  const input = tensor(x, is1d ? [1, sizes.channels, 6] : [1, ...shape]);

  test(`it computes W0 *_g x + s B *_g (A * x), is written again, and is not merged: ${what}`, () => {
    const files = filesOf(sizes, is1d, fields);
    const adapted = readAdapter(new Sound(sizes, is1d), files);
    const output = adapted.forward(input).toArray() as Float32Array;
    near(output, expectedOf(new Sound(sizes, is1d), sizes, files, s, x, shape));
    for (const model of [adapted, cloneModule(adapted)]) {
      const again = writeAdapter(model);
      assert.is(again.config, files.config);
      assert.equal(again.weights, files.weights);
    }
    const before = JSON.stringify([...adapted.stateDict()].map(([name, { data }]) => [name, ...data]));
    for (const run of [
      () => adapted.merge(),
      () => adapted.toPlain(),
      () => compose(adapted, "sum", { default: 1 }),
    ])
      assert.throws(run, /share the adapter's A .* which no kernel with \d groups can hold/);
    assert.equal(adapted.merged, []);
    assert.is(JSON.stringify([...adapted.stateDict()].map(([name, { data }]) => [name, ...data])), before);
    assert.equal(adapted.forward(input).toArray(), output);
    for (const layer of adapted.layers.values()) assert.equal(layer.merged, []);
  });

  test(`it merges where A has a block for each group: ${what}`, () => {
    const { rank, channels, groups } = sizes;
    const isInBlock = (row: number, channel: number): number =>
      Math.floor((row * groups) / rank) === Math.floor((channel * groups) / channels) ? 1 : 0;
    const files = filesOf(sizes, is1d, fields, isInBlock);
    const adapted = readAdapter(new Sound(sizes, is1d), files);
    const expected = expectedOf(new Sound(sizes, is1d), sizes, files, s, x, shape);
    near(adapted.forward(input).toArray() as Float32Array, expected);
    near(adapted.toPlain().forward(input).toArray() as Float32Array, expected);
    adapted.merge();
    near(adapted.forward(input).toArray() as Float32Array, expected);
    adapted.unmerge();
    near(adapted.forward(input).toArray() as Float32Array, expected);
  });

  test(`it is trained by the gradients of that computation: ${what}`, () => {
    const files = filesOf(sizes, is1d, fields);
    const adapted = readAdapter(new Sound(sizes, is1d), files);
    adapted.forward(input).sum().backward();
    const part = adapted.adapter("default").get("conv")!;
    const eps = 1e-3;
    const total = (name: "A" | "B", i: number, by: number): number => {
      const moved = { A: Float32Array.from(files.A), B: Float32Array.from(files.B) };
      moved[name][i] += by;
      const change = moved[name][i] - files[name][i];
      const sum = (f: { A: ArrayLike<number>; B: ArrayLike<number> }): number =>
        expectedOf(new Sound(sizes, is1d), sizes, f, s, x, shape).reduce((a, b) => a + b, 0);
      return (sum(moved) - sum(files)) / change;
    };
    for (const [name, parameter] of part.namedParameters())
      for (const i of [0, 1, parameter.size - 1]) {
        const slope = total(name as "A" | "B", i, eps);
        assert.ok(
          Math.abs((parameter.grad!.toArray() as Float32Array)[i] - slope) < 1e-3 * (1 + Math.abs(slope)),
        );
      }
  });
}

for (const [what, sizes, is1d] of cases)
  for (const [r, rankStabilized] of [
    [2, false],
    [2, true],
    [1, true],
    [3, true],
  ] as const)
    test(`LoRA of this library is written in PEFT's form with the same ΔW: ${what}, rank ${r}${rankStabilized ? ", stabilized" : ""}`, () => {
      const target = ["conv", "head"];
      const adapted = inject(new Sound(sizes, is1d), { rank: r, alpha: 3, rankStabilized, target });
      let seed = 30;
      for (const part of adapted.adapter("default").values())
        for (const parameter of part.parameters()) parameter.assign(noise(parameter.size, seed++));
      const shape = [sizes.channels, is1d ? 1 : 5, 6];
      const x = noise(sizeOf(shape), 3);
      const input = tensor(x, is1d ? [1, sizes.channels, 6] : [1, ...shape]);
      const expected = adapted.forward(input).toArray() as Float32Array;
      const files = writeAdapter(adapted);
      const { tensors } = parseSafetensors(files.weights);
      const [A, B] = ["A", "B"].map((one) => tensors.get(`base_model.model.conv.lora_${one}.weight`)!);
      const k = is1d ? [sizes.kernel[1]] : sizes.kernel;
      const rank = r * sizes.groups;
      assert.equal([...A.shape], [rank, sizes.channels, ...k]);
      assert.equal([...B.shape], [sizes.out, r, ...k.map(() => 1)]);
      const s = 3 / (rankStabilized ? Math.sqrt(r) : r);
      const there = { A: A.floats() as Float32Array, B: B.floats() as Float32Array };
      near(expected, expectedOf(new Sound(sizes, is1d), { ...sizes, rank }, there, s, x, shape));
      const again = readAdapter(new Sound(sizes, is1d), files);
      near(again.forward(input).toArray() as Float32Array, expected);
      near(again.toPlain().forward(input).toArray() as Float32Array, expected);
      const head = tensor(noise(3, 4), [1, 3]);
      const ofHead = (model: typeof adapted) =>
        (model.layers.get("head") as AdaptedLayer).forward(head).toArray() as Float32Array;
      assert.equal(ofHead(again), ofHead(adapted));
      assert.equal(writeAdapter(again).weights, files.weights);
      assert.is(writeAdapter(again).config, files.config);
    });

test("what has no form there is not written: DoRA, and residual weights", () => {
  const [, sizes] = cases[0];
  for (const [config, message] of [
    [{ method: "dora" }, /conv is a convolution with groups, where PEFT has plain LoRA alone/],
    [
      { init: "pissa" },
      /conv has a residual weight, beside convolutions with groups; convert default to LoRA first/,
    ],
  ] as const)
    assert.throws(
      () => writeAdapter(inject(new Sound(sizes, false), { rank: 2, target: "conv", ...config } as never)),
      message,
    );
});

test("a rank that the groups do not divide, lora_bias, DoRA and LoRA-FA are refused, and the model is as it was", () => {
  const sizes = cases[0][1];
  const refused = (files: AdapterFiles, message: RegExp, options = {}): void => {
    const model = new Sound(sizes, false);
    assert.throws(() => readAdapter(model, files, options), message);
    assert.is(model.conv.constructor.name, "Conv2d");
  };
  const files = filesOf(sizes, false);
  const withFields = (fields: object): AdapterFiles => ({
    ...files,
    config: JSON.stringify({ ...JSON.parse(files.config), ...fields }),
  });
  refused(withFields({ r: 3 }), /conv is a convolution with 2 groups, .* rank 3/);
  refused(withFields({ use_dora: true }), /conv is a convolution with groups/);
  refused(withFields({ lora_bias: true }), /conv is a convolution with groups/);
  refused(files, /expected LoRA for the method lora-fa; got lora-grouped/, { method: "lora-fa" });
  const tensors = new Map<string, TensorBytes>(parseSafetensors(files.weights).tensors);
  tensors.set("base_model.model.conv.lora_B.weight", tensorBytes("F32", [6, 4, 1, 1], new Float32Array(24)));
  refused({ ...files, weights: serializeSafetensors(tensors) }, /lora_B/);
});

test.run();
