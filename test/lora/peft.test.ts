import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import {
  AdapterError,
  CheckpointError,
  listFolder,
  makeTemporaryFolder,
  parseSafetensors,
  random,
  readFile,
  removeFile,
  type SafeTensor,
  serializeSafetensors,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import {
  AdaLoRA,
  AdaptedLayer,
  type AdaptedModel,
  type AdapterConfig,
  type AdapterFiles,
  convert,
  inject,
  LoRA,
  loadAdapter,
  readAdapter,
  saveAdapter,
  viewWeight,
  type WriteOptions,
  writeAdapter,
} from "lowrank/lora";
import { Conv1D, Conv1d, Conv2d, Embedding, LayerNorm, Linear, loadPretrained, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomize, tinyGPT2 } from "./support/models.ts";

const test = suite("peft");

/** Layers of every kind, some of them twice, in blocks with numbers. Nothing runs through them. */
class Block extends Module {
  fc: Linear;
  proj: Conv1D;
  norm = new LayerNorm(3);

  constructor(seed: number) {
    super();
    this.fc = new Linear(4, 3, { rng: random(seed) });
    this.proj = new Conv1D(3, 5, { rng: random(seed + 1), std: 1 });
  }
}

class Zoo extends Module {
  embed = new Embedding(7, 4, { rng: random(1) });
  h = [new Block(2), new Block(4)];
  sound = new Conv1d(2, 4, 3, { rng: random(6) });
  image = new Conv2d(2, 3, [2, 3], { rng: random(7) });
  head = new Linear(5, 6, { rng: random(8) });

  forward(): never {
    throw new Error("a zoo is for looking");
  }
}

const adaptable = ["embed", "h.0.fc", "h.0.proj", "h.1.fc", "h.1.proj", "sound", "image", "head"];
const MOST = 3; // the smallest min(out, in) among them

const parse = (files: AdapterFiles): Record<string, unknown> => JSON.parse(files.config);
const tensorsIn = ({ weights }: AdapterFiles): Map<string, SafeTensor> => parseSafetensors(weights).tensors;
const keysIn = (files: AdapterFiles): string[] =>
  Array.from(tensorsIn(files).keys(), (key) => key.replace("base_model.model.", "")).sort();

/** The files with other fields; undefined takes one away. */
const withFields = (files: AdapterFiles, fields: Record<string, unknown>): AdapterFiles => ({
  ...files,
  config: JSON.stringify({ ...parse(files), ...fields }),
});

const withTensors = (
  files: AdapterFiles,
  change: (tensors: Map<string, TensorBytes>) => void,
): AdapterFiles => {
  const tensors = new Map<string, TensorBytes>(tensorsIn(files));
  change(tensors);
  return { ...files, weights: serializeSafetensors(tensors) };
};

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const sameFiles = (a: AdapterFiles, b: AdapterFiles): boolean =>
  a.config === b.config && sameBytes(a.weights, b.weights);

/** An adapter with values of its own on a zoo, as files. */
function filesOf(config: Partial<AdapterConfig> = {}, options: WriteOptions = {}): AdapterFiles {
  const defaults = { rank: 2, alpha: 3, target: ["h.0.fc", "h.1.proj"], seed: 1 };
  const adapted = inject(new Zoo(), { ...defaults, ...config } as AdapterConfig);
  randomize(adapted, "default", 5);
  return writeAdapter(adapted, options);
}

/** What can be seen of a model from outside: its modules, its parameters' bits, what trains. */
function snapshot(model: Module): string {
  const modules = Array.from(model.namedModules(), ([name, module]) => `${name}:${module.constructor.name}`);
  const parameters = Array.from(model.namedParameters(), ([name, { value, requiresGrad }]) => [
    name,
    requiresGrad,
    [...value.data],
  ]);
  return JSON.stringify([modules, parameters]);
}

/** `load` throws one of our errors, in one line, that says this, and leaves the model as it was. */
function refused(
  files: AdapterFiles,
  message: RegExp,
  model: Module & { forward(): unknown } = new Zoo(),
): void {
  const before = snapshot(model);
  assert.throws(
    () => readAdapter(model, files),
    (error: unknown) => {
      const ours = error instanceof CheckpointError || error instanceof AdapterError;
      if (ours && message.test(error.message) && !error.message.includes("\n")) return true;
      throw new Error(`expected ${message}; got ${error}`, { cause: error });
    },
  );
  assert.is(snapshot(model), before);
}

// --- what PEFT wrote ---

const oracles = fileURLToPath(new URL("../oracles", import.meta.url));

for (const adapter of [
  "gpt2-tiny/lora",
  "gpt2-tiny/lora-patterns",
  "gpt2-tiny/dora",
  "gpt2-tiny/adalora",
  "llama-tiny/lora",
  "llama-tiny/dora",
]) {
  test(`${adapter}: a folder that PEFT wrote is written again byte for byte`, () => {
    const folder = makeTemporaryFolder("peft");
    try {
      const model = loadPretrained(`${oracles}/${adapter.split("/")[0]}`);
      const adapted = loadAdapter(model, `${oracles}/${adapter}`, { name: "mine" });
      assert.equal([adapted.names, adapted.active], [["mine"], ["mine"]]);
      saveAdapter(adapted, `${folder}/new`, { name: "mine" });
      for (const file of ["adapter_config.json", "adapter_model.safetensors"])
        assert.ok(
          sameBytes(readFile(`${folder}/new/${file}`), readFile(`${oracles}/${adapter}/${file}`)),
          file,
        );
      assert.equal(listFolder(`${folder}/new`).sort(), ["adapter_config.json", "adapter_model.safetensors"]);
    } finally {
      removeFile(folder);
    }
  });
}

test("a fresh configuration has PEFT's fields in PEFT's text", () => {
  const text = new TextDecoder().decode(readFile(`${oracles}/gpt2-tiny/dora/adapter_config.json`));
  const model = inject(tinyGPT2(), { method: "dora", rank: 4, alpha: 8, target: ["c_attn"] });
  const fields = { base_model_name_or_path: "gpt2-tiny", task_type: "CAUSAL_LM" };
  assert.is(writeAdapter(model, { fields }).config, text);
});

test("fields outside ASCII are escaped as Python does", () => {
  const files = filesOf({}, { fields: { base_model_name_or_path: "mödel 🙂" } });
  assert.match(files.config, '"base_model_name_or_path": "m\\u00f6del \\ud83d\\ude42"');
  assert.is(parse(files).base_model_name_or_path, "mödel 🙂");
});

// --- round trips ---

/** Any method with any of its options on any layers that it can go on in PEFT. */
const configs: fc.Arbitrary<{ config: AdapterConfig; seed: number; masked: number }> = fc
  .record({
    method: fc.constantFrom("lora" as const, "lora-fa" as const, "dora" as const, "adalora" as const),
    rank: fc.integer({ min: 1, max: MOST }),
    alpha: fc.double({ min: 0.25, max: 32, noNaN: true }),
    rankStabilized: fc.boolean(),
    dropout: fc.constantFrom(0, 0.1, 0.5),
    init: fc.constantFrom("kaiming" as const, "gaussian" as const, "random" as const, "pissa" as const),
    bias: fc.constantFrom("none" as const, "all" as const, "lora-only" as const),
    layers: fc.subarray(adaptable.slice(0, -1), { minLength: 1 }),
    save: fc.subarray(["head", "norm"]),
    form: fc.constantFrom("names", "expression", "linear"),
    rankPattern: fc.dictionary(fc.constantFrom(...adaptable), fc.integer({ min: 1, max: MOST })),
    alphaPattern: fc.dictionary(fc.constantFrom(...adaptable), fc.double({ min: -4, max: 9, noNaN: true })),
    seed: fc.nat(1000),
    masked: fc.nat(2),
  })
  .map(
    ({
      method,
      layers,
      form,
      save,
      rankPattern,
      alphaPattern,
      rankStabilized,
      init,
      seed,
      masked,
      ...rest
    }) => {
      const adalora = method === "adalora";
      const names = form === "linear" ? adaptable.filter((name) => /fc|proj/.test(name)) : layers;
      const kept = adalora ? [...names.filter((name) => name !== "embed"), "sound"] : names;
      const on = <T>(pattern: Record<string, T>): Record<string, T> =>
        Object.fromEntries(Object.entries(pattern).filter(([name]) => kept.includes(name)));
      const config = {
        ...rest,
        method,
        ...(adalora
          ? { ranknum: true }
          : { rankStabilized, init, rankPattern: on(rankPattern), alphaPattern: on(alphaPattern) }),
        ...(init === "pissa" && { alphaPattern: {} }), // needs alpha > 0
        target:
          form === "names" || adalora
            ? [...new Set(kept)]
            : form === "linear"
              ? "all-linear"
              : new RegExp(kept.join("|").replaceAll(".", "\\.")),
        ...(save.length > 0 && { modulesToSave: save }),
        seed,
      };
      return { config: config as AdapterConfig, seed, masked };
    },
  );

/** Values of an adapter and of its copies of the base, by name; of AdaLoRA what is not masked. */
function contents(adapted: AdaptedModel, name: string): Map<string, readonly number[]> {
  const parts = [...adapted.adapter(name)].flatMap(([path, part]) => {
    const layer = adapted.layers.get(path) as AdaptedLayer;
    const exact = noGrad(() => [...layer.delta(name).value.data]);
    const parameters = part instanceof AdaLoRA ? [] : [...part.namedParameters()];
    return [
      [`${path}: ΔW`, exact],
      [`${path}: r, α, s`, [part.rank, part.alpha, part.scaling]],
      ...parameters.map(([field, { value }]) => [`${path}.${field}`, [...value.data]]),
    ] as [string, number[]][];
  });
  const own = adapted
    .ownParameters(name)
    .map(({ name, copy }): [string, number[]] => [name, [...copy.value.data]]);
  return new Map([...parts, ...own]);
}

test("reading what was written gives the same adapter, and writing that gives the same files", () => {
  fc.assert(
    fc.property(configs, ({ config, seed, masked }) => {
      const adapted = inject(new Zoo(), { ...config, name: "first" } as AdapterConfig & { name: string });
      randomize(adapted, "first", seed);
      for (const [i, part] of [...adapted.adapter("first").values()].entries()) {
        if (part instanceof AdaLoRA && i % 2 === 0)
          part.lambda.assign(Array.from(part.lambda.value.data, (λ, k) => (k < masked ? 0 : λ)));
      }
      for (const { copy } of adapted.ownParameters("first")) copy.assign(random(seed).normal(copy.size));
      const written = writeAdapter(adapted, { name: "first" });
      const method = config.method === "lora-fa" ? config.method : undefined;
      const again = readAdapter(new Zoo(), written, { name: "second", method });
      assert.equal([...contents(again, "second")], [...contents(adapted, "first")]);
      assert.is(again.status()[0].trainable, adapted.status()[0].trainable);
      assert.ok(sameFiles(writeAdapter(again, { name: "second" }), written));
    }),
    { numRuns: 150 },
  );
});

test("an adapter reads the same beside others and on a model that has none", () => {
  const files = filesOf({ method: "dora", bias: "lora-only" });
  const alone = readAdapter(new Zoo(), files);
  const adapted = inject(new Zoo(), { rank: 1, target: "all-linear", name: "other" });
  const both = readAdapter(adapted, files, { name: "read" });
  assert.is(both, adapted);
  assert.equal([both.names, both.active], [["other", "read"], ["other"]]);
  assert.equal([...contents(both, "read")], [...contents(alone, "default")]);
});

test("half-precision formats round what is written and nothing else", () => {
  for (const dtype of ["F16", "BF16"] as const) {
    const files = filesOf({}, { dtype });
    assert.equal(new Set(Array.from(tensorsIn(files).values(), (tensor) => tensor.dtype)), new Set([dtype]));
    assert.ok(sameFiles(writeAdapter(readAdapter(new Zoo(), files), { dtype }), files));
  }
});

test("AdaLoRA in the paper's scaling keeps its ΔW", () => {
  const adapted = inject(new Zoo(), { method: "adalora", rank: 3, alpha: 7, target: "h.0.fc", seed: 2 });
  randomize(adapted, "default", 3);
  const files = writeAdapter(adapted);
  // The factor α/r is said as α'/(r + 1e-5): two roundings in float64, so the float32 values are the same or neighbours.
  const [before, after] = [adapted, readAdapter(new Zoo(), files)].map(
    (model) => contents(model, "default").get("h.0.fc: ΔW") as readonly number[],
  );
  before.forEach((value, i) => {
    assert.ok(Math.abs(value - after[i]) <= 2 ** -22 * Math.abs(value));
  });
});

test("AdaLoRA is written whole at the start and without its masked triplets later", () => {
  const adapted = inject(new Zoo(), {
    method: "adalora",
    rank: 3,
    ranknum: true,
    target: ["h.0.fc", "h.1.fc"],
  });
  const whole = writeAdapter(adapted);
  assert.is(parse(whole).rank_pattern, null);
  assert.equal(tensorsIn(whole).get("base_model.model.h.0.fc.lora_A")?.shape, [3, 4]);
  const [first] = adapted.adapter("default").values() as Iterable<AdaLoRA>;
  first.lambda.assign([0, 2, 0]);
  const pruned = writeAdapter(adapted);
  assert.equal(parse(pruned).rank_pattern, {
    "h.0.fc.lora_E": [false, true, false],
    "h.1.fc.lora_E": [false, false, false],
  });
  assert.equal(tensorsIn(pruned).get("base_model.model.h.0.fc.lora_B")?.shape, [3, 1]);
  assert.equal(tensorsIn(pruned).get("base_model.model.h.1.fc.lora_E")?.shape, [0, 1]);
  const named = withFields(pruned, {
    rank_pattern: {
      "h.0.fc.lora_E.default": [false, true, false],
      "h.1.fc.lora_E.default": [false, false, false],
    },
  });
  for (const files of [pruned, named]) {
    const again = readAdapter(new Zoo(), files).adapter("default").get("h.0.fc") as AdaLoRA;
    assert.equal([...again.lambda.value.data], [0, 2, 0]);
    assert.equal(
      [...again.P.value.data].filter((_, i) => i % 3 === 1),
      [...first.P.value.data].filter((_, i) => i % 3 === 1),
    );
  }
});

test("an adapter that changed is written with what it is now and what its file said besides", () => {
  const config = { method: "adalora", rank: 3, ranknum: true, target: ["h.0.fc"] } as const;
  const files = withFields(filesOf(config), {
    rank_pattern: {},
    runtime: { of: ["the", { future: 1 }] },
    tinit: 0,
  });
  const adapted = readAdapter(new Zoo(), files);
  (adapted.adapter("default").get("h.0.fc") as AdaLoRA).lambda.assign([1, 0, 1]);
  const { rank_pattern, ...others } = parse(writeAdapter(adapted, { fields: { total_step: 9 } }));
  const { rank_pattern: _, ...before } = parse(files);
  assert.equal(rank_pattern, { "h.0.fc.lora_E": [true, false, true] });
  assert.equal(others, { ...before, total_step: 9 });
});

test("an adapter that was composed here is written as LoRA", () => {
  const adapted = inject(new Zoo(), { method: "dora", rank: 2, target: ["fc", "image"], name: "dora" });
  randomize(adapted, "dora", 3);
  convert(adapted, "dora", "plain");
  const again = readAdapter(new Zoo(), writeAdapter(adapted, { name: "plain" }));
  assert.equal([...contents(again, "default")], [...contents(adapted, "plain")]);
});

test("an adapter is written as what its parts are, whatever its configuration leaves out", () => {
  const adapted = inject(new Zoo(), { rank: 1, target: "fc", name: "other" });
  const part = (path: string, rank: number) => {
    const options = { rank, alpha: 3, rankStabilized: true, init: "random", rng: random(rank) } as const;
    return [path, new LoRA(viewWeight(new Zoo().getModule(path)), options)] as const;
  };
  adapted.addParts("made", { rank: 3, target: "fc" }, new Map([part("h.0.fc", 2), part("image", 3)]));
  const files = writeAdapter(adapted, { name: "made" });
  assert.equal([...contents(readAdapter(new Zoo(), files), "default")], [...contents(adapted, "made")]);
});

// --- PEFT's names and what they mean ---

test("names of tensors are PEFT's at every kind of layer", () => {
  const target = ["embed", "h.0.proj", "sound", "image"];
  const shapes = (files: AdapterFiles): Record<string, readonly number[]> =>
    Object.fromEntries(
      Array.from(tensorsIn(files), ([key, { shape }]) => [key.slice("base_model.model.".length), shape]),
    );
  assert.equal(shapes(filesOf({ method: "dora", target })), {
    "embed.lora_embedding_A": [2, 7],
    "embed.lora_embedding_B": [4, 2],
    "embed.lora_magnitude_vector": [4],
    "h.0.proj.lora_A.weight": [2, 3],
    "h.0.proj.lora_B.weight": [5, 2],
    "h.0.proj.lora_magnitude_vector": [5],
    "image.lora_A.weight": [2, 2, 2, 3],
    "image.lora_B.weight": [3, 2, 1, 1],
    "image.lora_magnitude_vector": [1, 3, 1, 1],
    "sound.lora_A.weight": [2, 2, 3],
    "sound.lora_B.weight": [4, 2, 1],
    "sound.lora_magnitude_vector": [1, 4, 1],
  });
});

test("copies of the base go by PEFT's names", () => {
  const own = (files: AdapterFiles): string[] => keysIn(files).filter((key) => !key.includes("lora_"));
  const target = ["h.0.fc"];
  assert.equal(own(filesOf({ target, bias: "lora-only" })), ["h.0.fc.base_layer.bias"]);
  assert.equal(own(filesOf({ target, modulesToSave: ["head"] })), ["head.bias", "head.weight"]);
  assert.equal(own(filesOf({ target, bias: "all", modulesToSave: ["h.1"] })), [
    "h.0.fc.base_layer.bias",
    "h.0.norm.bias",
    "h.0.proj.bias",
    "h.1.fc.bias",
    "h.1.fc.weight",
    "h.1.norm.bias",
    "h.1.norm.weight",
    "h.1.proj.bias",
    "h.1.proj.weight",
    "head.bias",
    "image.bias",
    "sound.bias",
  ]);
});

test("layers inside modules to save get no adapter, though a target means them", () => {
  const files = filesOf({ target: ["fc"], modulesToSave: ["h.1"] });
  assert.equal([parse(files).target_modules, parse(files).modules_to_save], [["fc"], ["h.1"]]);
  assert.equal([...readAdapter(new Zoo(), files).adapter("default").keys()], ["h.0.fc"]);
});

test("every way in which PEFT names layers reads as the same adapter", () => {
  const files = filesOf({ target: ["h.1.fc"] });
  const plain = { exclude_modules: null, layers_to_transform: null, layers_pattern: null };
  const ways: Record<string, unknown>[] = [
    { target_modules: ["h.1.fc"] },
    { target_modules: ["1.fc", "no_such_layer"] },
    { target_modules: ".*1\\.(fc|up)" },
    { target_modules: null },
    { target_modules: ["fc"], exclude_modules: ["0.fc"] },
    { target_modules: ["fc", "proj"], exclude_modules: "h.0.*|.*proj" },
    { target_modules: "h\\.\\d+\\.fc", exclude_modules: ["h.0.fc"], layers_to_transform: [0] },
    { target_modules: ["fc"], modules_to_save: ["no_such_head"], exclude_modules: ["0.fc"] },
  ];
  const read = readAdapter(new Zoo(), files);
  for (const way of ways) {
    const other = withFields(files, { ...plain, ...way });
    const adapted = readAdapter(new Zoo(), other);
    assert.equal([...contents(adapted, "default")], [...contents(read, "default")], JSON.stringify(way));
    assert.is(writeAdapter(adapted).config, other.config);
  }
});

test("layers_to_transform counts blocks, behind layers_pattern where there is one", () => {
  const model = () => Object.assign(new Zoo(), { tower: Object.assign(new Zoo(), { forward: undefined }) });
  const adapted = inject(model(), { rank: 1, target: ["tower.h.1.fc"] });
  const files = writeAdapter(adapted);
  const way = { target_modules: ["fc"], layers_to_transform: 1 };
  for (const layers_pattern of [null, "h", ["x", "h"]])
    assert.equal(
      [
        ...readAdapter(model(), withFields(files, { ...way, layers_pattern }))
          .adapter("default")
          .keys(),
      ],
      ["tower.h.1.fc"], // h.1.fc has no name before h, which the expression of PEFT asks for
    );
  refused(withFields(files, { ...way, layers_pattern: "x" }), /is no layer of this Zoo/, model() as never);
});

test("ranks and alphas: the first key that fits the end of a name decides", () => {
  const pattern = { "^h.0.fc": 8, fc: 4, "1.proj": 2 };
  const files = withFields(filesOf({ target: ["fc", "proj"] }), {
    alpha_pattern: pattern,
    lora_alpha: 1,
    use_rslora: true,
  });
  const parts = readAdapter(new Zoo(), files).adapter("default");
  assert.equal(
    Array.from(parts, ([path, { scaling }]) => [path, scaling]),
    [
      ["h.0.fc", 8 / Math.sqrt(2)],
      ["h.0.proj", 1 / Math.sqrt(2)],
      ["h.1.fc", 4 / Math.sqrt(2)],
      ["h.1.proj", 2 / Math.sqrt(2)],
    ],
  );
});

test("an embedding's table that the file repeats must be the model's, and is written again", () => {
  const files = filesOf({ target: ["embed"] });
  const key = "base_model.model.embed.base_layer.weight";
  const table = new Zoo().embed.weight.value.data;
  const repeated = withTensors(files, (tensors) => tensors.set(key, tensorBytes("F32", [7, 4], table)));
  assert.ok(sameFiles(writeAdapter(readAdapter(new Zoo(), repeated)), repeated));
  const other = withTensors(files, (tensors) =>
    tensors.set(key, tensorBytes("F32", [7, 4], Float32Array.from(table).fill(1))),
  );
  refused(other, /embed\.base_layer\.weight is not the weight of this model/);
});

// --- refusals ---

test("fields that would change the numbers are refused by name", () => {
  const files = filesOf();
  const cases: Record<string, unknown> = {
    alora_invocation_tokens: [1],
    arrow_config: { top_k: 3 },
    kasa_config: { beta: 1 },
    layer_replication: [[0, 2]],
    megatron_config: { tensor_model_parallel_size: 2 },
    monteclora_config: { num_samples: 2 },
    use_bdlora: { nblocks: 2 },
    use_qalora: true,
  };
  for (const [field, value] of Object.entries(cases)) {
    refused(
      withFields(files, { [field]: value }),
      new RegExp(`adapter_config\\.json: ${field} is not supported; got `),
    );
    for (const neutral of [null, false, {}, []])
      readAdapter(new Zoo(), withFields(files, { [field]: neutral }));
  }
  for (const init of ["loftq", "corda", "lora_ga", "pissa_niter_16", 3])
    refused(withFields(files, { init_lora_weights: init }), /init_lora_weights .* is not supported/);
});

test("configurations that are none are refused", () => {
  const files = filesOf();
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ peft_type: "IA3" }, /peft_type LORA or ADALORA; got "IA3"/],
    [{ peft_type: null }, /peft_type: expected a text/],
    [{ peft_type: "ADALORA", use_dora: true }, /use_dora does not go with/],
    [{ r: 0 }, /r: expected a positive integer; got 0/],
    [{ r: 2.5 }, /r: expected a positive integer; got 2\.5/],
    [{ r: "2" }, /r: expected a positive integer; got "2"/],
    [{ r: 1e15 }, /misshapen: h\.0\.fc\.lora_A\.weight \(expected \[1000000000000000, 4\], got \[2, 4\]\)/],
    [{ lora_alpha: "8" }, /lora_alpha: expected a finite number/],
    [{ lora_dropout: 1 }, /lora_dropout: expected a number from 0 to below 1/],
    [{ bias: "some" }, /bias: expected one of none, all, lora_only/],
    [{ use_rslora: 1 }, /use_rslora: expected true or false/],
    [{ fan_in_fan_out: "yes" }, /fan_in_fan_out: expected true or false/],
    [{ target_modules: 3 }, /target_modules: expected a text or a list of texts/],
    [{ target_modules: ["fc", 3] }, /target_modules: expected a text or a list of texts/],
    [{ target_modules: ["fx"] }, /target_modules \["fx"\] is no layer of this Zoo; the nearest are .*fc/],
    [{ target_modules: "(" }, /target_modules: expected a regular expression/],
    [{ target_modules: "(a+)+$" }, /is no layer of this Zoo/],
    [{ target_modules: "(.?){40}X" }, /is no layer of this Zoo/],
    [{ target_modules: "(?P<x>f)c(?P=x)" }, /target_modules: .*no back reference/],
    [{ exclude_modules: "(" }, /exclude_modules: expected a regular expression/],
    [{ target_modules: "x".repeat(5000) }, /at most 4096 characters/],
    [{ layers_to_transform: ["0"] }, /layers_to_transform: expected integers/],
    [{ rank_pattern: { fc: 0 } }, /rank_pattern: expected an object of positive integers/],
    [{ rank_pattern: [2] }, /rank_pattern: expected an object/],
    [{ rank_pattern: { fc: 1e9 } }, /misshapen: h\.0\.fc\.lora_A/],
    [{ alpha_pattern: { fc: null } }, /alpha_pattern: expected an object of finite numbers/],
    [{ modules_to_save: [{}] }, /modules_to_save: expected a text or a list of texts/],
    [{ use_dora: true }, /missing: h\.0\.fc\.lora_magnitude_vector, h\.1\.proj\.lora_magnitude_vector/],
    [{ bias: "lora_only" }, /missing: h\.0\.fc\.base_layer\.bias/],
    [{ modules_to_save: ["head"] }, /missing: head\.weight, head\.bias$/],
  ];
  for (const [fields, message] of cases) refused(withFields(files, fields), message);
  for (const text of ["", "[]", "null", '"LORA"', "{", "NaN"])
    refused({ ...files, config: text }, /adapter_config\.json: (not JSON|expected an object)/);
  const hostile = files.config.replace("{", '{"x": {"__proto__": {"polluted": 1}},');
  refused({ ...files, config: hostile }, /__proto__ is not allowed as the name of a field/);
  refused(
    { ...files, config: files.config.replace("{", `{"x": ${"[".repeat(99)}${"]".repeat(99)},`) },
    /more than 32 deep/,
  );
});

test("AdaLoRA's masks must fit init_r and the layers", () => {
  const files = filesOf({ method: "adalora", target: ["h.0.fc"] });
  const mask = (rank_pattern: unknown) => withFields(files, { rank_pattern });
  refused(
    mask({ "h.0.fc.lora_E": [true] }),
    /rank_pattern of h\.0\.fc: expected 2 entries, as init_r says; got 1/,
  );
  refused(mask({ "h.0.fx.lora_E": [true, true] }), /rank_pattern names h\.0\.fx/);
  refused(mask({ "h.0.fc": [true, true] }), /rank_pattern: expected an object of lists/);
  refused(mask({ "h.0.fc.lora_E": [1, 0] }), /rank_pattern: expected an object of lists/);
  refused(
    mask({ "h.0.fc.lora_E": [true, false] }),
    /misshapen: h\.0\.fc\.lora_A \(expected \[1, 4\], got \[2, 4\]\)/,
  );
});

test("tensors that are not all those of the adapter are refused by name", () => {
  const files = filesOf();
  const key = "base_model.model.h.0.fc.lora_A.weight";
  const changed = (change: (tensors: Map<string, TensorBytes>) => void) => withTensors(files, change);
  refused(
    changed((tensors) => tensors.delete(key)),
    /not an adapter for this model: missing: h\.0\.fc\.lora_A\.weight$/,
  );
  refused(
    changed((tensors) => tensors.set("h.0.fc.lora_C.weight", tensorBytes("F32", [1], [1]))),
    /unexpected: h\.0\.fc\.lora_C\.weight$/,
  );
  refused(
    changed((tensors) => tensors.set(key, tensorBytes("F32", [4, 2], new Float32Array(8)))),
    /misshapen: h\.0\.fc\.lora_A\.weight \(expected \[2, 4\], got \[4, 2\]\); such shapes are those of another base or rank$/,
  );
  refused(
    changed((tensors) => tensors.set(key, tensorBytes("I32", [2, 4], new Int32Array(8)))),
    /expected floats/,
  );
  refused(filesOf({ target: ["head"] }), /missing.*unexpected|nearest/, tinyGPT2() as never);
});

test("a rank above that of the layer loads, as PEFT writes it", () => {
  const files = withTensors(withFields(filesOf({ target: ["h.0.fc"] }), { r: 5 }), (tensors) => {
    tensors.set("base_model.model.h.0.fc.lora_A.weight", tensorBytes("F32", [5, 4], new Float32Array(20)));
    tensors.set("base_model.model.h.0.fc.lora_B.weight", tensorBytes("F32", [3, 5], new Float32Array(15)));
  });
  const [[name, part]] = readAdapter(new Zoo(), files).adapter("default");
  assert.is(`${name} ${part.rank}`, "h.0.fc 5");
});

test("what PEFT's format cannot say is not written", () => {
  const write = (config: Partial<AdapterConfig>) => () => filesOf(config);
  const fails = (run: () => unknown, message: RegExp) =>
    assert.throws(run, (error: unknown) => error instanceof AdapterError && message.test(error.message));
  fails(write({ method: "adalora", target: "embed" }), /PEFT has no adapter of the method adalora/);
  fails(write({ method: "adalora", target: "fc", alpha: 0 }), /takes r for an alpha that is not positive/);
  fails(write({ method: "adalora", target: "fc", rankPattern: { "h.0.fc": 1 } }), /one rank and alpha/);
  const grouped = Object.assign(new Zoo(), { sound: new Conv1d(4, 4, 1, { groups: 2 }) });
  fails(
    () => writeAdapter(inject(grouped, { method: "dora", rank: 1, target: "sound" })),
    /convolution with groups/,
  );
  const adapted = inject(new Zoo(), { rank: 1, target: "fc" });
  fails(() => writeAdapter(adapted, { name: "other" }), /expected one of default; got "other"/);
  fails(() => writeAdapter(adapted, { fields: { r: 3 } }), /fields: r follows from the adapter/);
  adapted.merge();
  fails(() => writeAdapter(adapted), /default is merged.*unmerge\(\) first/);
});

test("a name that is taken, and a model adapted already, are refused", () => {
  const files = filesOf();
  const adapted = inject(new Zoo(), { rank: 1, target: "fc" });
  const before = snapshot(adapted);
  assert.throws(() => readAdapter(adapted, files), /name: expected one that is not taken/);
  assert.throws(() => readAdapter(adapted.model, files), /has adapters already/);
  assert.throws(() => readAdapter(adapted, files, { name: "a.b" }), /without dots/);
  assert.throws(
    () => adapted.disabled(() => readAdapter(adapted, files, { name: "b" })),
    /not inside disabled/,
  );
  assert.is(snapshot(adapted), before);
});

// --- files that something went wrong with ---

/** Reading either works or throws one of our errors and leaves the model as it was. */
function survives(files: AdapterFiles): void {
  const model = new Zoo();
  const before = snapshot(model);
  try {
    readAdapter(model, files);
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof AdapterError)) throw error;
    assert.not.match(error.message, "\n");
    assert.is(snapshot(model), before);
  }
}

const samples = [
  filesOf({ method: "dora", target: ["embed", "h.0.fc"], bias: "lora-only", modulesToSave: ["head"] }),
  filesOf({ method: "adalora", target: ["h.0.fc", "h.1.proj"] }),
];

test("bytes that are changed, cut off or added never leave half an adapter", () => {
  const edits = fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.nat(samples.length - 1), edits, fc.nat(400), (sample, edits, cut) => {
      const files = samples[sample];
      const weights = files.weights.slice(0, cut % 3 === 0 ? files.weights.length - cut : undefined);
      for (const [at, byte] of edits) weights[at % weights.length] = byte;
      survives({ ...files, weights });
      const letters = [...files.config];
      for (const [at, byte] of edits) letters[(at * 7) % letters.length] = String.fromCharCode(byte % 128);
      survives({ ...files, config: letters.join("") });
    }),
    { numRuns: 150 },
  );
});

test("fields of any value never leave half an adapter", () => {
  const fields = Object.keys(parse(samples[1]));
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(
      -1,
      0,
      0.5,
      1e308,
      2 ** 53,
      "",
      "fc",
      ".*",
      "all-linear",
      ["fc"],
      { fc: 1 },
      { "h.0.fc": -1 },
    ),
  );
  fc.assert(
    fc.property(
      fc.nat(samples.length - 1),
      fc.dictionary(fc.constantFrom(...fields), value),
      (sample, other) => {
        survives(withFields(samples[sample], other));
      },
    ),
    { numRuns: 300 },
  );
  assert.is(({} as Record<string, unknown>).polluted, undefined);
});

test("a plain model stays one when reading is refused", () => {
  const model = new Zoo();
  assert.throws(() => readAdapter(model, withFields(filesOf(), { use_qalora: true })));
  for (const [, module] of model.namedModules()) assert.not.instance(module, AdaptedLayer);
});

test.run();
