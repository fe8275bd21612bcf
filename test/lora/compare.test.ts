/** @file compare: subspace overlap, principal angles, norms. */

import * as fc from "fast-check";
import { array, type NDArray, qr, random } from "lowrank/core";
import { compare, convert, principalAngles, subspaceOverlap } from "lowrank/lora";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adaptedChain, refuses } from "./support/models.ts";

const test = suite("compare");

const basis = (n: number, p: number, seed: number): NDArray =>
  array(qr(random(seed).normal(n * p), n, p).Q, [n, p]);
const bases = fc.record({ n: fc.integer({ min: 1, max: 6 }), seed: fc.nat(1000) }).chain(({ n, seed }) =>
  fc.record({ p: fc.integer({ min: 1, max: n }), q: fc.integer({ min: 1, max: n }) }).map(({ p, q }) => ({
    U1: basis(n, p, seed),
    U2: basis(n, q, seed + 1),
  })),
);
const near = (a: number, b: number, by = 1e-5): boolean => Math.abs(a - b) <= by; // bases are float32: 6 · 2⁻²⁴ each

test("φ is in [0, 1], symmetric, and Σ cos² of the principal angles over min(i, j)", () => {
  fc.assert(
    fc.property(bases, ({ U1, U2 }) => {
      const [phi, back] = [subspaceOverlap(U1, U2), subspaceOverlap(U2, U1)];
      const [p, q] = [U1.shape[1], U2.shape[1]];
      for (let i = 0; i < p; i++) {
        for (let j = 0; j < q; j++) {
          assert.ok(phi[i][j] >= 0 && phi[i][j] <= 1 + 1e-5);
          assert.ok(near(phi[i][j], back[j][i]));
        }
      }
      const cosines = principalAngles(U1, U2).map((angle) => Math.cos(angle) ** 2);
      assert.ok(near(phi[p - 1][q - 1], cosines.reduce((sum, c) => sum + c, 0) / Math.min(p, q)));
    }),
  );
});

test("a span with itself: φ = 1 at the full ranks, all angles 0; with its complement: 0 and π/2", () => {
  const U = basis(4, 4, 1);
  const columns = (from: number): NDArray =>
    array(
      Array.from({ length: 8 }, (_, at) => U.data[4 * (at >> 1) + from + (at & 1)]),
      [4, 2],
    );
  const [left, right] = [columns(0), columns(2)];
  assert.ok(near(subspaceOverlap(left, left)[1][1], 1));
  assert.ok(principalAngles(left, left).every((angle) => near(angle, 0, 1e-2))); // arccos near 1 loses half the digits
  assert.ok(near(subspaceOverlap(left, right)[1][1], 0));
  assert.ok(principalAngles(left, right).every((angle) => near(angle, Math.PI / 2)));
});

test("an adapter and its own conversion have one ΔW, though other A and B", () => {
  const model = adaptedChain({ a: { method: "lora" }, b: { method: "dora" } });
  convert(model, "a", "again");
  for (const { cosine, norms, distance, overlap } of compare(model, "a", "again")) {
    assert.ok(near(cosine, 1));
    assert.ok(near(norms[0], norms[1], 1e-4));
    assert.ok(distance <= 1e-4);
    assert.ok(near(overlap[1][1], 1));
  }
  for (const side of ["input", "output"] as const) {
    const [{ overlap, angles }] = compare(model, "a", "b", { side });
    assert.is(overlap.length, 2);
    assert.is(angles.length, Math.min(2, overlap[0].length));
  }
});

test("ΔW = 0 has no directions: no overlap, cosine 0", () => {
  const model = adaptedChain({ a: { method: "lora" } });
  model.addAdapter("fresh", { rank: 2, target: ["first"] });
  const [embed, first] = compare(model, "a", "fresh");
  assert.equal([embed.overlap, embed.angles, embed.norms[1], embed.cosine], [[], [], 0, 0]);
  assert.equal([first.overlap, first.angles, first.norms[1], first.cosine], [[[], []], [], 0, 0]);
});

test("bad input is refused", () => {
  const model = adaptedChain({ a: { method: "lora" } });
  refuses(() => compare(model, "a", "b"), /got "b"/);
  refuses(() => subspaceOverlap(basis(4, 2, 1), basis(3, 2, 1)), /bases \[n, p\] and \[n, q\]/);
});

test.run();
