/** @file LoRA with a bias of its own (PEFT's lora_bias): beside its base, merged, merged into files, and where it cannot be. */

import {
  exists,
  makeTemporaryFolder,
  parseSafetensors,
  random,
  removeFile,
  serializeSafetensors,
  setDevice,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import {
  type AdapterFiles,
  compare,
  compose,
  convert,
  inject,
  loadAdapter,
  mergeCheckpoint,
  readAdapter,
  saveAdapter,
  writeAdapter,
} from "lowrank/lora";
import { GPT2, Llama, loadPretrained, type Module, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("lora_bias");
const root = makeTemporaryFolder("lowrank-bias-");
test.after(() => removeFile(root));

const ids = [[1, 2, 3, 4]];
const common = { vocab_size: 11, initializer_range: 0.5 };
const gpt2 = (): GPT2 =>
  new GPT2(
    { model_type: "gpt2", n_positions: 8, n_embd: 4, n_layer: 2, n_head: 2, ...common },
    { rng: random(1) },
  ).eval();
const llama = (more: object): Llama =>
  new Llama(
    {
      ...{ model_type: "llama", hidden_size: 4, intermediate_size: 6, num_hidden_layers: 1 },
      ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 8, ...common, ...more },
    },
    { rng: random(1) },
  ).eval();

/** The files of an adapter with lora_bias whose numbers are all random. */
function filesOf(model: GPT2 | Llama, config: object, seed = 7): AdapterFiles {
  const adapted = inject(model as GPT2, { rank: 2, alpha: 3, ...config } as never);
  const rng = random(seed);
  const files = writeAdapter(adapted);
  const tensors = new Map<string, TensorBytes>();
  for (const [key, { shape }] of parseSafetensors(files.weights).tensors) {
    const size = shape.reduce((a: number, b: number) => a * b, 1);
    tensors.set(key, tensorBytes("F32", shape, rng.normal(size)));
    if (key.endsWith("lora_B.weight"))
      tensors.set(
        key.replace(/weight$/, "bias"),
        tensorBytes("F32", [shape[0]], random(seed + 1).normal(shape[0])),
      );
  }
  return {
    config: JSON.stringify({ ...JSON.parse(files.config), lora_bias: true }),
    weights: serializeSafetensors(tensors),
  };
}

const logits = (model: { forward(ids: never): { toArray(): Float32Array } }): Float32Array =>
  model.forward(ids as never).toArray();
const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  assert.is(a.length, b.length);
  for (let i = 0; i < a.length; i++)
    assert.ok(Math.abs(a[i] - b[i]) < 1e-5, `${i}: ${a[i]}, expected ${b[i]}`);
};
const stateOf = (model: Module): [string, number[]][] =>
  Array.from(model.stateDict(), ([name, { data }]) => [name, [...data]]);

const cases = {
  "linear layers with W stored transposed": [gpt2, { target: ["c_attn", "c_fc"], rankStabilized: true }],
  "copies of the biases besides": [gpt2, { target: ["c_attn", "c_proj"], bias: "all" }],
  "linear layers of a Llama with biases": [
    () => llama({ attention_bias: true }),
    { target: ["q_proj", "v_proj"], bias: "lora-only" },
  ],
} as const;

for (const [what, [make, config]] of Object.entries(cases)) {
  test(`merged and plain models compute what the adapted one does, and unmerging restores every bit: ${what}`, () => {
    const model = make();
    const before = stateOf(model);
    const adapted = readAdapter(model as GPT2, filesOf(make(), config));
    const expected = logits(adapted);
    const plain = adapted.toPlain();
    near(logits(plain), expected);
    adapted.merge();
    near(logits(adapted), expected);
    assert.equal(stateOf(adapted.toPlain()), stateOf(plain));
    adapted.unmerge();
    assert.equal(logits(adapted), expected);
    adapted.deleteAdapter("default");
    assert.equal(
      stateOf(adapted.toPlain()),
      before.map(([name, values]) => [name, values]),
    );
  });

  test(`the bias of a plain model is b + s b', by hand: ${what}`, () => {
    const files = filesOf(make(), config);
    const { tensors } = parseSafetensors(files.weights);
    const adapted = readAdapter(make() as GPT2, files);
    const [plain, base] = [adapted.toPlain(), make()].map((model) => new Map(stateOf(model)));
    const s = 3 / ("rankStabilized" in config ? Math.SQRT2 : 2);
    let count = 0;
    for (const [key, tensor] of tensors) {
      if (!key.endsWith(".lora_B.bias")) continue;
      const layer = key.slice("base_model.model.".length, -".lora_B.bias".length);
      const b = tensor.floats();
      const own = tensors.get(`base_model.model.${layer}.base_layer.bias`)?.floats();
      near(
        plain.get(`${layer}.bias`)!,
        (own ? [...own] : base.get(`${layer}.bias`)!).map((value, i) => value + s * b[i]),
      );
      count++;
    }
    assert.ok(count >= 2);
  });

  test(`merging into a checkpoint gives the bits of a plain model: ${what}`, () => {
    const [base, adapter, out] = ["base", "adapter", "out"].map((name) => `${root}/${what} ${name}`);
    savePretrained(make(), base);
    const files = filesOf(make(), config);
    saveAdapter(readAdapter(make() as GPT2, files), adapter);
    const expected = loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain();
    const { changed } = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out, step: 7 });
    assert.equal(stateOf(loadPretrained(out)), stateOf(expected));
    assert.ok(changed.some(({ name, delta, lost }) => name.endsWith(".bias") && delta > 0 && lost < 1e-6));
  });
}

test("adapters add up, each in its part, one of them with weight −½ in a checkpoint", () => {
  const [base, out, ...folders] = ["b", "o", "1", "2"].map((name) => `${root}/two ${name}`);
  savePretrained(gpt2(), base);
  const config = { target: ["c_attn"] };
  for (const [i, folder] of folders.entries()) {
    const files = filesOf(gpt2(), config, 20 + i);
    saveAdapter(readAdapter(gpt2(), files), folder);
  }
  const adapted = loadAdapter(loadPretrained(base) as GPT2, folders[0], { name: "a" });
  loadAdapter(adapted, folders[1], { name: "b" });
  adapted.activate(["a", "b"]);
  const expected = logits(adapted);
  for (const merged of [["a"], ["b"], ["a", "b"]]) {
    adapted.merge(merged);
    near(logits(adapted), expected);
    adapted.unmerge();
  }
  near(logits(adapted.toPlain()), expected);
  const rows = adapted.withRows(["b", null, "a"], () => adapted.forward([ids[0], ids[0], ids[0]]).toArray());
  const each = [["b"], [], ["a"]].flatMap((names) => [...adapted.withAdapters(names, () => logits(adapted))]);
  near(rows, each);

  mergeCheckpoint({ base, adapters: folders.map((folder, i) => ({ folder, weight: i ? -0.5 : 1 })), out });
  const name = "transformer.h.0.attn.c_attn";
  const [b, made] = [loadPretrained(base), loadPretrained(out)].map(
    (model) => model.stateDict().get(`${name}.bias`)!.data,
  );
  const [first, second] = ["a", "b"].map(
    (one) => adapted.adapter(one).get(name)!.deltaBias()!.toArray() as Float32Array,
  );
  near(
    made,
    Array.from(b, (value: number, i: number) => value + first[i] - 0.5 * second[i]),
  );
});

test("a layer without a bias keeps its adapter beside it: merging is refused, and nothing is changed or written", () => {
  const config = { target: ["q_proj"] };
  const files = filesOf(llama({}), config);
  const adapted = readAdapter(llama({}) as never as GPT2, files);
  const before = logits(adapted);
  const expected =
    /lora_bias: the adapter adds a bias to model\.layers\.0\.self_attn\.q_proj, which has none/;
  assert.throws(() => adapted.merge(), expected);
  assert.throws(() => adapted.toPlain(), expected);
  assert.equal(adapted.merged, []);
  assert.equal(logits(adapted), before);
  savePretrained(llama({}), `${root}/unbiased`);
  saveAdapter(adapted, `${root}/beside`);
  assert.throws(
    () =>
      mergeCheckpoint({
        base: `${root}/unbiased`,
        adapters: [{ folder: `${root}/beside` }],
        out: `${root}/none`,
      }),
    expected,
  );
  assert.not.ok(exists(`${root}/none`));
});

test("what is about ΔW alone refuses it, and safe merging finds a bias that is not finite", () => {
  const adapted = readAdapter(gpt2(), filesOf(gpt2(), { target: ["c_attn"] }));
  for (const run of [
    () => compose(adapted, "sum", { default: 1 }),
    () => convert(adapted, "default", "small", { rank: 1 }),
    () => compare(adapted, "default", "default"),
  ])
    assert.throws(run, /lora_bias: the adapter adds a bias/);
  assert.equal(adapted.names, ["default"]);
  const [part] = adapted.adapter("default").values();
  for (const [name, parameter] of part.namedParameters())
    if (name === "b") parameter.assign(new Float32Array(parameter.size).fill(Infinity));
  assert.throws(() => adapted.merge("default", { safe: true }), /c_attn\.bias: expected finite values/);
  assert.equal(adapted.merged, []);
});

test.run();
