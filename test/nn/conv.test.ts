/** @file Convolutions: against the sum that defines them; windows and their adjoint. */

import * as fc from "fast-check";
import { checkGradients, fold, sum, type Tensor, tensor, unfold } from "lowrank/autograd";
import { type Pair, random, type Shape, sizeOf, type Windows } from "lowrank/core";
import { Conv1d, Conv2d, conv1d, conv2d } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("conv");

const normal = (shape: Shape, seed: number): Tensor => tensor(random(seed).normal(sizeOf(shape)), shape);

const upTo = (max: number) => fc.integer({ min: 1, max });

/** A convolution whose kernel fits: the image is the dilated kernel, less the padding, and a bit more. */
const convolution = fc
  .record({
    batch: upTo(2),
    groups: upTo(3),
    inPerGroup: upTo(2),
    outPerGroup: upTo(2),
    kernel: fc.tuple(upTo(3), upTo(3)),
    stride: fc.tuple(upTo(3), upTo(3)),
    dilation: fc.tuple(upTo(2), upTo(2)),
    padding: fc.tuple(fc.nat(2), fc.nat(2)),
    more: fc.tuple(fc.nat(4), fc.nat(4)),
    seed: fc.nat(10_000),
  })
  .map((c) => {
    const extent = (axis: 0 | 1): number =>
      Math.max(1, c.dilation[axis] * (c.kernel[axis] - 1) + 1 - 2 * c.padding[axis] + c.more[axis]);
    return { ...c, image: [extent(0), extent(1)] as Pair };
  });

/** y[n, o, i, j] = b[o] + Σ W[o, c, k, l] x[n, c, i s + k d − p, j s + l d − p], written out; x is 0 outside. */
function direct(
  x: Tensor,
  W: Tensor,
  b: Tensor,
  windows: Windows & { groups: number },
  outSize: Pair,
): Float64Array {
  const [batch, channels, height, width] = x.shape;
  const [out, inPerGroup, kh, kw] = W.shape;
  const { stride, padding, dilation, groups } = windows;
  const [X, K, B] = [x.toArray(), W.toArray(), b.toArray()];
  const y = new Float64Array(batch * out * outSize[0] * outSize[1]);
  let at = 0;
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < out; o++)
      for (let i = 0; i < outSize[0]; i++)
        for (let j = 0; j < outSize[1]; j++) {
          let value = B[o];
          const first = Math.floor(o / (out / groups)) * inPerGroup;
          for (let c = 0; c < inPerGroup; c++)
            for (let k = 0; k < kh; k++)
              for (let l = 0; l < kw; l++) {
                const row = i * stride[0] + k * dilation[0] - padding[0];
                const column = j * stride[1] + l * dilation[1] - padding[1];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                const pixel = X[((n * channels + first + c) * height + row) * width + column];
                value += pixel * K[((o * inPerGroup + c) * kh + k) * kw + l];
              }
          y[at++] = value;
        }
  return y;
}

test("conv2d is the sum that defines it", () => {
  fc.assert(
    fc.property(convolution, (c) => {
      const x = normal([c.batch, c.groups * c.inPerGroup, ...c.image], c.seed);
      const W = normal([c.groups * c.outPerGroup, c.inPerGroup, ...c.kernel], c.seed + 1);
      const b = normal([c.groups * c.outPerGroup], c.seed + 2);
      const y = conv2d(x, W, b, c);
      const expected = direct(x, W, b, c, [y.shape[2], y.shape[3]]);
      assert.is(y.size, expected.length);
      // At most 2 · 3 · 3 products below 6² and a sum below 19 · 36: 20 roundings of it, 20 · 700 · 2⁻²⁴ < 1e-3;
      // typical values are 100 times smaller.
      const Y = y.toArray();
      for (let i = 0; i < Y.length; i++) assert.ok(Math.abs(Y[i] - expected[i]) <= 1e-4);
    }),
  );
});

test("conv1d is conv2d of one row", () => {
  fc.assert(
    fc.property(
      convolution,
      ({ batch, groups, inPerGroup, outPerGroup, kernel, stride, dilation, padding, image, seed }) => {
        const x = normal([batch, groups * inPerGroup, image[1]], seed);
        const W = normal([groups * outPerGroup, inPerGroup, kernel[1]], seed + 1);
        const options = { stride: stride[1], dilation: dilation[1], padding: padding[1], groups };
        const y = conv1d(x, W, null, options);
        const asImage = (t: Tensor): Tensor => t.reshape(t.shape[0], t.shape[1], 1, t.shape[2]);
        const flat = {
          stride: [1, stride[1]],
          dilation: [1, dilation[1]],
          padding: [0, padding[1]],
          groups,
        } as const;
        assert.equal(y.toArray(), conv2d(asImage(x), asImage(W), null, flat).toArray());
      },
    ),
  );
});

test("⟨unfold x, u⟩ = ⟨x, fold u⟩", () => {
  fc.assert(
    fc.property(convolution, (windows) => {
      const x = normal([windows.batch, windows.inPerGroup, ...windows.image], windows.seed);
      const columns = unfold(x, windows);
      const u = normal(columns.shape, windows.seed + 1);
      const left = sum(columns.mul(u)).item();
      const right = sum(x.mul(fold(u, x.shape, windows))).item();
      // Both are sums of the same products, at most 2000 of size about 1.
      assert.ok(Math.abs(left - right) <= 1e-3, `${left} is not ${right}`);
    }),
  );
});

test("the gradients of a convolution are its derivatives", () => {
  const options = { stride: [2, 1], padding: 1, dilation: [1, 2], groups: 2 } as const;
  checkGradients(
    (x, W, b) => conv2d(x, W, b, options),
    [normal([2, 4, 4, 5], 1), normal([2, 2, 2, 2], 2), normal([2], 3)],
  );
});

test("layers hold W [out, in/groups, ...] and b [out]", () => {
  const layer = new Conv2d(4, 6, [3, 2], { groups: 2, padding: 1, rng: random(1) });
  assert.equal(
    Array.from(layer.namedParameters(), ([name, { shape }]) => [name, shape]),
    [
      ["weight", [6, 2, 3, 2]],
      ["bias", [6]],
    ],
  );
  const x = normal([1, 4, 5, 5], 1);
  assert.equal(
    layer.forward(x).toArray(),
    conv2d(x, layer.weight, layer.bias, { groups: 2, padding: 1 }).toArray(),
  );
  const line = new Conv1d(4, 6, 3, { bias: false, stride: 2, rng: random(1) });
  assert.equal(line.forward(normal([2, 4, 7], 1)).shape, [2, 6, 3]);
  assert.is(line.describe(), "4 → 6, kernel 3, stride 2");
});

test("what does not fit is refused", () => {
  assert.throws(() => new Conv2d(4, 6, 3, { groups: 4 }), /groups that divides/);
  assert.throws(() => new Conv1d(0, 6, 3), /inChannels/);
  assert.throws(() => conv2d(normal([1, 3, 4, 4], 1), normal([2, 2, 3, 3], 1)), /weight \[out, in\/groups/);
  assert.throws(() => conv2d(normal([1, 2, 2, 2], 1), normal([2, 2, 3, 3], 1)), /at least as large/);
  assert.throws(
    () => conv2d(normal([1, 2, 4, 4], 1), normal([2, 2, 3, 3], 1), null, { stride: 0 }),
    /stride/,
  );
});

test.run();
