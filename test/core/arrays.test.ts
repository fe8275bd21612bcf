/** @file Shapes, broadcasting, movement, reductions and products against their definitions, element by element. */

import * as fc from "fast-check";
import {
  array,
  binary,
  broadcastShapes,
  broadcastTo,
  concat,
  contiguous,
  full,
  gather,
  indices,
  matmul,
  mT,
  type NDArray,
  pad,
  permute,
  reduce,
  reshape,
  type Shape,
  ShapeError,
  sizeOf,
  slice,
  sumTo,
  takeRows,
  withDevice,
} from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { broadcastable, filled, seed, shape, values } from "../support/arbitraries.ts";

const arrays = suite("arrays");

/** The element at a full index, read through strides: the definition that everything else is checked against. */
const at = (x: NDArray, index: readonly number[]): number =>
  x.storage.data[index.reduce((offset, i, axis) => offset + i * x.strides[axis], x.offset)];

/** Every index of a shape, in row-major order. */
function* each(shape: Shape): Generator<number[]> {
  if (sizeOf(shape) === 0) return;
  const index = shape.map(() => 0);
  for (;;) {
    yield [...index];
    let axis = shape.length - 1;
    while (axis >= 0 && ++index[axis] === shape[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

const drawn = (maxRank = 3): fc.Arbitrary<NDArray> =>
  fc.record({ at: shape(maxRank), from: seed }).map(({ at, from }) => values(at, from, 0, 1).value);

arrays("broadcasting: the shape is NumPy's, the element is the one whose repeated axes are 0", () => {
  fc.assert(
    fc.property(broadcastable(2), seed, ({ whole, parts }, from) => {
      const [a, b] = parts.map((part, i) => values(part, from + i, 0, 1).value);
      assert.equal([...broadcastShapes("test", a.shape, b.shape)], [...whole]);
      const y = withDevice("reference", () => binary("sub", a, b));
      const pick = (x: NDArray, index: number[]): number =>
        at(
          x,
          x.shape.map((n, axis) => (n === 1 ? 0 : index[axis + whole.length - x.rank])),
        );
      for (const index of each(whole)) assert.is(at(y, index), Math.fround(pick(a, index) - pick(b, index)));
    }),
  );
});

arrays("shapes that do not broadcast are refused: an axis differs and neither length is 1", () => {
  fc.assert(
    fc.property(
      filled(2),
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      (lead, n, more) => {
        assert.throws(
          () => broadcastShapes("add", [...lead, n], [n + more]),
          (e: Error) => e instanceof ShapeError && /add/.test(e.message),
        );
        assert.throws(() => broadcastShapes("add", [0], [n]), ShapeErrorNamed);
      },
    ),
  );
});
const ShapeErrorNamed = (e: Error): boolean => e instanceof ShapeError;

arrays("permute, mT, slice and broadcastTo are views that put each element where the definition says", () => {
  fc.assert(
    fc.property(drawn(), fc.nat(100), (x, pick) => {
      const order = x.shape.map((_, i) => (i + pick) % Math.max(1, x.rank));
      const y = permute(x, order);
      assert.is(y.storage, x.storage);
      for (const index of each(y.shape)) {
        const source = x.shape.map((_, axis) => index[order.indexOf(axis)]);
        assert.is(at(y, index), at(x, source));
      }
      if (x.rank < 1) return;
      const axis = pick % x.rank;
      const start = pick % (x.shape[axis] + 1);
      const s = slice(x, axis, start);
      assert.is(s.shape[axis], x.shape[axis] - start);
      for (const index of each(s.shape)) {
        assert.is(
          at(s, index),
          at(
            x,
            index.map((i, a) => (a === axis ? i + start : i)),
          ),
        );
      }
    }),
  );
});

arrays("data, contiguous and reshape read any view in row-major order", () => {
  fc.assert(
    fc.property(drawn(), (x) => {
      for (const view of [x, x.rank < 2 ? x : mT(x), broadcastTo(x, [2, ...x.shape])]) {
        const expected = [...each(view.shape)].map((index) => at(view, index));
        assert.equal([...view.data], expected);
        assert.equal([...contiguous(view).data], expected);
        assert.equal([...reshape(view, [view.size]).data], expected);
      }
    }),
  );
});

arrays(
  "pad is the adjoint of slice, sumTo of broadcastTo: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩, exactly for small integers",
  () => {
    const dot = (a: NDArray, b: NDArray): number => {
      const [u, v] = [a.data, b.data];
      let sum = 0;
      for (let i = 0; i < u.length; i++) sum += u[i] * v[i];
      return sum;
    };
    const integers = (shape: Shape, from: number): NDArray => {
      const x = values(shape, from, 0, 8).value;
      return array(x.data.map(Math.round), shape);
    };
    fc.assert(
      fc.property(broadcastable(1), seed, ({ whole, parts: [part] }, from) => {
        const wide = [3, ...whole];
        const [x, y] = [integers(part, from), integers(wide, from + 1)];
        assert.is(dot(broadcastTo(x, wide), y), dot(x, sumTo(y, part)));
      }),
    );
    fc.assert(
      fc.property(filled(3, 1), seed, (shape, from) => {
        const [x, start] = [integers(shape, from), from % shape[0]];
        const y = integers([shape[0] - start, ...shape.slice(1)], from + 1);
        assert.is(dot(slice(x, 0, start), y), dot(x, pad(y, 0, start, shape[0])));
      }),
    );
  },
);

arrays("concat puts each array after the one before along the axis", () => {
  fc.assert(
    fc.property(filled(3, 1), fc.nat(2), fc.nat(3), seed, (shape, which, other, from) => {
      const axis = which % shape.length;
      const x = values(shape, from, 0, 1).value;
      const y = values(
        shape.map((n, i) => (i === axis ? other : n)),
        from + 1,
        0,
        1,
      ).value;
      const joined = concat([x, y], axis);
      assert.equal(slice(joined, axis, 0, shape[axis]).data, x.data);
      assert.equal(slice(joined, axis, shape[axis]).data, y.data);
    }),
  );
});

arrays("reductions over any axes equal the fold over the elements that go into each result", () => {
  fc.assert(
    fc.property(drawn(4), fc.nat(15), fc.boolean(), (x, mask, keepdims) => {
      const axes = x.shape.map((_, i) => i).filter((i) => mask & (1 << i));
      const kept = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
      const sums = full(kept, 0);
      for (const index of each(x.shape)) {
        const to = index.map((i, axis) => (axes.includes(axis) ? 0 : i));
        sums.storage.data[to.reduce((o, i, axis) => o + i * sums.strides[axis], 0)] += at(x, index);
      }
      const y = withDevice("reference", () => reduce("sum", x, axes, { keepdims }));
      assert.equal([...y.shape], keepdims ? kept : x.shape.filter((_, axis) => !axes.includes(axis)));
      // float32 sums of at most 625 terms below 1, in two orders.
      y.data.forEach((value, i) => {
        assert.ok(Math.abs(value - sums.data[i]) <= 625 * 625 * 2 ** -24);
      });
    }),
  );
});

arrays("matmul is Σ a b for every batch, transposed views and K = 0 included", () => {
  fc.assert(
    fc.property(
      broadcastable(2, 2),
      fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)),
      fc.tuple(fc.boolean(), fc.boolean()),
      seed,
      ({ whole, parts }, [n, k, m], [ta, tb], from) => {
        const a = ta
          ? mT(values([...parts[0], k, n], from, 0, 1).value)
          : values([...parts[0], n, k], from, 0, 1).value;
        const b = tb
          ? mT(values([...parts[1], m, k], from + 1, 0, 1).value)
          : values([...parts[1], k, m], from + 1, 0, 1).value;
        const [A, B] = [broadcastTo(a, [...whole, n, k]), broadcastTo(b, [...whole, k, m])];
        for (const device of ["reference", "cpu"] as const) {
          const y = withDevice(device, () => matmul(a, b));
          assert.equal([...y.shape], [...whole, n, m]);
          for (const index of each(y.shape)) {
            const [p, [i, j]] = [index.slice(0, -2), index.slice(-2)];
            let sum = 0;
            for (let l = 0; l < k; l++) sum += at(A, [...p, i, l]) * at(B, [...p, l, j]);
            assert.ok(Math.abs(at(y, index) - sum) <= k * k * 2 ** -23, device); // k terms below 1, k roundings
          }
        }
      },
    ),
  );
});

arrays("takeRows and gather read the elements that the indices name", () => {
  const table = array([10, 11, 20, 21, 30, 31], [3, 2]);
  assert.equal([...takeRows(table, indices([2, 0, 2])).data], [30, 31, 10, 11, 30, 31]);
  assert.equal([...gather(table, indices([[0], [1], [0]]), 1).data], [10, 21, 30]);
  assert.throws(() => takeRows(table, indices([0, 3])), /indices from 0 to 2; got element 1 3/);
  assert.throws(() => indices([0.5]), /integers/);
});

arrays("bad shapes and axes are refused with what was expected and given", () => {
  const x = array([1, 2, 3, 4, 5, 6], [2, 3]);
  assert.throws(() => array([1, 2, 3], [2, 2]), /4 values for shape \[2, 2\]/);
  assert.throws(() => array([[1, 2], [3]]), /lists of equal lengths, 2 as first/);
  assert.throws(() => array([], [-1]), /non-negative integers/);
  assert.throws(() => reshape(x, [4]), /a shape of 6 elements; got x \[2, 3\], shape \[4\]/);
  assert.throws(() => reshape(x, [0, -1]), /6 elements/);
  assert.throws(() => permute(x, [0, 0]), /each of the 2 axes once/);
  assert.throws(() => reduce("sum", x, 2), /an axis from -2 to 1/);
  assert.throws(() => reduce("sum", x, [0, -2]), /distinct axes/);
  assert.throws(() => reduce("max", full([0], 1)), /at least one element/);
  assert.throws(() => slice(x, 0, 1, 3), /0 ≤ start ≤ end ≤ 2/);
  assert.throws(
    () => matmul(x, x),
    /matmul: expected A \[\.\.\., n, k\] and B \[\.\.\., k, m\]; got A \[2, 3\], B \[2, 3\]/,
  );
});

arrays.run();
