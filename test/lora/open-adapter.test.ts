/**
 * @file Adapters opened without their model: names, ranks, factors, norms and singular values are those of the same adapter
 * on a model, for every method and kind of layer.
 */

import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import {
  CheckpointError,
  frobeniusNorm,
  listFolder,
  makeTemporaryFolder,
  random,
  removeFile,
  svd,
  withPrecision,
} from "lowrank/core";
import {
  type AdaptedModel,
  type AdapterConfig,
  inject,
  type LoRA,
  loadAdapter,
  measureUpdate,
  openAdapter,
  saveAdapter,
} from "lowrank/lora";
import { Conv1D, Conv1d, Conv2d, Embedding, Linear, loadPretrained, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomize } from "./support/models.ts";

const test = suite("open adapters");

class Zoo extends Module {
  embed = new Embedding(7, 4, { rng: random(1) });
  fc = new Linear(4, 6, { rng: random(2) });
  proj = new Conv1D(6, 5, { rng: random(3), std: 1 });
  sound = new Conv1d(2, 4, 3, { rng: random(6) });
  image = new Conv2d(2, 3, [2, 3], { rng: random(7) });

  forward(): never {
    throw new Error("a zoo is for looking");
  }
}

/** Compares what the folder says with the adapter on the model. */
function compare(adapted: AdaptedModel, folder: string): void {
  const opened = openAdapter(folder);
  const parts = adapted.adapter("default");
  assert.equal(opened.layers.map(({ name }) => name).sort(), [...parts.keys()].sort());
  for (const layer of opened.layers) {
    const part = parts.get(layer.name)!;
    const measured = measureUpdate(layer)!;
    const delta = withPrecision("float64", () =>
      noGrad(() => {
        const { A, B } = part.factors()!;
        return B.matmul(A).value;
      }),
    );
    const [out, columns] = delta.shape;
    assert.equal(layer.shape, [out, columns], layer.name);
    const norm = frobeniusNorm(delta.data);
    const { S } = svd(delta.data, out, columns);
    const far = 1e-6 * Math.max(norm, 1e-30); // scaling and Λ are float32 on the model
    assert.ok(Math.abs(measured.norm - norm) <= far, `${layer.name}: ${measured.norm} ${norm}`);
    for (let i = 0; i < S.length; i++)
      assert.ok(Math.abs((measured.singularValues[i] ?? 0) - S[i]) <= far, `${layer.name} σ${i}`);
    assert.ok(measured.effectiveRank <= measured.singularValues.length + 1e-9);
    assert.ok(norm === 0 || measured.effectiveRank >= 1 - 1e-9);
  }
}

test("every method on every kind of layer: norms and singular values are those of ΔW on the model", () => {
  const linear = ["fc", "proj"];
  const all = ["embed", "sound", "image", ...linear];
  const methods = fc.constantFrom<[AdapterConfig["method"], string[]]>(
    ["lora", all],
    ["lora-fa", linear],
    ["adalora", linear],
  );
  fc.assert(
    fc.property(
      methods,
      fc.integer({ min: 1, max: 3 }),
      fc.double({ min: 0.5, max: 30, noNaN: true }),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 0, max: 1000 }),
      ([method, target], rank, alpha, stabilized, patterns, seed) => {
        const plain = method === "lora" || method === "lora-fa";
        const adapted = inject(new Zoo(), {
          method,
          rank,
          alpha,
          target,
          ...(plain ? { rankStabilized: stabilized } : { ranknum: true }),
          ...(patterns && plain && { rankPattern: { fc: 2 }, alphaPattern: { proj: 5 } }),
          seed,
        } as AdapterConfig);
        randomize(adapted as AdaptedModel, "default", seed);
        const folder = makeTemporaryFolder("lowrank-open-");
        try {
          saveAdapter(adapted, folder);
          compare(adapted, folder);
        } finally {
          removeFile(folder);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("an adapter whose B is zero has norm 0 and no rank", () => {
  const folder = makeTemporaryFolder("lowrank-open-");
  try {
    saveAdapter(inject(new Zoo(), { method: "lora", rank: 2, target: ["fc"] }), folder);
    const { norm, numericalRank, effectiveRank, normB } = measureUpdate(openAdapter(folder).layers[0])!;
    assert.equal([norm, numericalRank, effectiveRank, normB], [0, 0, 0, 0]);
  } finally {
    removeFile(folder);
  }
});

test("r equal singular values have effective rank r", () => {
  const folder = makeTemporaryFolder("lowrank-open-");
  try {
    const adapted = inject(new Zoo(), { method: "lora", rank: 3, target: ["fc"] });
    const part = adapted.adapter("default").get("fc") as LoRA;
    const unit = (rows: number, columns: number): Float32Array =>
      Float32Array.from({ length: rows * columns }, (_, i) =>
        Math.floor(i / columns) === i % columns ? 1 : 0,
      );
    part.A.assign(unit(3, 4));
    part.B.assign(unit(6, 3));
    saveAdapter(adapted, folder);
    const { effectiveRank, numericalRank, singularValues } = measureUpdate(openAdapter(folder).layers[0])!;
    assert.ok(Math.abs(effectiveRank - 3) < 1e-12);
    assert.is(numericalRank, 3);
    assert.equal(
      singularValues.map((s) => s.toFixed(12)),
      Array(3).fill(adapted.adapter("default").get("fc")!.scaling.toFixed(12)),
    );
  } finally {
    removeFile(folder);
  }
});

test("a folder that is no adapter is refused by what it holds", () => {
  const folder = makeTemporaryFolder("lowrank-open-");
  try {
    assert.throws(
      () => openAdapter(folder),
      (e: Error) => e instanceof CheckpointError && /no adapter_config.json/.test(e.message),
    );
    assert.throws(() => openAdapter(`${folder}/nowhere`), /no such folder/);
  } finally {
    removeFile(folder);
  }
});

const shared = "../shared/interop";
let here = true;
try {
  listFolder(shared);
} catch {
  here = false;
}
if (!here) {
  console.log(`skipped: adapters of PEFT: ${shared} is not there`);
  test.skip("adapters of PEFT");
} else {
  test("adapters of PEFT have the ΔW here that they have on their model", () => {
    for (const [adapter, base] of [
      ["l-resized", "llama"],
      ["g-save-both", "gpt2"],
      ["lowrank-llama-adalora", "llama"],
    ]) {
      const folder = `${shared}/adapters/${adapter}`;
      compare(loadAdapter(loadPretrained(`${shared}/base/${base}`), folder) as never, folder);
    }
  });
}

test.run();
