/** @file inject: where adapters go, what trains, what is refused. */

import * as fc from "fast-check";
import type { Tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { type AdaLoRA, AdaptedLayer, countParameters, inject, type Method, methods } from "lowrank/lora";
import {
  AdamW,
  Bert,
  GPT2,
  generate,
  Linear,
  Llama,
  layout,
  listModules,
  Module,
  nextTokenLoss,
} from "lowrank/nn";
import { quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  Chain,
  everywhere,
  ids,
  largestDifference,
  output,
  randomize,
  refuses,
  same,
  tinyGPT2,
} from "./support/models.ts";

const test = suite("inject");
const all = Object.keys(methods) as Method[];

/** What `run` says on the console. */
function warningsOf(run: () => unknown): string[] {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (message: string) => said.push(message);
  try {
    run();
  } finally {
    console.warn = warn;
  }
  return said;
}

test("a model's modules are those of its configuration's layout, kinds included", () => {
  const fields = {
    vocab_size: 7,
    hidden_size: 4,
    intermediate_size: 6,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  };
  const models: [Module, Parameters<typeof layout>[0]][] = [
    tinyGPT2(),
    new Llama({ model_type: "llama", ...fields, num_key_value_heads: 1, max_position_embeddings: 5 }),
    new Bert({ model_type: "bert", ...fields, max_position_embeddings: 5, num_labels: 3 }),
    new Bert({ model_type: "roberta", ...fields, max_position_embeddings: 5, num_labels: 3 }),
  ].map((model) => [model, model.config]);
  for (const [model, config] of models) {
    const found = [...listModules(model)].filter(({ kind }) => kind !== "other");
    assert.equal(
      new Map(found.map(({ name, kind }) => [name, kind])),
      new Map(layout(config).map(({ name, kind }) => [name, kind])),
    );
  }
});

for (const method of all) {
  test(`${method}: trains what countParameters says, of as many, on GPT-2, quantized or not, with patterns, saved modules and biases`, () => {
    const target = fc.constantFrom<string | string[]>(
      "all-linear",
      "c_attn",
      ["c_proj", "wte"],
      ["attn.c_proj", "wpe"],
    );
    const bias = fc.constantFrom("none", "all", "lora-only");
    const saved = fc.constantFrom<string[]>([], ["ln_f"], ["h.1.mlp"]);
    fc.assert(
      fc.property(
        target,
        bias,
        saved,
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom<"nf4" | "int8" | null>("nf4", "int8", null),
        (target, bias, modulesToSave, rank, quantized) => {
          const model = tinyGPT2();
          const spec = { target, bias, modulesToSave, rank, rankPattern: rank > 1 ? { "h.0.*": 1 } : {} };
          const touches = rank === 1 || (typeof target === "string" ? true : target.includes("c_proj"));
          const options = touches ? spec : { ...spec, rankPattern: {} };
          if (quantized) quantizeModel(model, { format: quantized, skip: modulesToSave });
          const adapted = inject(model, { method, ...options } as never);
          const real = adapted.trainableParameters();
          const name = method === "merged-linear" || method === "lora-conv" ? "lora" : method; // one slice, k = 1
          const counted = countParameters(name, { config: model.config, ...options } as never);
          for (const field of ["trainable", "total", "percent"] as const)
            assert.is(real[field], counted[field], field);
          assert.match(
            adapted.toString(),
            `${real.total.toLocaleString("en")} parameters, ${real.trainable.toLocaleString("en")} trainable ` +
              `(${real.percent.toFixed(2)} %)`,
          );
        },
      ),
      { numRuns: 30 },
    );
  });
}

test("the base is frozen, the adapter trains, and a step moves nothing else", () => {
  const model = new Chain();
  const before = new Map(
    Array.from(model.stateDict(), ([name, value]) => [name, Float32Array.from(value.data)]),
  );
  const adapted = inject(model, { rank: 2, target: everywhere, seed: 1 });
  const optimizer = new AdamW(adapted.parameters(), { lr: 0.1 });
  const start = output(adapted);
  adapted.forward(ids).square().sum().backward();
  optimizer.step();
  assert.not(same(output(adapted), start));
  for (const [name, layer] of adapted.layers)
    assert.ok(
      same((layer.original as Chain["first"]).weight.toArray(), before.get(`${name}.weight`) as Float32Array),
    );
});

test("the same seed gives the same adapter, whatever its name and the other targets", () => {
  const [one, two] = ["a", "b"].map((name) => {
    const target = name === "a" ? "first" : everywhere;
    return inject(new Chain(), { rank: 2, target, seed: 5, name }).adapter(name).get("first");
  });
  assert.equal(
    one?.parameters().map((p) => p.toArray()),
    two?.parameters().map((p) => p.toArray()),
  );
});

test("rank and alpha patterns: the first key that fits the end of a name decides", () => {
  const adapted = inject(tinyGPT2(), {
    rank: 2,
    alpha: 4,
    target: ["c_attn", "c_fc"],
    rankPattern: { "h.0.attn.c_attn": 3, c_attn: 1 },
    alphaPattern: { "mlp.c_fc": 1 },
    rankStabilized: true,
  });
  const parts = Array.from(adapted.adapter("default").values(), ({ rank, alpha, scaling }) => [
    rank,
    alpha,
    scaling,
  ]);
  assert.equal(parts, [
    [3, 4, 4 / Math.sqrt(3)],
    [2, 1, 1 / Math.sqrt(2)],
    [1, 4, 4],
    [2, 1, 1 / Math.sqrt(2)],
  ]);
});

test("tied weights: adapting and merging the embedding leaves the head as it was, and the other way round", () => {
  for (const [target, other] of [
    ["wte", "lm_head"],
    ["lm_head", "wte"],
  ]) {
    const model = tinyGPT2();
    const table = model.transformer.wte.weight.toArray();
    const adapted = inject(model, { rank: 2, target, seed: 1 });
    randomize(adapted, "default", 1);
    const before = output(adapted, [[1, 2, 3]]);
    adapted.merge();
    const untouched = model.getModule(other === "wte" ? "transformer.wte" : other) as Chain["first"];
    assert.ok(same(untouched.weight.toArray(), table));
    const plain = adapted.toPlain();
    assert.is(plain.config.tie_word_embeddings, false);
    assert.is(plain.transformer.config.tie_word_embeddings, false);
    assert.ok(same(output(plain, [[1, 2, 3]]), output(adapted, [[1, 2, 3]])));
    adapted.unmerge();
    assert.ok(same(output(adapted, [[1, 2, 3]]), before));
    assert.is(model.transformer.wte instanceof AdaptedLayer, target === "wte");
  }
});

test("a plain model that adapts neither keeps the tie", () => {
  const plain = inject(tinyGPT2(), { rank: 1, target: "c_attn" }).toPlain();
  assert.is((plain.lm_head as unknown as { weight: unknown }).weight, plain.transformer.wte.weight);
  assert.is(plain.config.tie_word_embeddings, true);
  assert.ok(plain.parameters().every(({ requiresGrad }) => requiresGrad));
});

test("modules to save and biases: each adapter has its own, and the base keeps its own", () => {
  const model = tinyGPT2();
  const x = [[1, 2, 3]];
  const base = output(model, x);
  const names = [...model.stateDict().keys()];
  const adapted = inject(model, {
    rank: 1,
    target: "c_fc",
    modulesToSave: ["lm_head", "ln_f"],
    name: "a",
    seed: 1,
  });
  adapted.addAdapter("b", { rank: 1, target: "c_fc", bias: "all", seed: 2 });
  assert.ok(same(output(adapted, x), base));
  for (const name of ["a", "b"])
    for (const { copy } of adapted.ownParameters(name)) copy.assign(copy.toArray().map((v) => v + 0.5));
  assert.not(same(output(adapted, x), base));
  const [a, b] = ["a", "b"].map((name) => adapted.withAdapters(name, () => output(adapted, x)));
  assert.not(same(a, b));
  assert.ok(
    same(
      adapted.disabled(() => output(adapted, x)),
      base,
    ),
  );
  adapted.activate("b");
  assert.ok(same(output(adapted, x), b));
  refuses(() => adapted.activate(["a", "b"]), /both bring their own transformer\.ln_f\.bias/);
  refuses(() => adapted.withRows(["a"], () => output(adapted, x)), /a brings its own/);
  assert.ok(same(output(adapted.toPlain("a"), x), a));
  adapted.deleteAdapter("a");
  adapted.activate([]);
  assert.ok(same(output(adapted, x), base));
  const kept = [...adapted.namedParameters()].map(([name]) => name);
  assert.equal(
    names.filter((name) => !kept.some((other) => other.replace("model.", "").replace(".base", "") === name)),
    [],
  );
});

test("α = 0 is the base, exactly, with a warning that nothing will be learned", () => {
  const said = warningsOf(() => inject(new Chain(), { rank: 1, alpha: 0, target: everywhere }));
  const warning = "lowrank: alpha 0 on embed and 2 more: the update is zero, and nothing will be learned";
  assert.equal(said, [warning]);
  for (const method of all) {
    const model = new Chain();
    const before = output(model);
    const adapted = inject(model, { method, rank: 1, alpha: 0, target: everywhere, seed: 1 } as never);
    for (const part of adapted.adapter("default").values())
      for (const [name, parameter] of part.namedParameters())
        if (name !== "m") parameter.assign(random(1).uniform(parameter.size, -1, 1));
    assert.ok(same(output(adapted), before), method);
  }
});

test("bad input is an error, and the model is as it was", () => {
  const model = new Chain();
  const before = output(model);
  const valid = { rank: 2, target: "first" };
  const refusals: [object, RegExp][] = [
    [{ rank: 0 }, /rank: expected a positive integer; got 0/],
    [{ rank: -1 }, /positive integer/],
    [{ rank: 1.5 }, /positive integer/],
    [{ rank: undefined }, /positive integer/],
    [{ init: "pissa", rank: 5 }, /^first: init pissa: expected a rank up to 4/],
    [{ alpha: Number.NaN }, /alpha: expected a finite number/],
    [{ dropout: 1 }, /0 ≤ p < 1; got 1/],
    [{ dropout: -0.1 }, /0 ≤ p < 1/],
    [{ target: "frist" }, /"frist" matches no module; nearest names: first/],
    [{ target: [] }, /got none/],
    [{ target: undefined }, /expected a name/],
    [{ exclude: "first" }, /takes all of them away/],
    [{ layers: [3] }, /numbers of blocks/],
    [{ method: "loraa" }, /method: expected one of lora, .*; got "loraa"/],
    [{ method: "constructor" }, /method: expected one of/],
    [{ init: "zero" }, /init/],
    [{ bias: "some" }, /bias: expected "none"/],
    [{ modulesToSave: "third" }, /modulesToSave: "third" matches no module/],
    [{ modulesToSave: "first" }, /all that it matches is in modulesToSave/],
    [{ rankPattern: { third: 1 } }, /rankPattern/],
    [{ rankPattern: { first: 0 } }, /positive integer/],
    [{ alphaPattern: { first: Number.POSITIVE_INFINITY } }, /finite/],
    [{ seed: -1 }, /seed/],
    [{ name: "a.b" }, /without dots/],
    [{ name: "" }, /without dots/],
    [{ name: "lora_a" }, /without dots/],
  ];
  for (const [change, message] of refusals)
    refuses(() => inject(model, { ...valid, ...change } as never), message);
  assert.ok(model.parameters().every(({ requiresGrad }) => requiresGrad));
  assert.ok([...model.namedModules()].every(([, module]) => !(module instanceof AdaptedLayer)));
  assert.ok(same(output(model), before));
  inject(model, valid);
  refuses(() => inject(model, valid), /has adapters already; use addAdapter/);
});

test("a rank above min(out, in) is allowed with a warning, said once; not where W is taken apart", () => {
  for (const method of ["lora", "dora", "adalora", "lora-fa"] as const) {
    const adapt = () => inject(new Chain(), { method, rank: 5, target: "first", seed: 1 });
    const said = warningsOf(() => [adapt(), adapt()]);
    const expected = /^lowrank: rank 5 on first \[6, 4\]: the rank of an update is at most 4 there/;
    assert.ok(method === "lora" ? said.length === 1 && expected.test(said[0]) : said.length === 0, `${said}`);
    const model = adapt();
    randomize(model, "default", 2);
    const before = output(model);
    model.merge();
    assert.ok(largestDifference(output(model), before) < 1e-5); // sums of 9 terms below 4: 2 · 9 · 2⁻²⁴ · 36
  }
});

test("layers: first and last, and no block is named 0 by accident", () => {
  const on = (layers: number[]) => [
    ...inject(tinyGPT2(), { rank: 1, target: "all-linear", layers }).layers.keys(),
  ];
  assert.ok(on([0]).length === 4 && on([0]).every((name) => name.startsWith("transformer.h.0.")));
  assert.ok(on([1, 0]).length === 8);
  assert.instance(new GPT2(tinyGPT2().config), GPT2);
});

test("generate, nextTokenLoss and loss take an adapted model as they take the model", () => {
  const adapted = inject(tinyGPT2(), { rank: 1, target: "c_attn", init: "random", seed: 1 });
  const prompt = [[1, 2, 3]];
  const { model } = adapted;
  assert.equal(
    generate(adapted, prompt, { maxNewTokens: 2 }).data,
    generate(model, prompt, { maxNewTokens: 2 }).data,
  );
  assert.is(nextTokenLoss(adapted, prompt).item(), nextTokenLoss(model, prompt).item());
  const loss: Tensor = adapted.loss(prompt, prompt);
  assert.is(loss.item(), model.loss(prompt).item());
  const chain = inject(new Chain(), { rank: 1, target: "first" });
  // @ts-expect-error a chain has no loss
  refuses(() => chain.loss(ids), /loss: expected a model that has one; got Chain/);
  // @ts-expect-error a chain is no language model
  assert.throws(() => generate(chain, ids, { maxNewTokens: 1 }));
  // @ts-expect-error the ids come first
  assert.throws(() => adapted.loss("text"));
});

test("names given twice are one; all-linear says that heads are left out; status has the ranks in use", () => {
  const model = inject(new Chain(), { method: "adalora", rank: 4, target: everywhere, seed: 1 });
  const parts = [...model.adapter("default").values()] as AdaLoRA[];
  for (const [i, part] of parts.entries()) part.lambda.assign([1, 0, i, 0]);
  assert.equal([model.status()[0].rank, model.status()[0].activeRank], ["4", "1 to 2"]);
  model.merge(["default", "default"]);
  assert.equal(model.merged, ["default"]);
  model.unmerge(["default", "default"]);
  model.trainOnly(["default", "default"]);
  class Headed extends Module {
    head = new Linear(2, 2);
    forward(x: Tensor): Tensor {
      return this.head.forward(x);
    }
  }
  refuses(
    () => inject(new Headed(), { rank: 1, target: "all-linear" }),
    /"all-linear" leaves output heads out, and the model's only linear layers are such: name head/,
  );
});

test.run();
