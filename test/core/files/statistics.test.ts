/** @file Statistics of tensors in files: against sums over all values, in parts of any length, with NaN and infinities. */

import fc from "fast-check";
import {
  type Dtype,
  makeTemporaryFolder,
  openSafetensors,
  parseSafetensors,
  removeFile,
  saveSafetensors,
  serializeSafetensors,
  tensorBytes,
  tensorStatistics,
  type WritableDtype,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("tensor statistics");

const tensorOf = (dtype: WritableDtype, values: readonly number[]) =>
  parseSafetensors(serializeSafetensors([["x", tensorBytes(dtype, [values.length], values)]])).tensors.get(
    "x",
  )!;

const near = (a: number, b: number): boolean =>
  Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(a), Math.abs(b));

test("norm, mean, deviation and extremes are those of the finite values; the others are counted", () => {
  const number = fc.oneof(
    { weight: 8, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e4, max: 1e4 }) },
    fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity),
  );
  fc.assert(
    fc.property(fc.array(number, { maxLength: 40 }), (values) => {
      const given = tensorStatistics(tensorOf("F32", values));
      const finite = values.filter(Number.isFinite);
      const mean = finite.reduce((sum, x) => sum + x, 0) / Math.max(1, finite.length);
      const variance = finite.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, finite.length);
      assert.is(given.size, values.length);
      // Sums of n values, and of their differences to the first one c, round by n u Σ|x| and n u (Σ|x| + n |c|) at most
      // (u = 2⁻⁵³), and two steps more; the values may cancel, so the bound is by their size and not by the mean's.
      const size = finite.reduce((sum, x) => sum + Math.abs(x), 0) / Math.max(1, finite.length);
      const bound = (finite.length + 2) * 2 ** -52 * (size + Math.abs(finite[0] ?? 0));
      assert.ok(Math.abs(given.mean - mean) <= bound, `mean ${given.mean} ${mean}, bound ${bound}`);
      assert.ok(Math.abs(given.deviation - Math.sqrt(variance)) <= 1e-9 * (1 + Math.abs(mean)));
      assert.ok(near(given.norm, Math.sqrt(finite.reduce((sum, x) => sum + x * x, 0))));
      assert.is(given.min, finite.length > 0 ? Math.min(...finite) + 0 : 0);
      assert.is(given.max, finite.length > 0 ? Math.max(...finite) + 0 : 0);
      assert.is(given.zeros, values.filter((x) => x === 0).length);
      assert.is(given.nan, values.filter(Number.isNaN).length);
      assert.is(given.infinite, values.filter((x) => Math.abs(x) === Infinity).length);
      assert.is(
        given.firstNotFinite,
        values.findIndex((x) => !Number.isFinite(x)),
      );
    }),
  );
});

test("the parts of a tensor joined are its values, in every format and for every length of a part", () => {
  const folder = makeTemporaryFolder("lowrank-statistics-");
  try {
    const formats: readonly WritableDtype[] = ["F64", "F32", "F16", "BF16", "I32", "U8", "BOOL"];
    const values = Array.from({ length: 23 }, (_, i) => i % 2);
    const path = `${folder}/x.safetensors`;
    saveSafetensors(
      path,
      formats.map((dtype) => [dtype, tensorBytes(dtype, [23], values)] as const),
    );
    for (const most of [1, 2, 7, 22, 23, 24, 1000]) {
      const { tensors } = openSafetensors(path);
      for (const dtype of formats) {
        const parts = [...tensors.get(dtype as Dtype)!.parts(most)];
        assert.ok(parts.every((part) => part.length <= most && part.length > 0));
        assert.equal(
          parts.flatMap((part) => [...part].map(Number)),
          values,
          `${dtype}, ${most}`,
        );
      }
    }
  } finally {
    removeFile(folder);
  }
});

test("statistics do not depend on where the parts of a large tensor end", () => {
  const values = Array.from({ length: 2 ** 20 + 5 }, (_, i) => 1000 + Math.sin(i));
  const { mean, deviation, norm, size } = tensorStatistics(tensorOf("F64", values));
  const center = values.reduce((sum, x) => sum + x, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / values.length);
  assert.is(size, values.length);
  assert.ok(Math.abs(mean - center) < 1e-9);
  assert.ok(Math.abs(deviation - spread) < 1e-9);
  assert.ok(Math.abs(norm / Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)) - 1) < 1e-12);
});

test("integers of 64 bits and empty tensors have statistics too", () => {
  const header = JSON.stringify({ big: { dtype: "I64", shape: [2], data_offsets: [0, 16] } }).padEnd(64);
  const bytes = new Uint8Array(8 + 64 + 16);
  new DataView(bytes.buffer).setBigUint64(0, 64n, true);
  bytes.set(new TextEncoder().encode(header), 8);
  new DataView(bytes.buffer).setBigInt64(72, -3n, true);
  new DataView(bytes.buffer).setBigInt64(80, 4n, true);
  const { min, max, norm } = tensorStatistics(parseSafetensors(bytes).tensors.get("big")!);
  assert.equal([min, max, norm], [-3, 4, 5]);
  const empty = tensorStatistics(tensorOf("F32", []));
  assert.equal([empty.size, empty.norm, empty.min, empty.firstNotFinite], [0, 0, 0, -1]);
});

test.run();
