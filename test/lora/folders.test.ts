/** @file Adapters' folders combined, converted and compared without their base: the same ΔW as on the model. */

import * as fc from "fast-check";
import {
  LowrankError,
  listFolder,
  loadSafetensors,
  makeTemporaryFolder,
  parseJsonObject,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  setDevice,
  tensorBytes,
  withPrecision,
  writeFileAtomic,
} from "lowrank/core";
import {
  type AdaLoRA,
  combineAdapters,
  compare,
  convertAdapter,
  diffAdapters,
  inject,
  loadAdapter,
  saveAdapter,
} from "lowrank/lora";
import { GPT2, loadPretrained, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("adapters' folders");
const root = makeTemporaryFolder("lowrank-folders-");
let made = 0;
const fresh = (): string => `${root}/${made++}`;

const base = fresh();
const sizes = { n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2, vocab_size: 11, initializer_range: 0.5 };
savePretrained(new GPT2({ model_type: "gpt2", ...sizes }, { rng: random(1) }), base);

/** An adapter of random numbers in a folder. */
function newAdapter(config: object, seed: number): string {
  const adapted = inject(loadPretrained(base) as GPT2, config as never);
  let next = 1000 * seed;
  for (const part of adapted.adapter("default").values()) {
    for (const parameter of part.parameters())
      parameter.assign(Float32Array.from(random(next++).normal(parameter.size, 0, 0.3)));
    if (part.method === "adalora") {
      const { lambda } = part as AdaLoRA;
      lambda.assign(
        lambda.value.data.map((x: number, i: number) => (part.rank > 1 && i === seed % part.rank ? 0 : x)),
      );
    }
  }
  const folder = fresh();
  saveAdapter(adapted as never, folder);
  return folder;
}

type Deltas = Map<string, Float64Array>;

/** ΔW of every layer in double precision; from the model, which reads the folder as always. */
const deltasOf = (folder: string): Deltas => {
  const adapted = loadAdapter(loadPretrained(base) as GPT2, folder);
  return withPrecision(
    "float64",
    () =>
      new Map(
        Array.from(adapted.layers, ([name, layer]) => [
          name,
          Float64Array.from(layer.delta("default").value.data),
        ]),
      ),
  );
};

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => norm(Array.from(a, (x, i) => x - b[i]));

const adapter = fc.record({
  method: fc.constantFrom("lora", "lora-fa", "adalora"),
  target: fc.constantFrom(["c_attn"], ["c_attn", "mlp.c_proj"], ["c_fc"]),
  rank: fc.integer({ min: 1, max: 4 }),
  alpha: fc.constantFrom(1, 6),
});
const configOf = ({ method, ...rest }: { method: string }) => ({
  method,
  ...rest,
  ...(method === "adalora" && { ranknum: true }),
});

/** Factors are written in float32: √S Vᵀ and U √S are off by 2⁻²⁴ each, their product by a few of that. */
const slack = 2 ** -20;

test("a combination is Σ w ΔW, by every rule that is exact; svd is as near as its rank allows, and tells how near", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ adapter, weight: fc.integer({ min: -16, max: 16 }).map((n) => n / 8) }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.constantFrom("linear", "cat", "svd"),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(1e4),
      (parts, by, rank, seed) => {
        const adapters = parts.map(({ adapter, weight }, i) => ({
          folder: newAdapter(configOf(adapter), seed + i),
          weight,
        }));
        const out = fresh();
        const report = combineAdapters({ adapters, out, by, ...(by === "svd" && { rank }) });
        const sources = adapters.map(({ folder, weight }) => ({ deltas: deltasOf(folder), weight }));
        const found = deltasOf(out);
        const names = new Set(sources.flatMap(({ deltas }) => [...deltas.keys()]));
        assert.equal(new Set(found.keys()), names);
        for (const name of names) {
          const here = sources.filter(({ deltas }) => deltas.has(name));
          const size = here[0].deltas.get(name)!.length;
          const expected = Float64Array.from({ length: size }, (_, i) =>
            here.reduce((sum, { deltas, weight }) => sum + weight * deltas.get(name)![i], 0),
          );
          const { kept, rank: r } = report.layers.find(({ layer }) => layer === name)!;
          const terms = here.reduce(
            (sum, { deltas, weight }) => sum + Math.abs(weight) * norm(deltas.get(name)!),
            0,
          );
          const error = apart(found.get(name)!, expected);
          if (by !== "svd") assert.ok(error <= slack * terms, `${name}: ${error}`);
          else {
            assert.ok(r <= rank);
            const told = Math.sqrt(Math.max(0, 1 - kept)) * norm(expected);
            assert.ok(
              Math.abs(error - told) <= 2 ** -18 * terms + 1e-7 * terms,
              `${name}: ${error}, told ${told}`,
            );
          }
        }
      },
    ),
    { numRuns: 20 },
  );
});

test("converting keeps ΔW, or the part that is asked for; DoRA and what is beside ΔW with the base and without", () => {
  fc.assert(
    fc.property(
      adapter,
      fc.option(fc.double({ min: 0.05, max: 1, noNaN: true }), { nil: undefined }),
      fc.nat(1e4),
      (given, energy, seed) => {
        const folder = newAdapter({ ...configOf(given), modulesToSave: ["ln_f"], bias: "lora-only" }, seed);
        const out = fresh();
        const report = convertAdapter({ adapter: folder, out, ...(energy !== undefined && { energy }) });
        const [before, after] = [deltasOf(folder), deltasOf(out)];
        assert.equal([...after.keys()], [...before.keys()]);
        for (const { layer, kept } of report.layers) {
          const whole = norm(before.get(layer)!);
          const error = apart(before.get(layer)!, after.get(layer)!);
          if (energy === undefined) assert.ok(error <= slack * whole);
          else assert.ok(kept >= energy - 1e-12 && error <= Math.sqrt(1 - kept) * whole + 1e-6 * whole);
        }
        const own = (path: string) =>
          loadAdapter(loadPretrained(base) as GPT2, path)
            .ownParameters("default")
            .map(({ name, copy }) => [name, [...copy.value.data]]);
        assert.equal(own(out), own(folder));
      },
    ),
    { numRuns: 15 },
  );
  const dora = newAdapter({ method: "dora", rank: 2, target: ["c_fc"] }, 7);
  const out = fresh();
  const { layers } = convertAdapter({ adapter: dora, base, out });
  assert.is(parseJsonObject(out, readFile(`${out}/adapter_config.json`)).use_dora, false);
  for (const [name, delta] of deltasOf(dora))
    assert.ok(apart(delta, deltasOf(out).get(name)!) <= 1e-5 * norm(delta));
  assert.ok(layers[0].rank > 2, "DoRA's ΔW has more ranks than its factors");
});

test("a comparison is compare's, layer by layer, and 0 of an adapter with itself", () => {
  fc.assert(
    fc.property(adapter, adapter, fc.nat(1e4), (one, two, seed) => {
      const [first, second] = [newAdapter(configOf(one), seed), newAdapter(configOf(two), seed + 1)];
      const { layers, total } = diffAdapters(first, second);
      const model = loadAdapter(loadPretrained(base) as GPT2, first, { name: "first" });
      loadAdapter(model, second, { name: "second" });
      const expected = new Map(compare(model, "first", "second").map((row) => [row.layer, row]));
      const outputs = new Map(
        compare(model, "first", "second", { side: "output" }).map((row) => [row.layer, row.overlap]),
      );
      assert.is(layers.length, expected.size);
      const near = (a: number, b: number, of: number): void =>
        assert.ok(Math.abs(a - b) <= 1e-9 * of + 1e-12, `${a}, expected ${b}`);
      for (const { layer, norms, distance, cosine, inputOverlap, outputOverlap } of layers) {
        const row = expected.get(layer)!;
        const scale = row.norms[0] + row.norms[1];
        for (const [i, value] of norms.entries()) near(value, row.norms[i], scale);
        near(distance, row.distance, scale);
        near(cosine, row.cosine, 1);
        near(inputOverlap ?? -1, row.overlap.at(-1)?.at(-1) ?? -1, 1);
        near(outputOverlap ?? -1, outputs.get(layer)!.at(-1)?.at(-1) ?? -1, 1);
      }
      near(
        total.distance ** 2,
        total.norms[0] ** 2 + total.norms[1] ** 2 - 2 * total.cosine * total.norms[0] * total.norms[1],
        total.norms[0] ** 2 + total.norms[1] ** 2,
      );
      const same = diffAdapters(first, first).total;
      assert.ok(same.relative < 1e-7 && same.cosine > 1 - 1e-9);
      const onModel = diffAdapters(first, second, { base });
      near(onModel.total.distance, total.distance, total.norms[0] + total.norms[1]);
    }),
    { numRuns: 15 },
  );
});

test("the new folder keeps the configuration's placement where it can, and names its layers where not", () => {
  const [one, two] = [
    newAdapter({ rank: 2, target: ["c_attn"] }, 1),
    newAdapter({ rank: 2, target: ["c_fc"] }, 2),
  ];
  const targets = (adapters: string[]): unknown => {
    const out = fresh();
    combineAdapters({ adapters: adapters.map((folder) => ({ folder })), out });
    return parseJsonObject(out, readFile(`${out}/adapter_config.json`)).target_modules;
  };
  assert.equal(targets([one, one]), ["c_attn"]);
  assert.equal(targets([one, two]), ["transformer.h.0.attn.c_attn", "transformer.h.0.mlp.c_fc"]);
});

test("what cannot be done is refused in a sentence, and nothing is written", () => {
  const lora = newAdapter({ rank: 2, target: ["c_attn"] }, 3);
  const dora = newAdapter({ method: "dora", rank: 2, target: ["c_attn"] }, 4);
  const saving = newAdapter({ rank: 2, target: ["c_attn"], modulesToSave: ["ln_f"] }, 5);
  const changed = (change: (tensors: Map<string, ReturnType<typeof tensorBytes>>) => void): string => {
    const folder = fresh();
    const { tensors } = loadSafetensors(`${lora}/adapter_model.safetensors`);
    const own = new Map(
      Array.from(tensors, ([name, { dtype, shape, bytes }]) => [name, { dtype, shape, bytes }]),
    );
    change(own as never);
    saveAdapter(loadAdapter(loadPretrained(base) as GPT2, lora) as never, folder);
    saveSafetensors(`${folder}/adapter_model.safetensors`, own);
    return folder;
  };
  const keys = [...loadSafetensors(`${lora}/adapter_model.safetensors`).tensors.keys()];
  const A = keys.find((key) => key.includes("lora_A"))!;
  const B = keys.find((key) => key.includes("lora_B"))!;
  const nan = changed((own) => own.set(A, tensorBytes("F32", [2, 8], new Float32Array(16).fill(Number.NaN))));
  const wide = changed((own) => own.set(A, tensorBytes("F32", [2, 9], new Float32Array(18).fill(1))));
  const half = changed((own) => own.delete(B));
  const odd = changed((own) => own.set(A, tensorBytes("F32", [3, 8], new Float32Array(24).fill(1))));
  const broken = changed(() => {});
  writeFileAtomic(`${broken}/adapter_config.json`, new TextEncoder().encode('{"peft_type": "LORA", "r": 0}'));
  const out = fresh();
  const of = (...folders: string[]) => folders.map((folder) => ({ folder }));
  const refusals: readonly (readonly [() => unknown, RegExp])[] = [
    [() => combineAdapters({ adapters: [], out }), /adapters to be a list/],
    [() => combineAdapters({ adapters: of(lora, dora), out }), /DoRA, whose ΔW depends.*--base/],
    [
      () => combineAdapters({ adapters: of(saving), out }),
      /brings its own transformer\.ln_f\.\w+, which has no combination/,
    ],
    [() => combineAdapters({ adapters: of(saving), out, base }), /brings its own transformer\.ln_f\.\w+/],
    [
      () => combineAdapters({ adapters: of(lora, wide), out }),
      /for different bases: .*c_attn is \[24, 8\] and \[24, 9\]/,
    ],
    [() => combineAdapters({ adapters: of(lora), out, by: "svd" }), /expected a rank or an energy/],
    [
      () => combineAdapters({ adapters: of(lora), out, by: "cat", rank: 2 }),
      /exact: expected no rank or energy/,
    ],
    [() => combineAdapters({ adapters: of(lora), out, by: "ties" as never }), /linear, cat or svd/],
    [() => combineAdapters({ adapters: [{ folder: lora, weight: Infinity }], out }), /a finite weight/],
    [
      () => combineAdapters({ adapters: of(lora), out: lora, overwrite: true }),
      /is the folder of the adapter/,
    ],
    [() => convertAdapter({ adapter: lora, out, rank: 0 }), /rank: expected a positive integer/],
    [() => convertAdapter({ adapter: lora, out, rank: 1, energy: 0.5 }), /expected rank or energy; got both/],
    [() => convertAdapter({ adapter: lora, out, energy: 1.5 }), /energy: expected a part/],
    [() => convertAdapter({ adapter: nan, out }), /A holds NaN; expected finite/],
    [
      () => convertAdapter({ adapter: half, out }),
      /expected lora_A \[r, in\] and lora_B \[out, r\] that fit/,
    ],
    [() => convertAdapter({ adapter: odd, out }), /that fit together/],
    [() => convertAdapter({ adapter: broken, out }), /r: expected a positive integer; got 0/],
    [() => convertAdapter({ adapter: base, out }), /no adapter_config\.json/],
    [() => convertAdapter({ adapter: lora, out: base }), /expected a new or empty folder/],
    [() => convertAdapter({ adapter: lora, out, svd_rank: 2 } as never), /rank/],
    [() => diffAdapters(lora, dora), /DoRA, whose ΔW/],
    [() => diffAdapters(lora, wide), /for different bases/],
    [() => diffAdapters(lora, out), /no such folder/],
  ];
  const before = listFolder(root);
  for (const [run, message] of refusals) {
    assert.throws(run, (error: Error) => {
      assert.ok(error instanceof LowrankError, String(error.stack));
      assert.match(error.message, message);
      return true;
    });
    assert.equal(listFolder(root), before);
  }
});

test.after(() => removeFile(root));
test.run();
