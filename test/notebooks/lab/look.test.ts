/** @file What the lab shows of one matrix: B wakes up from zero, A does not move yet; ΔW is what the adapter says. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Engine, Grid, Looked } from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, refusal, startedEngine, steps } from "./support.ts";

const looks = suite<{ engine: Engine }>("the lab's matrices");
looks.before(async (context) => {
  context.engine = await startedEngine();
});

const Q = "model.layers.0.self_attn.q_proj";
const isZero = (grid: Grid | null): boolean => grid?.values.every((value) => value === 0) ?? false;

looks(
  "the first step moves B and leaves A, whose gradient is zero; the second moves A",
  async ({ engine }) => {
    const { id } = given(await engine.open(controlsOf("lora")));
    const look = async (): Promise<Looked> => given(await engine.look(id, Q));
    const start = await look();
    assert.ok(isZero(start.B) && isZero(start.delta) && start.gradA === null);
    await steps(engine, id, 1);
    const one = await look();
    assert.ok(isZero(one.gradA) && !isZero(one.gradB) && !isZero(one.B) && !isZero(one.delta));
    assert.equal(one.A?.values, start.A?.values);
    await steps(engine, id, 1);
    const two = await look();
    assert.not(isZero(two.gradA));
    assert.not.equal(two.A?.values, start.A?.values);
    assert.equal(two.W0.values, start.W0.values);
  },
);

looks("a picture is a copy: later steps do not change it", async ({ engine }) => {
  const { id } = given(await engine.open(controlsOf("lora")));
  const { A } = given(await engine.look(id, Q));
  const before = A?.values.slice();
  await steps(engine, id, 2);
  assert.equal(A?.values, before);
});

looks("DoRA starts with the norms of W0's rows as its magnitude", async ({ engine }) => {
  const { id } = given(await engine.open(controlsOf("dora")));
  const { magnitude } = given(await engine.look(id, Q));
  assert.ok(magnitude?.m.every((value, i) => Math.abs(value / magnitude.norms[i] - 1) < 1e-5));
});

looks("a quantized base shows its 16 values, and a histogram of all of W0", async ({ engine }) => {
  const { id } = given(await engine.open(controlsOf("lora", { format: "nf4" })));
  const { quantized, stored, W0 } = given(await engine.look(id, Q));
  assert.is(quantized?.values.length, 16);
  assert.is(
    quantized?.histogram.reduce((sum, count) => sum + count, 0),
    W0.values.length,
  );
  assert.ok(stored?.values.some((value, i) => value !== W0.values[i]));
});

looks("a matrix that the run has not is refused by name", async ({ engine }) => {
  const { id } = given(await engine.open(controlsOf("lora", { place: "mlp" })));
  assert.match(
    refusal(await engine.look(id, Q)),
    /^Matrix: expected one of this run's; got "model\.layers\.0/,
  );
});

looks.run();
