/** @file quantizeModel, dequantizeModel and requantizationError on whole models. */

import { tensor } from "lowrank/autograd";
import { QuantizationError, random } from "lowrank/core";
import { inject } from "lowrank/lora";
import { Embedding, GPT2, Linear, Llama, Module } from "lowrank/nn";
import {
  bytesOf,
  dequantizeModel,
  type Format,
  formats,
  QuantizedLinear,
  quantizationError,
  quantizedLayers,
  quantizeModel,
  requantizationError,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("quantizeModel");

const gpt2 = (seed = 1): GPT2 =>
  new GPT2(
    { model_type: "gpt2", n_layer: 2, n_embd: 64, n_head: 4, vocab_size: 50, n_positions: 16 },
    {
      rng: random(seed),
    },
  );
const llama = (): Llama =>
  new Llama(
    {
      model_type: "llama",
      hidden_size: 64,
      intermediate_size: 96,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      vocab_size: 40,
      max_position_embeddings: 16,
    },
    { rng: random(2) },
  );
const ids = [[1, 2, 3, 4, 5, 6, 7, 8]];

const refuses = (what: () => unknown, message: RegExp) =>
  assert.throws(
    what,
    (error: Error) => error instanceof QuantizationError && message.test(error.message),
    String(message),
  );

test("GPT-2's linear layers are quantized; embeddings and the tied head stay", () => {
  const model = gpt2();
  const report = quantizeModel(model, { doubleQuant: true });
  const names = [...quantizedLayers(model)].map(([name]) => name);
  assert.equal(
    names,
    [0, 1].flatMap((i) =>
      ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"].map((name) => `transformer.h.${i}.${name}`),
    ),
  );
  assert.equal(
    report.layers.map(({ name }) => name),
    names,
  );
  assert.instance(model.lm_head, Linear);
  assert.is((model.lm_head as Linear).weight, model.transformer.wte.weight);
  assert.equal(report.skipped, [{ name: "lm_head", reason: "skip" }]);
  assert.match(
    model.toString(),
    /c_attn: QuantizedLinear\(64 → 192, nf4 in blocks of 64, double quantization, 4\.\d+ bits/,
  );
});

test("the report's bytes are those of the arrays: dense weights before, codes and absmax after", () => {
  for (const format of formats) {
    const model = gpt2();
    const before = bytesOf(model);
    const report = quantizeModel(model, { format });
    const saved = report.layers.reduce((sum, layer) => sum + layer.bytesBefore - layer.bytes, 0);
    assert.is(report.bytesBefore, before);
    assert.is(report.bytes, before - saved);
    assert.is(bytesOf(model), report.bytes);
    for (const [name, { packed }] of quantizedLayers(model)) {
      const layer = report.layers.find((each) => each.name === name);
      assert.is(layer?.bytes, packed.bytes);
      assert.is(layer?.bytesBefore, packed.size * 4);
      assert.ok((layer?.error.sqnr ?? 0) > 15, `${format} ${layer?.error.sqnr}`);
    }
  }
});

test("the quantized model computes what its dequantized copy computes, Conv1D and Linear alike", () => {
  for (const make of [gpt2, llama]) {
    const model = make().eval();
    const original = model.forward(ids).toArray();
    quantizeModel(model, { doubleQuant: true });
    const copy = dequantizeModel(model);
    assert.is([...quantizedLayers(copy)].length, 0);
    const y = model.forward(ids).toArray();
    // Layouts differ, and with them the order of sums: float32 rounding of values around 1.
    assert.ok(
      copy
        .forward(ids)
        .toArray()
        .every((value, i) => Math.abs(value - y[i]) < 1e-4),
    );
    const changed = y.reduce((worst, value, i) => Math.max(worst, Math.abs(value - original[i])), 0);
    assert.ok(changed > 1e-4 && changed < 2, `${changed}`);
    // In memory of its own.
    copy.parameters()[0].assign(new Float32Array(copy.parameters()[0].size));
    assert.equal(model.forward(ids).toArray(), y);
  }
});

test("a layer shared by two modules stays one layer, quantized and dequantized", () => {
  class Twice extends Module {
    first = new Linear(8, 8, { rng: random(3) });
    second: Linear;
    constructor() {
      super();
      this.second = this.first;
    }
  }
  const model = new Twice();
  const report = quantizeModel(model);
  assert.is(report.layers.length, 1);
  assert.instance(model.first, QuantizedLinear);
  assert.is(model.first, model.second);
  const dense = dequantizeModel(model);
  assert.is(dense.first, dense.second);
});

test("skip takes names, their last parts and patterns; tied layers stay dense without it", () => {
  const quantizedNames = (skip?: (string | RegExp)[]): string[] => {
    const model = gpt2();
    quantizeModel(model, { skip });
    return [...quantizedLayers(model)].map(([name]) => name);
  };
  assert.is(quantizedNames(["transformer.h.0"]).length, 4);
  assert.is(quantizedNames(["mlp.c_proj"]).length, 6);
  assert.is(quantizedNames([/h\.1\.attn$/]).length, 6);
  assert.is(quantizedNames([]).length, 8); // the head is tied, and so not among them
  refuses(() => quantizedNames(["mlp.c_porj"]), /expected names of modules in skip; none is mlp\.c_porj/);
});

test("quantizeModel refuses what cannot be quantized, names the layer and leaves the model unchanged", () => {
  const model = gpt2();
  const layer = model.transformer.h[1].mlp.c_proj as unknown as Linear;
  const before = model.toString();
  const values = layer.weight.toArray();
  layer.weight.assign(values.map((value, i) => (i === 7 ? Number.NaN : value)));
  refuses(
    () => quantizeModel(model),
    /transformer\.h\.1\.mlp\.c_proj \[\d+, \d+\]: quantize: .*NaN at element/,
  );
  assert.is(model.toString(), before);
  layer.weight.assign(values);
  refuses(
    () => quantizeModel(model, { format: "nf3" as Format }),
    /h\.0\.attn\.c_attn \[\d+, \d+\]: quantize: expected format/,
  );
  assert.is(model.toString(), before);

  quantizeModel(model);
  refuses(() => quantizeModel(model), /h\.0\.attn\.c_attn is quantized to nf4 already/);
  refuses(
    () => quantizeModel(new Linear(4, 4)),
    /expected a model with linear layers in it; got a single layer/,
  );
  refuses(() => quantizeModel(new Embedding(4, 4)), /got none/);
  const adapted = gpt2();
  inject(adapted, { method: "lora", rank: 2, target: "c_attn" });
  refuses(() => quantizeModel(adapted), /c_attn is a AdaptedLinear, which wraps a linear layer/);
});

test("merging is exact into a dense copy, and into the quantized base has the error that is reported", () => {
  const model = gpt2();
  quantizeModel(model, { doubleQuant: true });
  const adapted = inject(model, { method: "lora", rank: 4, target: "c_attn" });
  for (const [i, parameter] of adapted
    .parameters()
    .filter((p) => p.requiresGrad)
    .entries())
    parameter.assign(
      random(i)
        .normal(parameter.size)
        .map((value) => value * 0.1),
    );
  adapted.eval();
  const y = adapted.forward(ids).toArray();

  const exact = dequantizeModel(adapted.model);
  assert.is([...quantizedLayers(exact)].length, 0);
  // float32 rounding of sums in another order.
  assert.ok(
    exact
      .forward(ids)
      .toArray()
      .every((value, i) => Math.abs(value - y[i]) < 1e-3),
  );

  const merged = adapted.toPlain();
  const errors = requantizationError(exact, merged);
  assert.equal([...errors.keys()].length, 8);
  for (const [name, error] of errors) {
    const { packed } = merged.getModule(name) as QuantizedLinear;
    if (name.endsWith("c_attn")) {
      assert.ok(error.relative > 0.01 && error.relative < 0.2, `${name} ${error.relative}`);
      const W = (exact.getModule(name) as Linear).denseWeight();
      assert.equal(error, quantizationError(tensor(W.toArray(), W.shape), packed));
    } else assert.is(error.relative, 0); // no adapter there: the very codes
  }
  refuses(() => requantizationError(new Embedding(2, 2), merged), /expected a linear layer transformer/);
});

test.run();
