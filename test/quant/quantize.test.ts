/** @file quantize and QuantizedTensor: what they take, give and refuse. */

import * as fc from "fast-check";
import { tensor } from "lowrank/autograd";
import { array, QuantizationError, random, transpose } from "lowrank/core";
import { type Format, formats, type QuantizedParts, QuantizedTensor, quantize } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("quantize");

const refuses = (what: () => unknown, message: RegExp) =>
  assert.throws(what, (error: Error) => error instanceof QuantizationError && message.test(error.message));

test("a tensor, an array and a list of the same numbers give the same bytes", () => {
  const list = Array.from({ length: 96 }, (_, i) => Math.sin(i));
  const flat = Float32Array.from(list);
  const expected = quantize(flat);
  assert.equal(expected.shape, [96]);
  for (const x of [list, Float64Array.from(list), array(flat, [12, 8]), tensor(flat, [12, 8])]) {
    assert.equal(quantize(x).packed, expected.packed);
  }
  assert.equal(quantize(tensor(flat, [12, 8])).dequantize().shape, [12, 8]);
  assert.equal(
    quantize(tensor(flat, [12, 8]))
      .dequantize()
      .toArray(),
    expected.toArray(),
  );
});

test("a transposed view is quantized in its own row-major order", () => {
  const x = array([1, 2, 3, 4, 5, 6], [2, 3]);
  assert.equal(quantize(transpose(x, 0, 1)).packed, quantize(Float32Array.of(1, 4, 2, 5, 3, 6)).packed);
});

test("a large tensor in blocks of 64 takes 4.5 bits a parameter; 4.127 with double quantization; 8.5 in 8 bits", () => {
  const x = new Float32Array(1024 * 1024).map((_, i) => Math.sin(i));
  const bits = (format: Format, doubleQuant: boolean) =>
    quantize(x, { format, doubleQuant }).bitsPerParameter;
  for (const format of ["nf4", "fp4", "int4"] as const) {
    assert.is(bits(format, false), 4.5);
    // 4 + 8/64 + 32/(64·256), and the 32 bits of the mean.
    assert.is(bits(format, true), 4.126953125 + 32 / x.length);
  }
  assert.is(bits("int8", false), 8.5);
});

test("`bytes` counts the arrays held", () => {
  fc.assert(
    fc.property(fc.constantFrom(...formats), fc.nat(5000), fc.boolean(), (format, n, nest) => {
      const doubleQuant = nest && format !== "int8-rows";
      const q = quantize(new Float32Array(n).fill(1), { format, doubleQuant });
      const { storedAbsmax } = q;
      const absmaxBytes =
        storedAbsmax instanceof Float32Array
          ? storedAbsmax.byteLength
          : storedAbsmax.codes.byteLength + storedAbsmax.absmax.byteLength + Float32Array.BYTES_PER_ELEMENT;
      assert.is(q.bytes, q.packed.byteLength + absmaxBytes);
      assert.is(q.doubleQuant, doubleQuant);
    }),
  );
});

test("dequantizeInto fills a workspace with any range, absmax quantized or not", () => {
  const x = random(1).normal(1000);
  for (const doubleQuant of [false, true]) {
    const q = quantize(x, { blockSize: 32, doubleQuant });
    const whole = q.toArray();
    const workspace = new Float32Array(300);
    for (const [start, end] of [
      [0, 300],
      [64, 128],
      [65, 301],
      [999, 1000],
      [5, 5],
      [700, 1000],
    ]) {
      assert.is(q.dequantizeInto(workspace, start, end), workspace);
      assert.equal(workspace.slice(0, end - start), whole.slice(start, end));
    }
    refuses(() => q.dequantizeInto(workspace, 0, 301), /room for it; got 0 to 301, room for 300/);
    refuses(() => q.dequantizeInto(workspace, 900, 1001), /within 1000 elements/);
    refuses(() => q.dequantizeInto(workspace, 1.5, 2), /got 1.5 to 2/);
  }
});

test("an option that does not fit is refused, and the message says what fits", () => {
  const x = new Float32Array(64);
  for (const blockSize of [0, -64, 16, 31, 48, 8192, 64.5, Number.NaN]) {
    refuses(
      () => quantize(x, { blockSize }),
      /quantize: expected blockSize to be a power of two from 32 to 4096; got /,
    );
  }
  refuses(
    () => quantize(x, { format: "nf3" as Format }),
    /quantize: expected format to be one of nf4, fp4, .*; got "nf3"/,
  );
  refuses(
    () => quantize(x, { format: "int8-rows", blockSize: 32 }),
    /quantize: expected no blockSize for int8-rows/,
  );
  refuses(
    () => quantize(x, { format: "int8-rows", doubleQuant: true }),
    /QuantizedTensor: expected doubleQuant with a block-wise format/,
  );
});

test("values not finite as float32, values that are no numbers, and quantized tensors are refused", () => {
  for (const format of formats) {
    refuses(() => quantize([1, 2, 1e39], { format }), /Infinity at element 2\./);
    refuses(() => quantize([Number.NaN, 2], { format }), /NaN at element 0\./);
  }
  const q = quantize([1, 2]) as unknown as number[];
  refuses(() => quantize(q), /quantized to nf4 already\. dequantize\(\) it first/);
  for (const junk of [null, undefined, 7, "weights", {}])
    refuses(() => quantize(junk as unknown as number[]), /expected a tensor or a list/);
});

test("parts that do not fit together are refused: truncated bytes, another block size, an absmax that is negative or NaN", () => {
  const single = quantize(new Float32Array(200).fill(2), { blockSize: 64 });
  const double = quantize(new Float32Array(200).fill(2), { blockSize: 64, doubleQuant: true });
  const rebuild = (q: QuantizedTensor, change: Partial<QuantizedParts>) =>
    new QuantizedTensor({
      format: q.format,
      shape: q.shape,
      blockSize: q.blockSize,
      packed: q.packed,
      absmax: q.storedAbsmax,
      ...change,
    });
  const { storedAbsmax } = double;
  if (storedAbsmax instanceof Float32Array) throw new Error("expected a double-quantized absmax");

  assert.equal(rebuild(single, {}).toArray(), single.toArray());
  assert.equal(rebuild(double, {}).toArray(), double.toArray());
  refuses(
    () => rebuild(single, { packed: single.packed.slice(0, 99) }),
    /packed: expected 100 bytes; got 99/,
  );
  refuses(() => rebuild(single, { blockSize: 128 }), /absmax: expected 2 values; got 4/);
  refuses(() => rebuild(single, { shape: [201] }), /packed: expected 101 bytes; got 100/);
  refuses(
    () => rebuild(single, { absmax: Float32Array.of(1, 2, 3, Number.NaN) }),
    /absmax: expected finite magnitudes/,
  );
  refuses(
    () => rebuild(single, { absmax: Float32Array.of(1, -2, 3, 4) }),
    /absmax: expected finite magnitudes/,
  );
  refuses(
    () => rebuild(double, { blockSize: 32 }),
    /double-quantized absmax: codes: expected 7 bytes; got 4/,
  );
  refuses(
    () => rebuild(double, { absmax: { ...storedAbsmax, absmax: new Float32Array(2) } }),
    /double-quantized absmax: absmax: expected 1 values; got 2/,
  );
  refuses(
    () => rebuild(double, { absmax: { ...storedAbsmax, offset: Number.NaN } }),
    /offset: expected a finite number; got NaN/,
  );
});

test("an empty tensor takes no bytes but the offset, and comes back empty", () => {
  for (const doubleQuant of [false, true]) {
    const q = quantize(array([], [0, 5]), { doubleQuant });
    assert.is(q.bitsPerParameter, 0);
    assert.equal(q.dequantize().shape, [0, 5]);
  }
});

test.run();
