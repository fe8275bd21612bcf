/**
 * @file Layers, attention and convolutions on the devices that people use: the output and all gradients are those of
 * `reference` in float64, for inputs that lie anyhow in memory and sizes with all their ones.
 */

import * as fc from "fast-check";
import * as ag from "lowrank/autograd";
import { Tensor } from "lowrank/autograd";
import { type DeviceName, indices, type Shape, sizeOf } from "lowrank/core";
import {
  Conv1D,
  Conv1d,
  Conv2d,
  Embedding,
  LayerNorm,
  Linear,
  MLP,
  type Module,
  MultiHeadAttention,
  RMSNorm,
  Rotary,
  SwiGLU,
  scaledDotProductAttention,
} from "lowrank/nn";
import { suite } from "uvu";
import { numbers } from "../support/numbers.ts";
import { agrees, ending, fill, type Made, trained } from "../support/on-device.ts";
import { type Layout, layout, viewOf } from "../support/views.ts";

const test = suite("layers on devices");

const size = fc.constantFrom(1, 1, 2, 3, 4, 5, 8, 9, 17);
const small = fc.constantFrom(1, 1, 2, 3);
const lead = fc.array(fc.constantFrom(1, 2, 3, 5), { maxLength: 2 });

/** A leaf of this shape that lies so. */
function leaf(shape: Shape, how: Layout): Tensor {
  const x = new Tensor(viewOf(ag.tensor(numbers(how.seed, sizeOf(shape), how.isCoarse), shape), how).value);
  x.requiresGrad = true;
  return x;
}

/** A module's output on one input, with all its parameters' gradients and the input's. */
const ofModule =
  (create: () => Module & { forward(x: Tensor): Tensor }, shape: Shape, how: Layout): (() => Made) =>
  () => {
    const module = create();
    fill(module, how.seed);
    const x = leaf(shape, how);
    return { leaves: [["x", x], ...trained(module)], forward: () => module.forward(x) };
  };

const convolution = fc
  .record({
    kernel: fc.tuple(small, small),
    stride: fc.constantFrom(1, 2),
    padding: fc.constantFrom(0, 1),
    dilation: fc.constantFrom(1, 2),
    more: fc.tuple(fc.nat(3), fc.nat(3)),
    groups: fc.constantFrom(1, 1, 2, 3),
    inner: fc.constantFrom(1, 2),
    outer: fc.constantFrom(1, 2, 3),
    batch: small,
    bias: fc.boolean(),
    how: layout,
  })
  .map(({ kernel, more, ...rest }) => ({
    kernel,
    // The dilated kernel fits at least once, often exactly.
    image: kernel.map((k, i) => Math.max(1, rest.dilation * (k - 1) + 1 + more[i] - 2 * rest.padding)),
    ...rest,
  }));

const attention = fc.record({
  batch: small,
  groups: small,
  perGroup: small,
  queries: fc.constantFrom(1, 2, 3, 5),
  more: fc.nat(2),
  d: fc.constantFrom(1, 1, 2, 3, 4),
  e: fc.constantFrom(1, 2, 5),
  kind: fc.constantFrom("plain", "causal", "mask"),
  hows: fc.tuple(layout, layout, layout),
});

const devices: readonly (readonly [DeviceName, number])[] = [
  ["cpu", 60],
  ["gpu:cpu", 8],
  ["gpu:webasm", 8],
];

/** Registers the property for what `make` makes of what is drawn. */
function on<Draw>(name: string, drawn: fc.Arbitrary<Draw>, make: (draw: Draw) => () => Made): void {
  for (const [device, numRuns] of devices) {
    test(`${device}: ${name}: output and gradients`, () => {
      fc.assert(
        fc.property(drawn, ending, (draw, end) => agrees(device, make(draw), end)),
        { numRuns },
      );
    });
  }
}

on(
  "Linear",
  fc.record({ lead, k: size, m: size, bias: fc.boolean(), how: layout }),
  ({ lead, k, m, bias, how }) => ofModule(() => new Linear(k, m, { bias }), [...lead, k], how),
);

on("Conv1D", fc.record({ lead, k: size, m: size, how: layout }), ({ lead, k, m, how }) =>
  ofModule(() => new Conv1D(k, m), [...lead, k], how),
);

on(
  "Embedding",
  fc.record({
    rows: size,
    d: size,
    ids: fc.array(fc.nat(99), { minLength: 1, maxLength: 20 }),
    seed: fc.nat(),
  }),
  ({ rows, d, ids, seed }) =>
    () => {
      const table = new Embedding(rows, d);
      fill(table, seed);
      return { leaves: trained(table), forward: () => table.forward(indices(ids.map((id) => id % rows))) };
    },
);

on(
  "LayerNorm and RMSNorm",
  fc.record({ lead, n: size, centre: fc.boolean(), how: layout }),
  ({ lead, n, centre, how }) =>
    ofModule(
      () => (centre ? new LayerNorm(n, { eps: 0.1 }) : new RMSNorm(n, { eps: 0.1 })),
      [...lead, n],
      how,
    ),
);

on(
  "MLP and SwiGLU",
  fc.record({ lead, dim: size, hidden: size, gated: fc.boolean(), how: layout }),
  ({ lead, dim, hidden, gated, how }) =>
    ofModule(() => (gated ? new SwiGLU(dim, hidden) : new MLP(dim, hidden)), [...lead, dim], how),
);

on("Conv2d", convolution, ({ inner, outer, kernel, image, batch, how, ...options }) => {
  const { groups } = options;
  const create = (): Conv2d => new Conv2d(inner * groups, outer * groups, kernel, options);
  return ofModule(create, [batch, inner * groups, ...image], how);
});

on("Conv1d", convolution, ({ inner, outer, kernel, image, batch, how, ...options }) => {
  const { groups } = options;
  const create = (): Conv1d => new Conv1d(inner * groups, outer * groups, kernel[0], options);
  return ofModule(create, [batch, inner * groups, image[0]], how);
});

on("attention", attention, ({ batch, groups, perGroup, queries, more, d, e, kind, hows }) => () => {
  const keys = queries + more;
  const q = leaf([batch, groups * perGroup, queries, d], hows[0]);
  const k = leaf([batch, groups, keys, d], hows[1]);
  const v = leaf([batch, groups, keys, e], hows[2]);
  // Every query sees one key at least.
  const hidden = Float32Array.from({ length: queries * keys }, (_, i) =>
    (i % keys) % 2 === 1 ? -Infinity : 0,
  );
  const options =
    kind === "mask" ? { mask: ag.tensor(hidden, [queries, keys]) } : { causal: kind === "causal" };
  const leaves = Object.entries({ q, k, v });
  return { leaves, forward: () => scaledDotProductAttention(q, k, v, options) };
});

on(
  "MultiHeadAttention",
  fc.record({
    batch: small,
    time: fc.constantFrom(1, 1, 2, 3, 5, 9),
    kvHeads: small,
    perGroup: small,
    headDim: fc.constantFrom(1, 1, 2, 4),
    causal: fc.boolean(),
    turns: fc.boolean(),
    dim: size,
    how: layout,
  }),
  ({ batch, time, kvHeads, perGroup, headDim, causal, turns, dim, how }) => {
    const rotary = turns && headDim % 2 === 0 ? new Rotary(headDim) : null;
    const options = { kvHeads, headDim, causal, rotary };
    return ofModule(() => new MultiHeadAttention(dim, kvHeads * perGroup, options), [batch, time, dim], how);
  },
);

test.run();
