/** @file VeRA, a method from outside the library, is one of its methods everywhere: the open door. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { matmul, type Parameter } from "lowrank/autograd";
import { random } from "lowrank/core";
import {
  Adapter,
  type AdapterOptions,
  adapterParameter,
  checkLaws,
  countParameters,
  defineMethod,
  inject,
  type LayerInput,
  laws,
  loadAdapter,
  methods,
  readAdapter,
  saveAdapter,
  trial,
  type WeightView,
  writeAdapter,
} from "lowrank/lora";
import { AdamW, GPT2, kaimingUniform } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VeRA, vera } from "./methods/vera.ts";

const test = suite("a method from outside: VeRA");

const config = {
  model_type: "gpt2",
  vocab_size: 11,
  n_positions: 6,
  n_embd: 8,
  n_layer: 2,
  n_head: 2,
  attn_pdrop: 0,
  embd_pdrop: 0,
  resid_pdrop: 0,
} as const;
const gpt2 = () => new GPT2(config, { rng: random(1) });
const ids = { data: Int32Array.of(1, 2, 3, 4), shape: [1, 4] };
const logits = (model: { forward(x: typeof ids): { toArray(): unknown } }) => model.forward(ids).toArray();

test("every law that applies to it holds on random layers", () => {
  const reports = checkLaws(vera, { trials: 20 });
  assert.ok(reports.length >= 13, `${reports.length} laws`);
  assert.ok(reports.some(({ law }) => law === laws.rankAtMostR.name)); // by its own list
  assert.not.ok(reports.some(({ law }) => law === laws.alphaZeroIsBase.name)); // it has no α
  const broken = reports.filter(({ holds }) => !holds);
  assert.equal(
    broken.map(({ law, worst, counterexample }) => ({ law, worst, counterexample })),
    [],
  );
});

test("a law that it breaks is reported with the trial on which it does", () => {
  class Doubled extends VeRA {
    override deltaWeight() {
      return super.deltaWeight().mul(2);
    }
  }
  const broken = checkLaws(defineMethod({ ...vera, name: "doubled", adapter: Doubled }), { trials: 10 });
  const report = broken.find(({ law }) => law === laws.mergedIsAdapted.name);
  assert.is(report?.holds, false);
  const { counterexample } = report ?? {};
  assert.ok(counterexample && !laws.mergedIsAdapted.check(counterexample).holds);
});

test("it learns, and A and B, which all layers share, stay as they were drawn", () => {
  const model = inject(gpt2(), { method: vera, rank: 3, target: ["c_attn", "c_fc"], seed: 2 });
  const parts = [...model.adapter("default").values()] as VeRA[];
  assert.is(new Set(parts.map(({ A }) => A)).size, 1);
  assert.is(new Set(parts.map(({ B }) => B)).size, 1);
  const { A, B } = parts[0];
  assert.equal(A.shape, [3, 8]);
  assert.equal(B.shape, [32, 3]); // c_fc has the most outputs
  const before = [A, B].map((matrix) => matrix.value.data.slice());
  const loss = () => model.model.loss(ids, ids);
  const start = loss().item();
  const trained = model.parameters().filter((parameter) => parameter.requiresGrad);
  const optimizer = new AdamW(trained, { lr: 0.2 });
  for (let step = 0; step < 20; step++) {
    optimizer.zeroGrad();
    loss().backward();
    optimizer.step();
  }
  assert.ok(loss().item() < 0.99 * start, `${loss().item()} of ${start}`);
  for (const [i, matrix] of [A, B].entries()) assert.equal(matrix.value.data, before[i]);
});

test("status and counts know it", () => {
  const spec = { rank: 3, target: ["c_attn", "c_fc"] };
  const model = inject(gpt2(), { method: vera, ...spec });
  const [status] = model.status();
  assert.is(status.method, "vera");
  assert.is(status.layers, 4);
  const { trainable, total } = model.trainableParameters();
  const counted = countParameters(vera, { config, ...spec });
  assert.is(trainable, 2 * (3 + 24 + 3 + 32));
  assert.equal([counted.trainable, counted.total], [trainable, total]);
  assert.is(countParameters("vera", { config, ...spec }).total, total);
});

test("saved, it comes back to the bit, beside other adapters too; unknown methods and wrong tensors are named", () => {
  const folder = mkdtempSync(join(tmpdir(), "vera-"));
  const model = inject(gpt2(), {
    method: vera,
    rank: 2,
    target: ["c_attn"],
    bias: "lora-only",
    initialD: 0.5,
  });
  for (const parameter of model.parameters())
    if (parameter.requiresGrad) parameter.assign(random(5).normal(parameter.size));
  saveAdapter(model, folder);
  const loaded = loadAdapter(gpt2(), folder, { methods: [vera] });
  assert.equal(logits(loaded), logits(model));
  assert.is(loaded.config("default").method, vera);
  const beside = inject(gpt2(), { rank: 1, target: ["c_attn"], name: "lora" });
  loadAdapter(beside, folder, { name: "vera", methods: [vera] });
  beside.activate("vera");
  assert.equal(logits(beside), logits(model));
  assert.equal(writeAdapter(loaded), writeAdapter(model));

  const plain = gpt2();
  assert.throws(() => loadAdapter(plain, folder), /got "vera".*methods: \[method\]/);
  const files = writeAdapter(model);
  const withConfig = (from: string, to: string) => ({ ...files, config: files.config.replace(from, to) });
  assert.throws(
    () => readAdapter(plain, withConfig('"rank": 2', '"rank": 3'), { methods: [vera] }),
    /misshapen: .*\.A \(expected \[3, 8\], got \[2, 8\]\)/,
  );
  assert.throws(
    () => readAdapter(plain, withConfig("c_attn", "c_attm"), { methods: [vera] }),
    /c_attm|missing|unexpected/,
  );
  assert.equal(logits(plain), logits(gpt2())); // nothing was changed
  rmSync(folder, { recursive: true });
});

test("a method with a form in PEFT's files is written in it", () => {
  class Own extends Adapter {
    readonly method = "own";
    A: Parameter;
    B: Parameter;
    constructor(W0: WeightView, options: AdapterOptions) {
      super(options);
      this.A = adapterParameter(kaimingUniform(options.rng, [options.rank, W0.in], W0.in));
      this.B = adapterParameter(kaimingUniform(options.rng, [W0.out, options.rank], W0.out));
    }
    override delta(W0: WeightView, x: LayerInput) {
      return W0.up(W0.down(this.dropped(x), this.A).mul(this.scaling), this.B);
    }
    override deltaWeight() {
      return matmul(this.B, this.A).mul(this.scaling);
    }
  }
  const own = defineMethod({ name: "own", adapter: Own, peft: methods.lora.peft });
  const model = inject(gpt2(), { method: own, rank: 2, target: ["c_attn"], alpha: 4, seed: 1 });
  const files = writeAdapter(model);
  assert.is(JSON.parse(files.config).peft_type, "LORA");
  assert.equal(logits(readAdapter(gpt2(), files)), logits(model));
});

test("bad definitions, options and trials are refused by name", () => {
  assert.throws(() => defineMethod({ name: "My VeRA", adapter: VeRA }), /defineMethod.*lower-case/);
  assert.throws(
    () => inject(gpt2(), { method: vera, rank: 2, target: "c_attn", initalD: 1 } as never),
    /initialD \(there is no option initalD/,
  );
  assert.throws(
    () => inject(gpt2(), { method: vera, rank: 2, target: "c_attn", shared: 1 } as never),
    /there is no option shared/,
  );
  assert.throws(() => inject(gpt2(), { method: "vera" as never, rank: 2, target: "c_attn" }), /defineMethod/);
  for (const model of [null, {}, 3])
    assert.throws(() => inject(model as never, { rank: 1, target: "c_attn" }), /inject: expected a model/);
  for (const bad of [null, 3, { name: "x", adapter: () => {} }, { name: "x", adapter: class {} }])
    assert.throws(() => defineMethod(bad as never), /defineMethod: expected/);
  for (const sites of [[], ["linar"], "linear"])
    assert.throws(() => checkLaws(vera, { sites } as never), /checkLaws: expected sites to be a list among/);
  const files = writeAdapter(inject(gpt2(), { method: vera, rank: 2, target: "c_attn" }));
  for (const methods of [null, [null], vera])
    assert.throws(() => readAdapter(gpt2(), files, { methods } as never), /expected methods to be a list/);
  assert.throws(() => readAdapter(gpt2(), files, { methods: [vera], method: "lora-fa" }), /plain form/);
  for (const [from, to, message] of [
    ['"layers"', '"other": 1, "layers"', /no other fields in the plain form; got other/],
    ['"options": {', '"options": { "target": "wte",', /got target among them/],
  ] as const) {
    const config = files.config.replace(from, to);
    assert.throws(() => readAdapter(gpt2(), { ...files, config }, { methods: [vera] }), message);
  }
  assert.throws(() => checkLaws(vera, { trial: 3 } as never), /trials \(there is no option trial/);
  assert.throws(() => laws.doraNorms.check({ ...trial, method: vera }), /applies to dora; got method "vera"/);
});

test.run();
