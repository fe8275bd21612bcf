/**
 * @file Masked means: does not enter, forward and backward. Where a mask hides something, ±∞ and NaN planted there change
 * no output and no gradient.
 */

import * as fc from "fast-check";
import * as ag from "lowrank/autograd";
import { type DeviceName, random, withDevice } from "lowrank/core";
import { accuracy, BertModel, MultiHeadAttention, scaledDotProductAttention } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seed, values } from "../support/arbitraries.ts";

const masks = suite("masks");
const devices: readonly DeviceName[] = ["reference", "cpu", "gpu:cpu"];
const planted = fc.constantFrom(Number.NaN, Infinity, -Infinity, 3e38, -3e38);

/** A masking op on leaves, of which the elements that `hidden` lists are masked. */
interface Masking {
  readonly leaves: readonly ag.Tensor[];
  readonly hidden: readonly (readonly [leaf: number, element: number])[];
  readonly f: (...leaves: ag.Tensor[]) => ag.Tensor;
}

/** f's result and the gradients of its leaves; those of hidden elements must be 0. */
function run({ leaves, hidden, f }: Masking, plant: number | null): number[][] {
  const xs = leaves.map(({ value, shape }, k) => {
    const data = Float32Array.from(value.data);
    if (plant !== null) for (const [leaf, i] of hidden) if (leaf === k) data[i] = plant;
    return ag.tensor(data, shape, { requiresGrad: true });
  });
  const y = f(...xs);
  y.backward(ag.tensor(random(3).uniform(y.size, 0.5, 1), y.shape));
  const grads = xs.map((x) => [...(x.grad as ag.Tensor).toArray()]);
  for (const [leaf, i] of hidden)
    assert.is(Math.abs(grads[leaf][i]), 0, `leaf ${leaf}, element ${i} is hidden`);
  return [[...y.toArray()], ...grads];
}

/** All places of rows of `width` for which `isHidden`. */
const inRows = (leaf: number, rows: readonly boolean[], width: number): [number, number][] =>
  rows.flatMap((isHidden, r) =>
    isHidden ? Array.from({ length: width }, (_, i): [number, number] => [leaf, r * width + i]) : [],
  );

const flags = (n: number): fc.Arbitrary<boolean[]> => fc.array(fc.boolean(), { minLength: n, maxLength: n });

const masking: Record<string, fc.Arbitrary<Masking>> = {
  "crossEntropy with ignored labels": fc
    .record({
      ignored: flags(4),
      labelSmoothing: fc.constantFrom(0, 0.2),
      reduction: fc.constantFrom("mean" as const, "sum" as const, "none" as const),
      from: seed,
    })
    .map(({ ignored, labelSmoothing, reduction, from }) => ({
      leaves: [values([4, 3], from, 0, 1)],
      hidden: inRows(0, ignored, 3),
      f: (x) =>
        ag.crossEntropy(
          x,
          ignored.map((skip, i) => (skip ? -100 : i % 3)),
          { labelSmoothing, reduction },
        ),
    })),
  "linearCrossEntropy with ignored labels": fc
    .record({ ignored: flags(5), chunkBytes: fc.constantFrom(24, 1e6), from: seed })
    .map(({ ignored, chunkBytes, from }) => ({
      leaves: [values([5, 2], from, 0, 1), values([3, 2], from + 1, 0, 1)],
      hidden: inRows(0, ignored, 2),
      f: (h, W) =>
        ag.linearCrossEntropy(
          h,
          W,
          ignored.map((skip, i) => (skip ? -100 : i % 3)),
          { chunkBytes },
        ),
    })),
  where: fc.record({ mask: flags(6), from: seed }).map(({ mask, from }) => ({
    leaves: [values([2, 3], from, 0, 1), values([2, 3], from + 1, 0, 1)],
    hidden: mask.map((first, i): [number, number] => [first ? 1 : 0, i]),
    f: (a, b) => ag.where(ag.tensor(mask.map(Number), [2, 3]), a, b),
  })),
  "where around functions with poles": fc.record({ mask: flags(5), from: seed }).map(({ mask, from }) => ({
    leaves: [values([5], from, 0.5, 1, false)],
    hidden: mask.flatMap((seen, i): [number, number][] => (seen ? [] : [[0, i]])),
    f: (x) => {
      const keep = ag.tensor(mask.map(Number));
      const f = [ag.log, ag.log1p, ag.sqrt, ag.rsqrt, ag.reciprocal, ag.exp, ag.expm1].map((g) => g(x));
      const two = [ag.div(1, x), ag.div(x, x), ag.pow(x, 0.5), ag.pow(x, x), ag.pow(2, x)];
      return ag.where(keep, ag.stack([...f, ...two]), 0);
    },
  })),
  dropout: seed.map((from) => ({
    leaves: [values([8], from, 0, 1)],
    hidden: [...ag.dropout(ag.tensor(new Float32Array(8).fill(1)), 0.5, random(from)).toArray()].flatMap(
      (kept, i): [number, number][] => (kept === 0 ? [[0, i]] : []),
    ),
    f: (x) => ag.dropout(x, 0.5, random(from)),
  })),
  causalSoftmax: fc.record({ time: fc.integer({ min: 1, max: 6 }), from: seed }).map(({ time, from }) => ({
    leaves: [values([2, time, time], from, 0, 1)],
    hidden: Array.from({ length: 2 * time * time }, (_, i): [number, number] => [0, i]).filter(
      ([, i]) => i % time > Math.floor(i / time) % time,
    ),
    f: (x) => ag.causalSoftmax(x),
  })),
  "attention over padding": fc
    .record({ padding: flags(6), causal: fc.boolean(), groups: fc.constantFrom(1, 2), from: seed })
    .map(({ padding, causal, groups, from }) => ({
      leaves: [
        values([2, 2, 3, 2], from, 0, 1),
        values([2, groups, 3, 2], from + 1, 0, 1),
        values([2, groups, 3, 4], from + 2, 0, 1),
      ],
      hidden: [2, 4].flatMap((width, leaf) =>
        inRows(
          leaf + 1,
          Array.from(
            { length: 2 * groups * 3 },
            (_, row) => padding[Math.floor(row / groups / 3) * 3 + (row % 3)],
          ),
          width,
        ),
      ),
      f: (q, k, v) => {
        const mask = ag.tensor(
          padding.map((p) => (p ? -Infinity : 0)),
          [2, 1, 1, 3],
        );
        return scaledDotProductAttention(q, k, v, { mask, causal });
      },
    })),
};

for (const [name, draw] of Object.entries(masking)) {
  masks(`${name}: what is masked does not enter`, () => {
    for (const device of devices) {
      fc.assert(
        fc.property(draw, planted, (problem, plant) => {
          withDevice(device, () => {
            const clean = run(problem, null);
            for (const list of clean)
              for (const x of list) assert.ok(Number.isFinite(x), `${x} without anything planted`);
            assert.equal(run(problem, plant), clean);
          });
        }),
        { numRuns: 20 },
      );
    }
  });
}

masks("no label counts: the loss is 0 and so is the gradient", () => {
  const x = ag.tensor(
    [
      [Number.NaN, 1],
      [2, 3],
    ],
    { requiresGrad: true },
  );
  for (const reduction of ["mean", "sum", "none"] as const) {
    x.grad = null;
    const loss = ag.crossEntropy(x, [-100, -100], { reduction }).sum();
    loss.backward();
    assert.is(loss.item(), 0);
    assert.equal([...(x.grad as unknown as ag.Tensor).toArray()].map(Math.abs), [0, 0, 0, 0]);
  }
});

masks("a class at −∞ is as if it were not there, label smoothing included", () => {
  fc.assert(
    fc.property(seed, fc.constantFrom(0, 0.3), fc.nat(3), (from, labelSmoothing, gone) => {
      const rows = values([3, 4], from, 0, 2).toArray();
      const left = [0, 1, 2, 3].filter((c) => c !== gone);
      const masked = ag.tensor(
        Float32Array.from(rows, (x, i) => (i % 4 === gone ? -Infinity : x)),
        [3, 4],
        { requiresGrad: true },
      );
      const smaller = ag.tensor(
        Float32Array.from(rows).filter((_, i) => i % 4 !== gone),
        [3, 3],
        { requiresGrad: true },
      );
      const a = ag.crossEntropy(masked, [left[0], left[1], left[2]], { labelSmoothing });
      const b = ag.crossEntropy(smaller, [0, 1, 2], { labelSmoothing });
      a.backward();
      b.backward();
      assert.ok(Math.abs(a.item() - b.item()) < 1e-6, `${a.item()} is not ${b.item()}`);
      const expected = [...(smaller.grad as ag.Tensor).toArray()];
      [...(masked.grad as ag.Tensor).toArray()].forEach((g, i) => {
        const column = left.indexOf(i % 4);
        const right = column < 0 ? 0 : expected[Math.floor(i / 4) * 3 + column];
        assert.ok(Math.abs(g - right) < 1e-6, `element ${i}: ${g} is not ${right}`);
      });
    }),
  );
});

masks("a query that sees no key gets zeros, and its scores no gradient; the others are as without it", () => {
  const [q, k, v] = [1, 2, 3].map((from) => values([1, 1, 3, 2], from, 0, 1));
  for (const x of [q, k, v]) x.requiresGrad = true;
  const mask = ag.tensor([
    [0, -Infinity, 0],
    [-Infinity, -Infinity, -Infinity],
    [0, 0, 0],
  ]);
  const y = scaledDotProductAttention(q, k, v, { mask });
  assert.equal([...y.toArray().subarray(2, 4)], [0, 0]);
  y.sum().backward();
  for (const x of [q, k, v]) assert.ok([...(x.grad as ag.Tensor).toArray()].every(Number.isFinite));
  assert.equal([...(q.grad as ag.Tensor).toArray()].slice(2, 4), [0, 0]);
});

masks("causal attention: what later tokens hold changes nothing before them", () => {
  fc.assert(
    fc.property(planted, fc.integer({ min: 1, max: 4 }), fc.boolean(), seed, (plant, from, padded, start) => {
      const attention = new MultiHeadAttention(4, 2, { causal: true, kvHeads: 1, rng: random(start) });
      const clean = values([2, 5, 4], start, 0, 1);
      const data = clean.toArray().map((x, i) => (Math.floor(i / 4) % 5 >= from ? plant : x));
      const mask = padded ? ag.tensor([0, -Infinity, 0, 0, 0]) : undefined;
      const [a, b] = [clean, ag.tensor(data, [2, 5, 4])].map((x) =>
        attention.forward(x, { mask }).slice(1, 0, from),
      );
      const expected = [...a.toArray()];
      [...b.toArray()].forEach((y, i) => {
        assert.ok(Math.abs(y - expected[i]) < 1e-6, `${y} is not ${expected[i]}`);
      });
    }),
  );
});

masks("a batch filled up with a row of padding: BERT's other rows are what they are alone", () => {
  const model = new BertModel(
    {
      model_type: "bert",
      vocab_size: 20,
      hidden_size: 8,
      intermediate_size: 12,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      max_position_embeddings: 20,
    },
    { rng: random(1) },
  ).eval() as BertModel;
  const alone = model.forward([[1, 2]]).toArray();
  const both = model.forward(
    [
      [1, 2],
      [0, 0],
    ],
    {
      attentionMask: [
        [1, 1],
        [0, 0],
      ],
    },
  );
  assert.ok([...both.toArray()].every(Number.isFinite));
  for (const [i, x] of alone.entries()) assert.ok(Math.abs(x - both.toArray()[i]) < 1e-6);
  assert.ok([...model.pool(both).toArray()].every(Number.isFinite));
});

masks("NaN wins the maximum, at its first place; a row with a NaN is not right", () => {
  for (const device of devices) {
    withDevice(device, () => {
      for (const n of [1, 2, 3, 4, 5, 9, 17, 40]) {
        for (let at = 0; at < n; at++) {
          const data = Float32Array.from({ length: n }, (_, i) =>
            i >= at && i % 3 === at % 3 ? Number.NaN : i,
          );
          const row = ag.tensor(data, [1, n]);
          for (const x of [row, row.T]) {
            assert.is(ag.argmax(x, x === row ? 1 : 0).data[0], at);
            assert.ok(Number.isNaN(x.max().item()) && Number.isNaN(x.min().item()));
            assert.ok(Number.isNaN(x.maximum(0).toArray()[at]) && Number.isNaN(x.minimum(0).toArray()[at]));
          }
          assert.is(accuracy(row, [at]), 0);
        }
      }
    });
  }
});

masks("powers of ±1 and 0, and their gradients, are IEEE 754's", () => {
  const table: [a: number, b: number, y: number, da: number, db: number][] = [
    [1, Number.NaN, 1, Number.NaN, 0],
    [1, Infinity, 1, Infinity, 0],
    [1, -Infinity, 1, -Infinity, 0],
    [-1, Infinity, 1, Infinity, Number.NaN],
    [-1, -Infinity, 1, -Infinity, Number.NaN],
    [0, 0, 1, 0, 0],
    [0, 2, 0, 0, 0],
    [0, -1, Infinity, -Infinity, -Infinity],
    [-2, 3, -8, 12, Number.NaN],
  ];
  for (const device of devices) {
    for (const [a, b, y, da, db] of table) {
      withDevice(device, () => {
        const [A, B] = [ag.tensor(a, { requiresGrad: true }), ag.tensor(b, { requiresGrad: true })];
        const Y = ag.pow(A, B);
        Y.backward();
        const got = [Y.item(), A.grad?.item() as number, B.grad?.item() as number];
        assert.equal(
          got.map((x) => x + 0),
          [y, da, db],
          `${a} to the ${b}: ${got}`,
        );
        assert.ok(Object.is(ag.pow(A, b).item(), Y.item()));
      });
    }
  }
});

masks.run();
