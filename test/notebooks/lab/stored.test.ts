/** @file The stored run is what the engine computes, and comes back from its file; its export is complete. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { firstControls } from "../../../notebooks/lab/engine/controls.ts";
import { createEngine } from "../../../notebooks/lab/engine/engine.ts";
import { exportRuns } from "../../../notebooks/lab/engine/export.ts";
import { snippetOf } from "../../../notebooks/lab/engine/snippet.ts";
import type { Grid, Measured } from "../../../notebooks/lab/engine/types.ts";
import { type PackedRun, packRun, unpackRun } from "../../../notebooks/lab/stored/codec.ts";
import { recordRun } from "../../../notebooks/lab/stored/record.ts";
import { baseFiles, labTexts } from "../../../notebooks/lab/texts/files.ts";
import { given } from "./support.ts";

const stored = suite("the stored run");

const text = readFileSync(new URL("../../../notebooks/lab/stored/run.json", import.meta.url), "utf8");
const read = () => unpackRun(JSON.parse(text) as PackedRun);

stored("it is small, of the first controls, and complete", () => {
  assert.ok(text.length <= 150_000, `${text.length} characters`);
  const run = read();
  assert.equal(run.opened.controls, firstControls);
  assert.is(run.steps.length, firstControls.steps);
  assert.is(run.measured.at(-1)?.step, firstControls.steps);
  assert.ok(run.measured.at(-1)!.learned < run.opened.before.learned - 0.2);
  assert.is(run.measured[0].spectra.length, run.opened.matrices.length);
  const [start, one] = run.looked;
  assert.ok(start.delta.values.every((value) => value === 0));
  assert.ok(one.gradA?.values.every((value) => value === 0) && one.B?.values.some((value) => value !== 0));
});

stored("the engine takes its first 20 steps again: every loss bit for bit, and the same texts", async () => {
  const engine = createEngine();
  given(await engine.start(baseFiles(), labTexts(), "cpu"));
  const [there, again] = [read(), await recordRun(engine, 20)];
  assert.equal(
    again.steps.map(({ loss }) => loss),
    there.steps.slice(0, 20).map(({ loss }) => loss),
  );
  const told = ({ step, learned, own, writes, bytes }: Measured) => ({ step, learned, own, writes, bytes });
  assert.equal(
    [again.opened.before, ...again.measured].map(told),
    [there.opened.before, ...there.measured.slice(0, 3)].map(told),
  );
  const file = unpackRun(JSON.parse(packRun(again)) as PackedRun);
  assert.equal(file.looked, there.looked.slice(0, 4), "the matrices, in as many bits as the file keeps");
  for (const [i, { A, B, delta }] of file.looked.entries()) {
    const exact = again.looked[i];
    const [a, b] = [largest(exact.A), largest(exact.B)];
    // 8 bits: half of a step of 1/127 of the largest, which is itself kept in five digits.
    within(A, exact.A, a * ERROR, "A");
    within(B, exact.B, b * ERROR, "B");
    // Each of the r products of (α/r) B A is off by both factors' errors, and by their product.
    within(delta, exact.delta, firstControls.alpha * a * b * (2 * ERROR + ERROR ** 2), "ΔW");
  }
});

/** Of a stored matrix, as a share of its largest number. */
const ERROR = 1 / 254 + 5e-5;

const largest = (grid: Grid | null): number =>
  grid!.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Whether two matrices differ by no more than that, and by float32's rounding. */
function within(got: Grid | null, expected: Grid | null, most: number, what: string): void {
  const allowed = most + 1e-6 * largest(expected);
  for (const [i, value] of expected!.values.entries())
    assert.ok(Math.abs(got!.values[i] - value) <= allowed, `${what}, number ${i}`);
}

stored("it exports as JSON with every step and its program", () => {
  const run = read();
  const { runs } = JSON.parse(exportRuns([run]));
  assert.equal(runs[0].steps, run.steps);
  assert.equal(runs[0].measured, [run.opened.before, ...run.measured]);
  assert.equal(runs[0].controls, firstControls);
  assert.is(runs[0].program, snippetOf(firstControls, firstControls.steps));
});

stored.run();
