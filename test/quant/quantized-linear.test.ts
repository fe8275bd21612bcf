/** @file QuantizedLinear: products, gradients, memory and compute types. */

import * as fc from "fast-check";
import {
  checkGradients,
  gradients,
  Parameter,
  savedBytes,
  type Tensor,
  tensor,
  withRecording,
} from "lowrank/autograd";
import {
  array,
  type DeviceName,
  kernelCounts,
  listDevices,
  liveBytes,
  measureMemory,
  QuantizationError,
  random,
  roundToBfloat16,
  ShapeError,
  scope,
  withDevice,
} from "lowrank/core";
import { Conv1D, Linear } from "lowrank/nn";
import { formats, QuantizedLinear, quantize } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { useSwiftShader } from "../core/gpu/swiftshader.ts";

const test = suite("QuantizedLinear");

const normal = (seed: number, ...shape: number[]): Tensor =>
  tensor(random(seed).normal(shape.reduce((n, length) => n * length, 1)), shape);

test("a Conv1D computes what its dequantized copy computes, and so do its gradients", () => {
  const conv = new Conv1D(40, 24, { rng: random(1) });
  conv.bias.assign(random(2).normal(24));
  const layer = QuantizedLinear.from(conv, { doubleQuant: true });
  const dense = layer.dense();
  assert.instance(dense, Conv1D);
  assert.is(dense.bias, conv.bias);
  const [p, q] = [layer, dense].map((base) => {
    const x = normal(3, 2, 3, 40);
    x.requiresGrad = true;
    const y = base.forward(x);
    y.backward(normal(4, 2, 3, 24));
    return [...y.toArray(), ...(x.grad as Tensor).toArray()];
  });
  // The layouts differ, and with them the order of sums of 40 products below 1: 40 ε · 40 < 2e-4, in practice less.
  assert.ok(p.every((value, i) => Math.abs(value - q[i]) < 1e-4));
});

test("first and second derivatives agree with central differences", () => {
  const layer = QuantizedLinear.from(new Linear(5, 3, { rng: random(1) }), { blockSize: 32 });
  const x = normal(2, 2, 5);
  const f = (t: Tensor): Tensor => layer.forward(t).tanh();
  checkGradients(f, [x]);
  const gradient = (t: Tensor): Tensor =>
    withRecording(true, () => gradients(f(t).sum(), [t], undefined, { createGraph: true })[0]);
  checkGradients(gradient, [x]);
});

test("a layer holds packed bytes only; the dense weight exists during one product, forward and backward", () => {
  const [inner, out, rows] = [256, 512, 4];
  const dense = inner * out * 4;
  const layer = QuantizedLinear.from(new Linear(inner, out, { bias: false, rng: random(3) }), {
    doubleQuant: true,
  });
  const held = layer.packed.bytes;
  assert.equal([...layer.storages()].length, 0);
  assert.ok(Math.abs((held * 8) / (inner * out) - 4.127) < 0.01); // 8 nested blocks: no rounding up to speak of
  const x = normal(4, rows, inner);
  x.requiresGrad = true;

  let atRest = 0;
  const { peak } = measureMemory(() => {
    const y = layer.forward(x);
    assert.is(savedBytes(y), 0);
    atRest = liveBytes().workspace;
    y.backward(normal(5, rows, out));
  });
  // One dense copy at a time, beside the activations x, y, dY, dX.
  const activations = 4 * rows * (2 * inner + 2 * out);
  assert.ok(peak.workspace >= dense && peak.workspace <= dense + activations, `${peak.workspace}`);
  assert.ok(peak.quantized >= held);
  const before = liveBytes().workspace;
  assert.ok(atRest - before < dense, "no dense weight between forward and backward");
});

test("a chain of layers needs the workspace of one layer", () => {
  const layers = Array.from({ length: 6 }, (_, i) =>
    QuantizedLinear.from(new Linear(256, 256, { bias: false, rng: random(i) })),
  );
  const x = normal(7, 2, 256);
  x.requiresGrad = true;
  const { peak } = measureMemory(() => {
    const y = layers.reduce((h, layer) => layer.forward(h), x);
    y.sum().backward();
  });
  assert.ok(peak.workspace < 2 * 256 * 256 * 4, `${peak.workspace}`);
});

useSwiftShader();
const working = listDevices().filter(({ works }) => works);

/** |y - z| ≤ γ Σ |x| |w| for sums of K products in any order, each with a factor rounded once more (test/core/gpu/agreement.ts). */
function agree(y: Tensor, z: Tensor, magnitude: Tensor, K: number): boolean {
  const gamma = ((K + 3) * 2 ** -24) / (1 - (K + 3) * 2 ** -24);
  const [p, q, m] = [y, z, magnitude].map((t) => t.toArray());
  return p.every((value, i) => Math.abs(value - q[i]) <= gamma * m[i] + 2 ** -126);
}

for (const { name } of working) {
  test(`${name}: products and gradients are the reference's, for any shape, format and block size`, () => {
    const drawn = fc.record({
      format: fc.constantFrom(...formats),
      blockSize: fc.constantFrom(32, 64, 256, 4096),
      nest: fc.boolean(),
      rows: fc.integer({ min: 1, max: 4 }),
      inner: fc.oneof(fc.integer({ min: 1, max: 130 }), fc.integer({ min: 1001, max: 1400 })),
      out: fc.integer({ min: 1, max: 40 }),
      seed: fc.nat(1000),
    });
    fc.assert(
      fc.property(drawn, ({ format, blockSize, nest, rows, inner, out, seed }) => {
        const options =
          format === "int8-rows" ? { format } : ({ format, blockSize, doubleQuant: nest } as const);
        const W = array(random(seed).normal(out * inner), [out, inner]);
        const layer = new QuantizedLinear(quantize(W, options));
        const [x, dY] = [normal(seed + 1, rows, inner), normal(seed + 2, rows, out)];
        x.requiresGrad = true;
        const on = (device: DeviceName): Tensor[] =>
          withDevice(device, () =>
            scope(() => {
              x.grad = null;
              const y = layer.forward(x);
              y.backward(dY);
              return [y, x.grad as unknown as Tensor];
            }),
          );
        const before = kernelCounts();
        const [[y, dX], [z, dZ]] = [on(name), on("reference")];
        if (name.startsWith("gpu:")) {
          const ran = (kernel: string) => (kernelCounts()[kernel] ?? 0) - (before[kernel] ?? 0);
          const is4bit = layer.packed.nibbles !== null;
          assert.equal([ran(`${name} dequantizeMatmul`), ran(`${name} matmul`)], is4bit ? [2, 0] : [0, 2]);
        }
        const abs = layer.denseWeight().abs();
        return agree(y, z, x.detach().abs().matmul(abs.T), inner) && agree(dX, dZ, dY.abs().matmul(abs), out);
      }),
    );
  });
}

test("on a gpu device a W rounded to bfloat16 is dequantized by the cpu, which kernelCounts shows", () => {
  const layer = QuantizedLinear.from(new Linear(64, 32, { rng: random(10) }), { computeDtype: "bfloat16" });
  const before = kernelCounts();
  withDevice("gpu:webasm", () => scope(() => layer.forward(normal(11, 3, 64)).toArray()));
  const ran = (kernel: string) => (kernelCounts()[kernel] ?? 0) - (before[kernel] ?? 0);
  assert.equal(["gpu:webasm dequantizeMatmul", "cpu dequantize", "gpu:webasm matmul"].map(ran), [0, 1, 1]);
});

test("bfloat16 rounds x, W, b, y and the gradients", () => {
  const dense = new Linear(64, 32, { rng: random(10) });
  const layer = QuantizedLinear.from(dense, { computeDtype: "bfloat16" });
  const x = normal(11, 3, 64);
  x.requiresGrad = true;
  const dY = normal(12, 3, 32);
  const y = layer.forward(x);
  y.backward(dY);

  const round = (t: Tensor): Tensor => tensor(roundToBfloat16(t.toArray()), t.shape);
  const W = round(layer.denseWeight());
  const product = round(round(x.detach()).matmul(W.T));
  assert.equal(y.toArray(), round(product.add(round(dense.bias as Tensor))).toArray());
  assert.equal((x.grad as Tensor).toArray(), round(round(dY).matmul(W)).toArray());
  assert.not.equal(y.toArray(), QuantizedLinear.from(dense).forward(x).toArray());
});

test("withWeight quantizes another weight with the same options, and keeps kind, bias and compute type", () => {
  const W = array(random(13).normal(24 * 16), [24, 16]);
  for (const format of formats) {
    const options = format === "int8-rows" ? { format } : { format, blockSize: 128, doubleQuant: true };
    const layer = QuantizedLinear.from(new Conv1D(16, 24, { rng: random(14) }), {
      ...options,
      computeDtype: "bfloat16",
    });
    const other = layer.withWeight(W);
    assert.equal(other.packed.packed, quantize(W, options).packed);
    assert.equal(other.options, layer.options);
    assert.is(other.kind, "conv1d");
    assert.is(other.bias, layer.bias);
    assert.is(other.computeDtype, "bfloat16");
    assert.not.equal(layer.packed.packed, other.packed.packed);
  }
});

test("arguments that do not fit are refused", () => {
  const refuses = (what: () => unknown, message: RegExp) =>
    assert.throws(what, (error: Error) => error instanceof QuantizationError && message.test(error.message));
  refuses(() => new QuantizedLinear(quantize([1, 2, 3])), /expected a matrix \[out, in\]; got \[3\]/);
  const packed = quantize(array(new Float32Array(6), [2, 3]));
  refuses(
    () => new QuantizedLinear(packed, { bias: new Parameter(array([1, 2, 3])) }),
    /expected a bias \[2\]; got \[3\]/,
  );
  refuses(() => new QuantizedLinear(packed, { computeDtype: "float16" as "float32" }), /computeDtype/);
  const layer = new QuantizedLinear(packed);
  assert.throws(
    () => layer.forward(tensor([1, 2])),
    (error: Error) => error instanceof ShapeError,
  );
  refuses(() => QuantizedLinear.from(layer as unknown as Linear), /got a QuantizedLinear\. Dequantize it/);
  refuses(() => layer.withWeight(array([1, 2, 3, Number.NaN, 5, 6], [2, 3])), /NaN at element 3/);
});

test.run();
