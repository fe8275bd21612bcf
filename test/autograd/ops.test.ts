/** @file What holds for the derivative of every op. One body per law, run over the table of ops. */

import * as fc from "fast-check";
import {
  bfloat16,
  checkGradients,
  float16,
  grad,
  sum,
  type Tensor,
  tensor,
  vjp,
  withRecording,
} from "lowrank/autograd";
import { random, withPrecision } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as exported from "../../autograd/ops/index.ts";
import { ops } from "../support/op-table.ts";

const laws = suite("every op");
const RUNS = 25; // per op and law

/** Ops whose derivative is not held against differences here, and why. */
const apart: Readonly<Record<string, readonly string[]>> = {
  "has no derivative": ["argmax", "eq", "ge", "gt", "oneHot", "sign"],
  "rounds: the gradient passes straight through, see below": ["bfloat16", "float16"],
  "is random (engine.test.ts)": ["dropout"],
  "is crossEntropy in chunks (linear-cross-entropy.test.ts)": ["linearCrossEntropy"],
  "is part of another op's derivative": ["gated", "pad", "scatterAdd"],
  "is permute": ["mT", "transpose"],
};

laws("every op of autograd/ops has a row in the table, or a reason why not", () => {
  const named = [...ops.map(({ name }) => name), ...Object.values(apart).flat()];
  assert.equal(
    Object.keys(exported).filter((name) => !named.includes(name)),
    [],
  );
});

/** A tensor of the shape of x with values drawn from `from`, in the precision in force. */
const like = (x: Tensor, from: number): Tensor => tensor(random(from).uniform(x.size, -1, 1), x.shape);

for (const { name, draw } of ops) {
  laws(`${name}: backward is the derivative (central differences, float64)`, () => {
    fc.assert(
      fc.property(draw, ({ f, xs }) => {
        checkGradients(f, xs);
      }),
      { numRuns: RUNS },
    );
  });

  laws(`${name}: ⟨J v, u⟩ = ⟨v, Jᵀ u⟩`, () => {
    // J v by one central difference along v; h = 1e-5 leaves an error near h² = 1e-10 and ε/h = 1e-11, per term.
    fc.assert(
      fc.property(draw, fc.nat(1000), ({ f, xs }, from) => {
        withPrecision("float64", () => {
          const inputs = xs.map((x) => tensor(x.value.data, x.shape));
          const v = inputs.map((x, i) => like(x, from + i));
          const h = 1e-5;
          const moved = (sign: number): Tensor => f(...inputs.map((x, i) => x.add(v[i].mul(sign * h))));
          const Jv = moved(1)
            .sub(moved(-1))
            .div(2 * h);
          const u = like(Jv, from + 99);
          const { gradients } = vjp(f, inputs, u);
          const left = sum(Jv.mul(u)).item();
          const right = gradients.reduce((total, g, i) => total + sum(g.mul(v[i])).item(), 0);
          const terms = sum(Jv.mul(u).abs()).item() + 1;
          assert.ok(Math.abs(left - right) <= 1e-7 * terms, `${left} is not ${right}`);
        });
      }),
      { numRuns: RUNS },
    );
  });

  laws(`${name}: the gradient's gradient is the second derivative`, () => {
    fc.assert(
      fc.property(draw, ({ f, xs }) => {
        // g(x) = ∇ Σ w ∘ f(x)², with w irregular: a linear f has a second derivative here too.
        const scalar = (...inputs: Tensor[]): Tensor => {
          const y = f(...inputs);
          const w = tensor(
            Float64Array.from({ length: y.size }, (_, i) => Math.cos(1 + i)),
            y.shape,
          );
          return sum(w.mul(y.square()));
        };
        checkGradients((...inputs) => grad(scalar)(...inputs), xs);
      }),
      { numRuns: RUNS },
    );
  });
}

for (const [name, round] of Object.entries({ bfloat16, float16 })) {
  laws(`${name}: the gradient passes straight through the rounding`, () => {
    const x = tensor([0.1, 1 / 3, 1e5], { requiresGrad: true });
    round(x).backward(tensor([1, 2, 3]));
    assert.equal([...(x.grad as Tensor).toArray()], [1, 2, 3]);
  });
}

laws("a gradient taken inside withRecording(false) by a rule is not itself recorded", () => {
  const x = tensor([1, 2], { requiresGrad: true });
  x.square().sum().backward();
  assert.is(x.grad?.requiresGrad, false);
  assert.is(
    withRecording(false, () => x.square().requiresGrad),
    false,
  );
});

laws.run();
