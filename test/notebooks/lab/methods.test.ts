/** @file Every method of the lab: it learns, its count is the formula's, and its bytes are those that the formula predicts. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rankOfUpdate } from "../../../notebooks/lab/engine/counts.ts";
import { singularValues } from "../../../notebooks/lab/engine/singular-values.ts";
import { type Engine, methodNames, placeNames } from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, startedEngine, steps } from "./support.ts";

const methods = suite<{ engine: Engine }>("the lab's methods");

methods.before(async (context) => {
  context.engine = await startedEngine();
});

for (const method of methodNames)
  methods(`${method}: the held-out loss falls in 20 steps`, async ({ engine }) => {
    const { id, before, trainable, formula } = given(
      await engine.open(controlsOf(method, { steps: 20, place: "all" })),
    );
    await steps(engine, id, 19);
    const { measured } = given(await engine.step(id));
    assert.ok(
      measured && measured.learned < before.learned - 0.02,
      `${before.learned} → ${measured?.learned}`,
    );
    assert.ok(formula.endsWith(trainable.toLocaleString("en-US")), `${formula}, and ${trainable} train`);
    await engine.close(id);
  });

for (const method of methodNames)
  methods(`${method}: the formula predicts every byte that the meter counts`, async ({ engine }) => {
    for (const place of placeNames) {
      const quantized = method === "loftq" || (place === "attention" && method !== "full");
      const format = quantized ? "nf4" : "float32";
      const { id } = given(
        await engine.open(controlsOf(method, { place, format, doubleQuant: quantized, steps: 1 })),
      );
      const { measured } = given(await engine.step(id));
      assert.equal(measured?.bytes.measured, measured?.bytes.predicted, `${place}, ${format}`);
      await engine.close(id);
    }
  });

for (const method of methodNames)
  methods(`${method}: so many singular values of ΔW leave zero, and no more`, async ({ engine }) => {
    const controls = controlsOf(method, { rank: 3, place: "mlp", steps: 4 });
    const { id } = given(await engine.open(controls));
    await steps(engine, id, 3);
    const { measured } = given(await engine.step(id));
    const most = rankOfUpdate(controls) ?? 32;
    for (const values of measured!.spectra) {
      assert.is(values.length, 32);
      // AdaLoRA has pruned some by now.
      const least = method === "adalora" ? 1 : most;
      assert.ok(most === 0 || values[least - 1] > 0, String(values));
      assert.ok(
        values.slice(most).every((value) => value === 0),
        String(values),
      );
    }
    await engine.close(id);
  });

for (const method of ["pissa", "olora"] as const)
  methods(
    `${method}: ΔW = B A − B₀ A₀ has at most 2 r, and they are those of the whole matrix`,
    async ({ engine }) => {
      const { id, before, matrices } = given(await engine.open(controlsOf(method, { rank: 3, steps: 10 })));
      assert.ok(before.spectra.flat().every((value) => value < 1e-6));
      await steps(engine, id, 9);
      const { measured } = given(await engine.step(id));
      for (const [i, values] of (measured?.spectra ?? []).entries()) {
        assert.ok(values[3] > 0 && values.slice(6).every((value) => value === 0));
        const { delta, W0 } = given(await engine.look(id, matrices[i].name));
        const whole = singularValues(delta.values, delta.rows, delta.columns);
        // The residual W0 − s B₀ A₀ and its sum with s B A are rounded, each entry by 2⁻²⁴ of the largest twice.
        const largest = W0.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const error = 4 * 2 ** -24 * largest * Math.sqrt(delta.values.length);
        for (const [k, value] of values.entries())
          assert.ok(Math.abs(value - whole[k]) <= error, `${matrices[i].title}: ${value}, not ${whole[k]}`);
      }
      await engine.close(id);
    },
  );

methods("adalora: the ranks add up to the budget once it has fallen", async ({ engine }) => {
  const { id, matrices } = given(await engine.open(controlsOf("adalora", { rank: 2, steps: 10 })));
  const all = await steps(engine, id, 10);
  const last = all[9].budget;
  assert.is(all[0].budget?.total, 3 * matrices.length);
  assert.is(last?.total, 2 * matrices.length);
  assert.ok((last?.ranks.reduce((sum, rank) => sum + rank, 0) ?? 0) <= 2 * matrices.length);
});

methods.run();
