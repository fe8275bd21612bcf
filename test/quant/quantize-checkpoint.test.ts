/** @file quantizeCheckpoint: the codes of quantizeModel, written part by part; folders of it load as quantized models. */

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
  setDevice,
  writeFileAtomic,
} from "lowrank/core";
import { Bert, GPT2, Llama, loadPretrained, type PretrainedModel, savePretrained } from "lowrank/nn";
import {
  loadQuantizedModel,
  quantizationError,
  quantizeCheckpoint,
  quantizedLayers,
  quantizeModel,
} from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("quantizing checkpoints");
const root = makeTemporaryFolder("lowrank-quantize-");
let made = 0;
const fresh = (): string => `${root}/${made++}`;

const kinds = ["gpt2", "llama", "bert"] as const;

function newModel(kind: (typeof kinds)[number], tied: boolean): PretrainedModel {
  const rng = random(made);
  const common = { vocab_size: 13, tie_word_embeddings: tied };
  if (kind === "gpt2")
    return new GPT2(
      { model_type: "gpt2", n_positions: 8, n_embd: 10, n_layer: 2, n_head: 2, ...common },
      { rng },
    );
  const sizes = { hidden_size: 12, intermediate_size: 18, num_hidden_layers: 1, num_attention_heads: 2 };
  if (kind === "llama")
    return new Llama({ model_type: "llama", ...sizes, max_position_embeddings: 16, ...common }, { rng });
  return new Bert(
    { model_type: "bert", ...sizes, max_position_embeddings: 16, num_labels: 3, vocab_size: 13 },
    { rng },
  );
}

test("a quantized folder loads as the model that quantizeModel makes, code for code, and reports its errors", () => {
  const trial = fc.record({
    kind: fc.constantFrom(...kinds),
    tied: fc.boolean(),
    dtype: fc.constantFrom("F32", "F16", "BF16"),
    format: fc.constantFrom("nf4", "fp4", "int4", "int8", "int8-rows"),
    blockSize: fc.constantFrom(32, 64, 128),
    doubleQuant: fc.boolean(),
    step: fc.constantFrom(1, 50, 1e6),
    skip: fc.boolean(),
  });
  fc.assert(
    fc.property(trial, ({ kind, tied, dtype, format, blockSize, doubleQuant, step, skip }) => {
      const base = fresh();
      savePretrained(newModel(kind, tied), base, { dtype });
      const options = {
        format,
        ...(format !== "int8-rows" && { blockSize, doubleQuant }),
        ...(skip && {
          skip: [
            { gpt2: "c_fc", llama: "down_proj", bert: "query" }[kind],
            ...(kind === "bert" ? [] : ["lm_head"]),
          ],
        }),
      } as const;
      const out = fresh();
      const report = quantizeCheckpoint({ base, out, step, ...options });
      const dense = loadPretrained(base);
      const expected = loadPretrained(base);
      const whole = quantizeModel(expected, options);
      const found = loadQuantizedModel(out);
      assert.is(found.training, false);
      assert.equal(report.skipped, whole.skipped);
      assert.is(report.bitsPerParameter, whole.bitsPerParameter);
      const layers = new Map(quantizedLayers(found));
      assert.equal(
        [...layers.keys()],
        Array.from(quantizedLayers(expected), ([name]) => name),
      );
      for (const [name, { packed }] of quantizedLayers(expected)) {
        const other = layers.get(name)!.packed;
        assert.equal(other.packed, packed.packed, name);
        assert.equal(other.storedAbsmax, packed.storedAbsmax, name);
        const { relative, max } = report.layers.find((layer) => layer.name === name)!;
        const layer = dense.getModule(name) as unknown as { denseWeight(): { value: never } };
        const error = quantizationError(layer.denseWeight().value, packed);
        assert.ok(Math.abs(relative - error.relative) <= 1e-12 && max === error.max, name);
      }
      const [a, b] = [found.stateDict(), expected.stateDict()];
      assert.equal([...a.keys()], [...b.keys()]);
      for (const [name, { data }] of b) assert.equal(Array.from(a.get(name)!.data), Array.from(data), name);
    }),
    { numRuns: 25 },
  );
});

test("config.json says what was done, for NF4 in transformers' words; other files are copied, the base stays", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base, { dtype: "BF16" });
  writeFileAtomic(`${base}/tokenizer.json`, new TextEncoder().encode("{}"));
  const before = readFile(`${base}/model.safetensors`);
  const out = fresh();
  quantizeCheckpoint({ base, out, doubleQuant: true });
  assert.equal(listFolder(out), ["config.json", "model.safetensors", "tokenizer.json"]);
  const { quantization_config, ...rest } = parseJsonObject(out, readFile(`${out}/config.json`));
  assert.equal(rest, parseJsonObject(base, readFile(`${base}/config.json`)));
  assert.equal(quantization_config, {
    quant_method: "bitsandbytes",
    load_in_4bit: true,
    load_in_8bit: false,
    bnb_4bit_quant_type: "nf4",
    bnb_4bit_use_double_quant: true,
    bnb_4bit_compute_dtype: "float32",
    bnb_4bit_quant_storage: "uint8",
    llm_int8_skip_modules: ["lm_head"],
  });
  assert.is(
    loadSafetensors(`${out}/model.safetensors`).tensors.get("model.embed_tokens.weight")!.dtype,
    "BF16",
  );
  assert.equal(readFile(`${base}/model.safetensors`), before);
  // saved again as a plain model, it says nothing of quantization
  assert.throws(() => loadPretrained(out), /quantization_config/);
});

test("what cannot be quantized, and folders quantized in other ways, are refused in a sentence; nothing is written", () => {
  const base = fresh();
  savePretrained(newModel("llama", true), base);
  const infinite = fresh();
  const model = newModel("llama", true) as Llama;
  const { weight } = model.model.layers[0].mlp.up_proj as unknown as {
    weight: { value: { data: Float32Array }; assign(v: Float32Array): void };
  };
  weight.assign(weight.value.data.map((x, i) => (i === 5 ? Infinity : x)));
  savePretrained(model, infinite);
  const out = fresh();
  const quantized = fresh();
  quantizeCheckpoint({ base, out: quantized });
  const other = (config: object): string => {
    const folder = fresh();
    savePretrained(newModel("llama", true), folder);
    const fields = parseJsonObject(folder, readFile(`${folder}/config.json`));
    const text = JSON.stringify({ ...fields, quantization_config: config });
    writeFileAtomic(`${folder}/config.json`, new TextEncoder().encode(text));
    return folder;
  };
  const folders = [
    other({ quant_method: "gptq" }),
    other({ quant_method: "bitsandbytes", load_in_8bit: true }),
  ];
  const before = listFolder(root);
  const refusals: readonly (readonly [() => unknown, RegExp])[] = [
    [() => quantizeCheckpoint({ base, out: base }), /is the folder of the base/],
    [() => quantizeCheckpoint({ base: infinite, out }), /up_proj.*Infinity/],
    [() => quantizeCheckpoint({ base: quantized, out }), /quantization_config/],
    [() => quantizeCheckpoint({ base, out, blockSize: 48 }), /blockSize to be a power of two/],
    [() => quantizeCheckpoint({ base, out, format: "nf5" as never }), /format to be one of/],
    [() => quantizeCheckpoint({ base, out, skip: ["q_prj"] }), /none is q_prj/],
    [() => quantizeCheckpoint({ base, out, quant_type: "nf4" } as never), /format/],
    [() => loadQuantizedModel(base), /loadPretrained reads folders of plain weights/],
    [() => loadQuantizedModel(folders[0]), /got "gptq"/],
    [() => loadQuantizedModel(folders[1]), /bitsandbytes' 8 bits/],
    [() => loadQuantizedModel(out), /no such folder/],
  ];
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
