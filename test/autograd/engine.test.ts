/** @file The engine: what it promises for any graph: fan-out, linearity, memory, refusal of what cannot be done. */

import * as fc from "fast-check";
import {
  checkpoint,
  detectAnomaly,
  dropout,
  grad,
  gradients,
  hessian,
  isRecording,
  jacobian,
  leavesOf,
  linear,
  linearCrossEntropy,
  noGrad,
  OUTPUT,
  parameter,
  record,
  savedBytes,
  slice,
  Tensor,
  tensor,
  vjp,
  withRecording,
} from "lowrank/autograd";
import {
  ArgumentError,
  AutogradError,
  currentDevice,
  currentPrecision,
  LowrankError,
  liveBytes,
  measureMemory,
  type NDArray,
  random,
  ShapeError,
  type Storage,
  scope,
  unary,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { withoutInit } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { broadcastable, filled, seed, values } from "../support/arbitraries.ts";

const engine = suite("autograd");

const leaf = (data: number[], shape?: number[]): Tensor =>
  tensor(data, shape ?? [data.length], { requiresGrad: true });
const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void => {
  assert.is(a.length, b.length);
  for (let i = 0; i < a.length; i++)
    assert.ok(Math.abs(a[i] - b[i]) <= tolerance, `${i}: ${a[i]} is not ${b[i]}`);
};

/** What the graph that ends at `root` keeps for backward. */
function storagesOf(root: Tensor): Storage[] {
  const nodes = new Set(root.node ? [root.node] : []);
  for (const node of nodes) for (const parent of node.parents()) nodes.add(parent);
  return [...nodes].flatMap((node) => [...node.savedStorages()]);
}

engine("a tensor used k times collects k gradients", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), filled(2), seed, (k, shape, from) => {
      const x = values(shape, from, 0, 1);
      x.requiresGrad = true;
      let y: Tensor = x;
      for (let i = 1; i < k; i++) y = y.add(x);
      y.sum().backward();
      assert.equal([...(x.grad as Tensor).toArray()], new Array(x.size).fill(k));
    }),
  );
});

engine("backward adds to grad; zeroGrad forgets; the memory of a gradient is used again", () => {
  const x = leaf([1, 2]);
  x.square().sum().backward();
  x.square().sum().backward();
  assert.equal([...(x.grad as Tensor).toArray()], [4, 8]);
  x.zeroGrad();
  assert.is(x.grad, null);
  x.zeroGrad();
  x.square().sum().backward();
  const storage = x.gradValue?.storage;
  x.zeroGrad();
  x.square().sum().backward();
  assert.is(x.gradValue?.storage, storage);
  assert.equal([...(x.grad as unknown as Tensor).toArray()], [2, 4]);
});

engine("a gradient that was read stays what it was when the next one comes", () => {
  const x = leaf([1, 2]);
  x.square().sum().backward();
  const held = x.grad as Tensor;
  for (const factor of [3, 5]) {
    x.zeroGrad();
    x.mul(factor).sum().backward();
    assert.equal([...held.toArray()], [2, 4]);
    assert.equal([...(x.grad as unknown as Tensor).toArray()], [factor, factor]);
  }
  assert.is(held.value.storage.category, "workspace");
});

engine("vjp is linear in the gradient it starts from: exactly so for a dyadic graph", () => {
  fc.assert(
    fc.property(fc.integer({ min: -8, max: 8 }), fc.integer({ min: -8, max: 8 }), seed, (a, b, from) => {
      const dyadic = (n: number, at: number): Tensor =>
        tensor(Float32Array.from(random(at).uniform(n, -8, 8), Math.round), [n]);
      const x = dyadic(4, from);
      x.requiresGrad = true;
      const y = x.mul(x).add(x);
      const [u, v] = [dyadic(4, from + 1), dyadic(4, from + 2)];
      const through = (w: Tensor): Tensor => gradients(y, [x], w, { retainGraph: true })[0];
      const together = through(u.mul(a).add(v.mul(b)));
      assert.equal(together.toArray(), through(u).mul(a).add(through(v).mul(b)).toArray());
    }),
  );
});

engine("the gradient of a broadcast input is the sum over its copies", () => {
  fc.assert(
    fc.property(broadcastable(2), seed, ({ parts, whole }, from) => {
      const [a, b] = parts.map((part, i) => values(part, from + i, 0, 1));
      a.requiresGrad = true;
      const u = values(whole, from + 9, 0, 1);
      a.mul(b).backward(u);
      const copies = u.mul(b).broadcastTo(whole);
      // By definition: each element of the copies is added to the element of a that it is a copy of.
      const expected = new Float64Array(a.size);
      const lead = whole.length - a.shape.length;
      const data = copies.toArray();
      for (let i = 0; i < data.length; i++) {
        let rest = i;
        let at = 0;
        let stride = 1;
        for (let axis = whole.length - 1; axis >= 0; axis--) {
          const index = rest % whole[axis];
          rest = Math.floor(rest / whole[axis]);
          if (axis < lead) continue;
          at += (a.shape[axis - lead] === 1 ? 0 : index) * stride;
          stride *= a.shape[axis - lead];
        }
        expected[at] += data[i];
      }
      // At most 125 float32 terms below 1: 125 roundings of sums below 125.
      close((a.grad as Tensor).toArray(), expected, 125 * 125 * 2 ** -24);
    }),
  );
});

engine("a graph of 100,000 ops does not overflow the stack", () => {
  const x = leaf([1]);
  let y: Tensor = x;
  for (let i = 0; i < 100_000; i++) y = y.add(1);
  y.backward();
  assert.is((x.grad as Tensor).item(), 1);
});

engine("grad(grad(f)), jacobian and hessian agree with the formulas for x³", () => {
  const cube = (x: Tensor): Tensor => x.mul(x).mul(x);
  const x = tensor([2, -1, 0.5]);
  assert.equal([...grad((t) => cube(t).sum())(x).toArray()], [12, 3, 0.75]); //        3x²
  assert.equal([...grad((t) => grad((s) => cube(s).sum())(t).sum())(x).toArray()], [12, -6, 3]); // 6x
  assert.equal([...jacobian(cube, x).toArray()], [12, 0, 0, 0, 3, 0, 0, 0, 0.75]);
  assert.equal([...hessian((t) => cube(t).sum(), x).toArray()], [12, 0, 0, 0, -6, 0, 0, 0, 3]);
  assert.is(grad((t) => cube(t).sum())(x).requiresGrad, false);
});

engine("checkpoint: same value and gradients, dropout included, and only the input is kept", () => {
  fc.assert(
    fc.property(seed, (from) => {
      const run = (wrap: boolean): { y: Float32Array; grads: Float32Array[]; saved: number } => {
        const rng = random(from);
        const [x, W] = [values([3, 4], from, 0, 1), values([5, 4], from + 1, 0, 1)];
        x.requiresGrad = true;
        W.requiresGrad = true;
        const block = (t: Tensor): Tensor => dropout(linear(t, W).tanh(), 0.5, rng).square();
        const y = wrap ? checkpoint(block, x) : block(x);
        const saved = savedBytes(y);
        y.sum().backward();
        return { y: y.toArray(), grads: [x, W].map((t) => (t.grad as Tensor).toArray()), saved };
      };
      const [plain, wrapped] = [run(false), run(true)];
      assert.equal(wrapped.y, plain.y);
      assert.equal(wrapped.grads, plain.grads);
      assert.is(wrapped.saved, 3 * 4 * 4);
      assert.ok(plain.saved > wrapped.saved);
    }),
  );
});

engine("checkpoint: inside another it drops the same elements; second derivatives go through", () => {
  fc.assert(
    fc.property(seed, (from) => {
      const run = (wrap: typeof checkpoint): ArrayLike<number>[] => {
        const rng = random(from);
        const x = values([3, 4], from, 0, 1);
        x.requiresGrad = true;
        const inner = (t: Tensor): Tensor => dropout(t.sin(), 0.5, rng).mul(t);
        wrap((t) => wrap(inner, dropout(t, 0.5, rng)).add(t), x)
          .square()
          .sum()
          .backward(undefined, { createGraph: true });
        const first = x.grad as Tensor;
        x.grad = null;
        first.square().sum().backward();
        return [first.value.data, (x.grad as unknown as Tensor).value.data];
      };
      withPrecision("float64", () => {
        const plain = run((f, ...xs) => f(...xs));
        run(checkpoint).forEach((grads, i) => {
          close(grads, plain[i], 1e-9); // of sums below 10⁵, each to 10⁻¹⁶ of itself
        });
      });
    }),
  );
});

engine(
  "checkpoint: one more link of a chain costs the peak that link's input, and nothing it computes",
  () => {
    const bytes = 4 * 1000;
    const W = parameter(values([1000], 1, 0, 1));
    const link = (x: Tensor): Tensor => x.mul(W).mul(W).mul(W); // keeps each x and product, for dW
    const peak = (links: number, wrap: boolean): number =>
      measureMemory(() => {
        let x = values([1000], 2, 0, 1);
        for (let i = 0; i < links; i++) x = wrap ? checkpoint(link, x) : link(x);
        x.sum().backward();
      }).peakTotal;
    peak(1, true); // from here on W has its gradient
    assert.is(peak(6, true) - peak(5, true), bytes);
    assert.ok(peak(6, false) - peak(5, false) >= 3 * bytes);
  },
);

engine(
  "saved bytes: a linear layer keeps x for dW and W for dX, and only what a needed gradient needs",
  () => {
    fc.assert(
      fc.property(
        filled(2, 2),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.boolean(),
        ([n, k], m, needX, needW) => {
          const x = values([n, k], 1, 0, 1);
          const W = values([m, k], 2, 0, 1);
          x.requiresGrad = needX;
          W.requiresGrad = needW;
          assert.is(savedBytes(linear(x, W)), 4 * ((needX ? m * k : 0) + (needW ? n * k : 0)));
        },
      ),
    );
  },
);

engine("freezing A really frees x: nothing but B's path keeps memory (LoRA-FA's claim)", () => {
  const [n, k, r, m] = [7, 64, 2, 32];
  const x = values([n, k], 1, 0, 1);
  const [A, B] = [parameter(values([r, k], 2, 0, 1)), parameter(values([m, r], 3, 0, 1))];
  assert.is(savedBytes(linear(linear(x, A), B)), 4 * (n * k + m * r + n * r)); // x, B for dz, z
  A.requiresGrad = false;
  assert.is(savedBytes(linear(linear(x, A), B)), 4 * n * r); //                    z alone
});

engine(
  "leaves and saved bytes are seen through nodes of many inputs: chunks of rows, and checkpoints",
  () => {
    const [rows, d, classes] = [6, 3, 5];
    const [V, W] = [parameter(values([d, d], 1, 0, 1)), parameter(values([classes, d], 2, 0, 1))];
    const labels = Array.from({ length: rows }, (_, i) => i % classes);
    const before = 4 * rows * d; // what the layer below keeps of its input, for dV
    const h = (): Tensor => linear(values([rows, d], 3, 0, 1), V);
    for (const reduction of ["mean", "sum"] as const) {
      const inChunks = linearCrossEntropy(h(), W, labels, { reduction, chunkBytes: 4 * classes * 2 });
      assert.equal(new Set(leavesOf(inChunks)), new Set([V, W]), reduction);
      assert.is(savedBytes(inChunks), before + 4 * (rows * d + rows * d + classes * d)); // h, dh, dW
    }
    const again = checkpoint((x) => checkpoint((z) => linear(z, W), x.tanh()), h()).sum();
    assert.equal(new Set(leavesOf(again)), new Set([V])); // W is known once the function runs again
    assert.is(savedBytes(again), before + 4 * rows * d);
  },
);

engine("the meter: backward gives all saved bytes back, also those of a released scope", () => {
  const W = parameter(values([8, 8], 1, 0, 1));
  const report = measureMemory(() => {
    const y = linear(values([4, 8], 2, 0, 1), W)
      .tanh()
      .sum();
    y.backward();
  });
  assert.is(report.live.saved, 0);
  assert.is(report.live.workspace, 0);
  assert.is(report.peak.saved, 4 * (4 * 8 + 4 * 8)); // x for dW, tanh's output
  const dropped = measureMemory(() => {
    linear(values([4, 8], 2, 0, 1), W).tanh();
  });
  assert.is(dropped.live.saved, 0);
});

engine("1,000 training steps leave the meter where it was", () => {
  const W = parameter(values([8, 8], 1, 0, 1));
  const step = (): void =>
    scope(() => {
      const x = values([4, 8], 2, 0, 1);
      linear(linear(x, W).gelu(), W).softmax().square().sum().backward();
      W.assign(W.sub(new Tensor(W.gradValue as NDArray).mul(0.01)));
      W.zeroGrad();
    });
  step();
  const before = liveBytes();
  for (let i = 0; i < 1000; i++) step();
  assert.equal(liveBytes(), before);
});

engine("a tensor made in a scope is refused afterwards, unless it is the scope's result", () => {
  let lost: Tensor | undefined;
  const kept = scope(() => {
    lost = tensor([1, 2]).add(1);
    return { deep: [tensor([3]).add(1)] };
  });
  assert.is(kept.deep[0].item(), 4);
  assert.throws(() => lost?.toArray(), /released when the scope\(\)/);
});

engine("hooks see the whole gradient and can replace it; taken off, they are silent", () => {
  const x = leaf([1, 2]);
  const y = x.mul(3);
  const seen: number[][] = [];
  const off = y.onGradient((g) => {
    seen.push([...g.toArray()]);
    return g.mul(10);
  });
  y.add(y).sum().backward();
  assert.equal(seen, [[2, 2]]);
  assert.equal([...(x.grad as Tensor).toArray()], [60, 60]);
  off();
  x.zeroGrad();
  x.mul(1).sum().backward();
  assert.is(seen.length, 1);
});

engine("a gradient that is set has the tensor's shape, and of a view a copy is kept", () => {
  const x = leaf([1, 2]);
  const wide = tensor([3, 4, 5]);
  x.grad = slice(wide, 0, 1, 3);
  x.square().sum().backward();
  assert.equal([...(x.grad as Tensor).toArray()], [6, 9]);
  assert.equal([...wide.toArray()], [3, 4, 5]);
  assert.throws(() => (x.grad = wide), /grad: expected a gradient of shape \[2\]; got grad \[3\]/);
  assert.throws(() => (x.grad = [1, 2] as never), /grad: expected a tensor or null/);
  assert.equal([...(x.grad as Tensor).toArray()], [6, 9]);
});

/** A small program over leaves of one shape: which earlier values each step takes, and what it does with them. */
const program = fc.array(fc.record({ op: fc.nat(7), a: fc.nat(9), b: fc.nat(9) }), { maxLength: 6 });
const steps: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => a.add(b),
  (a, b) => a.sub(b),
  (a, b) => a.mul(b),
  (a) => a.T,
  (a) => a.reshape(4).reshape(2, 2),
  (a, b) => a.matmul(b),
  (a) => a.sum(0).broadcastTo([2, 2]),
  (a) => checkpoint((x) => x.T.add(x), a),
];

engine(
  "every grad has memory of its own: contiguous, not shared with a grad, a value or what is saved",
  () => {
    fc.assert(
      fc.property(program, fc.boolean(), fc.boolean(), seed, (chosen, createGraph, twice, from) => {
        const made = [0, 1, 2].map((i) => values([2, 2], from + i, 0.5, 1));
        for (const x of made) x.requiresGrad = true;
        for (const { op, a, b } of chosen) made.push(steps[op](made[a % made.length], made[b % made.length]));
        for (const x of made) if (!x.isLeaf) x.retainGrad();
        made[0].onGradient((g) => g);
        made[1].onGradient(() => made[2].detach());
        const loss = made.reduce((total, x) => total.add(x.sum()), tensor(0));
        const held = [...made.map((x) => x.value.storage), ...storagesOf(loss)];
        loss.backward(undefined, { createGraph, retainGraph: true });
        if (twice) loss.backward(undefined, { createGraph });
        const grads = made.map((x) => x.grad as Tensor);
        for (const { value } of grads) {
          assert.ok(value.isContiguous);
          assert.is(value.storage.length, value.size);
          assert.is(value.storage.category, "gradients");
        }
        const storages = grads.map((g) => g.value.storage);
        assert.is(new Set([...storages, ...held]).size, storages.length + new Set(held).size);
        const before = grads.map((g) => g.toArray());
        grads[0].assign(new Float32Array(4));
        grads.slice(1).forEach((g, i) => {
          assert.equal(g.toArray(), before[i + 1]);
        });
      }),
    );
  },
);

engine("gradients(…), vjp, jacobian and hessian give tensors with memory of their own", () => {
  for (const createGraph of [false, true]) {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])];
    const u = tensor([5, 6]);
    const found = gradients(a.add(b), [a, b, a], u, { createGraph });
    assert.is(new Set([...found, a, b, u].map((x) => x.value.storage)).size, 6);
    assert.equal(
      found.map((g) => [...g.toArray()]),
      [
        [5, 6],
        [5, 6],
        [5, 6],
      ],
    );
  }
  const [x, u] = [tensor([1, 2]), tensor([3, 4])];
  assert.is.not(vjp((t) => t, [x], u).gradients[0].value.storage, u.value.storage);
  assert.is.not(grad((t) => t)(tensor([1])).value.storage, x.value.storage);
});

engine(
  "a later backward adds to a gradient with a history, and leaves those who hold it what they held",
  () => {
    const w = leaf([2, 3]);
    w.square().sum().backward(undefined, { createGraph: true });
    const first = w.grad as Tensor;
    assert.ok(first.requiresGrad);
    first.square().sum().backward(); // Σ (2w)², its derivative 8w
    assert.equal([...first.toArray()], [4, 6]);
    assert.equal([...(w.grad as Tensor).toArray()], [4 + 16, 6 + 24]);
    assert.is((w.grad as Tensor).requiresGrad, false);
  },
);

engine("a hook that returns what is no gradient of the same shape is refused", () => {
  for (const returned of [tensor([1]), 3, Promise.resolve()]) {
    const x = leaf([1, 2]);
    x.onGradient(() => returned as Tensor);
    assert.throws(
      () => x.sum().backward(),
      (e: Error) => e instanceof LowrankError && /onGradient/.test(e.message),
    );
  }
});

engine("functions that hold a mode refuse what goes on after they return", () => {
  const holders: Record<string, (fn: () => never) => unknown> = {
    noGrad,
    withRecording: (fn) => withRecording(false, fn),
    detectAnomaly,
    scope,
    measureMemory,
    withDevice: (fn) => withDevice("reference", fn),
    withPrecision: (fn) => withPrecision("float64", fn),
    checkpoint: (fn) => checkpoint(fn, tensor([1])),
    grad: (fn) => grad(fn)(tensor([1])),
    withoutInit,
  };
  const later: (() => unknown)[] = [
    async () => {},
    async () => {
      throw new Error("nobody waits for this");
    },
    function* () {
      yield 1;
    },
    async function* () {
      yield 1;
    },
  ];
  for (const [name, hold] of Object.entries(holders)) {
    for (const fn of later) {
      const before = [isRecording(), currentDevice().name, currentPrecision()];
      assert.throws(
        () => hold(fn as () => never),
        (e: Error) => e instanceof ArgumentError,
        name,
      );
      assert.equal([isRecording(), currentDevice().name, currentPrecision()], before, name);
    }
  }
});

engine("noGrad and detach: no history", () => {
  const x = leaf([2]);
  assert.is(
    noGrad(() => x.square().requiresGrad),
    false,
  );
  x.square().add(x.detach().square()).backward();
  assert.is((x.grad as Tensor).item(), 4);
});

engine("an op of one's own: one function with record", () => {
  const softsign = (x: Tensor): Tensor =>
    record("softsign", x.div(x.abs().add(1)).value, [
      { input: x, saves: [x], vjp: (dY, X) => dY.div(X.abs().add(1).square()) }, // 1/(1 + |x|)²
    ]);
  const x = leaf([1, -3]);
  softsign(x).sum().backward();
  assert.equal([...(x.grad as Tensor).toArray()], [0.25, 0.0625]);
  const doubled = record("cube", unary("exp", x.value), [
    { input: x, saves: [OUTPUT], vjp: (dY, Y) => dY.mul(Y) },
  ]);
  x.zeroGrad();
  doubled.sum().backward();
  close((x.grad as unknown as Tensor).toArray(), [Math.E, Math.exp(-3)], 1e-6);
});

engine("what cannot be done is refused in one sentence", () => {
  const x = leaf([1, 2, 3]);
  assert.throws(
    () => x.square().backward(),
    (e: Error) => e instanceof ShapeError && /a scalar, or a gradient/.test(e.message),
  );
  assert.throws(
    () => x.square().backward(tensor([1])),
    (e: Error) => e instanceof ShapeError && /\[1\]/.test(e.message),
  );
  assert.throws(
    () => tensor([1]).backward(),
    (e: Error) => e instanceof AutogradError && /requires a gradient/.test(e.message),
  );
  const y = x.square().sum();
  y.backward();
  assert.throws(
    () => y.backward(),
    (e: Error) => e instanceof AutogradError && /retainGraph/.test(e.message),
  );
  assert.throws(() => x.add(1).item(), /one element/);
  assert.throws(() => x.mul(tensor([1, 2])), /broadcast/);
  assert.throws(() => {
    x.square().requiresGrad = false;
  }, /result of an op/);
  assert.throws(() => {
    x.square().retainGrad().requiresGrad = false;
  }, /result of an op/);
});

engine("a saved value changed in place is noticed, and named", () => {
  const x = leaf([1, 2]);
  const y = x.square().sum();
  x.assign([5, 6]);
  assert.throws(
    () => y.backward(),
    (e: Error) => e instanceof AutogradError && /"square" saved.*changed in place/.test(e.message),
  );
});

engine("anomaly mode names the op that made the first NaN, forward and backward", () => {
  const x = leaf([-1]);
  assert.throws(() => detectAnomaly(() => x.log().mul(2)), /^log: made the first NaN/);
  const zero = leaf([0]);
  assert.throws(() => detectAnomaly(() => zero.square().sqrt().backward()), /backward of square/);
});

engine.run();
