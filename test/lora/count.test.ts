/**
 * @file Parameter counts: the formulas' laws, and the tables of the papers to their last printed digit. Where a paper
 * prints something else than its own formula gives, the test holds our exact value and says what the paper prints.
 */

import * as fc from "fast-check";
import { AdapterError, ArgumentError } from "lowrank/core";
import { type CountMethod, countParameters, type LoraSpec, type RankSpec } from "lowrank/lora";
import {
  type ConfigurationName,
  configurations,
  layout,
  type ModelFields,
  modelConfig,
  parameterCount,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("counting parameters");

/** In millions, as the papers' tables print. */
const millions = (count: number, digits: number) => (count / 1e6).toFixed(digits);

// ---- LoRA (Hu et al. 2021) -------------------------------------------------------------------------------------

const [yes, no] = [true, false];

/** Trainable parameters of LoRA on the query, key, value slices and the output projection of a GPT. */
function gptLora(config: ConfigurationName, rank: number, qkv: boolean[], o = false): number {
  const slices = { c_attn: qkv };
  const both: LoraSpec = { config, rank, slices, target: o ? ["c_attn", "attn.c_proj"] : "c_attn" };
  return countParameters("lora", both).trainable;
}

test("tables 4, 5, 15: LoRA on GPT-3 175B", () => {
  const gpt3 = (rank: number, qkv: boolean[], o = false) => millions(gptLora("gpt3-175b", rank, qkv, o), 3);
  assert.is(gpt3(2, [no, no, yes]), "4.719"); // 4.7
  assert.is(gpt3(1, [yes, no, yes]), "4.719"); // 4.7
  assert.is(gpt3(2, [yes, no, yes]), "9.437"); // 9.4
  assert.is(gpt3(1, [yes, yes, yes], yes), "9.437"); // 9.4
  assert.is(gpt3(4, [yes, no, yes]), "18.874"); // 18.8: truncated. The budget of table 5, "18M", in its seven forms:
  assert.is(gpt3(2, [yes, yes, yes], yes), "18.874");
  assert.is(gpt3(4, [yes, yes, no]), "18.874");
  for (const one of [0, 1, 2])
    assert.is(
      gpt3(
        8,
        [0, 1, 2].map((slice) => slice === one),
      ),
      "18.874",
    );
  assert.is(
    countParameters("lora", { config: "gpt3-175b", rank: 8, target: "attn.c_proj" }).trainable,
    18_874_368,
  );
  assert.is(gpt3(8, [yes, no, yes]), "37.749"); // 37.7
  assert.is(gpt3(4, [yes, yes, yes], yes), "37.749"); // 37.7
  assert.is(gpt3(64, [yes, no, yes]), "301.990"); // 301.9: truncated
  assert.is(gpt3(64, [yes, yes, yes], yes), "603.980"); // 603.8
});

test("tables 4, 15: adapters on GPT-3 175B", () => {
  const printed = { 1: "7.078", 4: "21.234", 8: "40.110", 16: "77.860", 64: "304.361" };
  for (const [rank, count] of Object.entries(printed)) {
    const spec = { config: "gpt3-175b", variant: "houlsby", rank: Number(rank) } as const;
    assert.is(millions(countParameters("adapter", spec).trainable, 3), count);
  }
});

test("tables 4, 15: prefixes on GPT-3 175B", () => {
  const prefixes = (method: "prefix-embedding" | "prefix-layer", prefix: number, infix: number) =>
    millions(countParameters(method, { config: "gpt3-175b", prefix, infix }).trainable, 3);
  const embedding: [number, number, string][] = [
    [32, 8, "0.492"], // 0.4
    [64, 8, "0.885"], // 0.9
    [128, 8, "1.671"], // 1.7
    [256, 8, "3.244"], // 3.2
    [512, 8, "6.390"], // 6.4
  ];
  for (const [lp, li, count] of embedding) assert.is(prefixes("prefix-embedding", lp, li), count);

  const layer: [number, number, string][] = [
    [2, 2, "4.719"], // the paper prints 5.1, 10.1, 20.2, 44.1, 76.1: not what its formula L d (lp + li) gives
    [8, 0, "9.437"],
    [8, 8, "18.874"],
    [32, 4, "42.467"],
    [64, 0, "75.497"],
  ];
  for (const [lp, li, count] of layer) assert.is(prefixes("prefix-layer", lp, li), count);
});

test("table 15: LoRA with prefixes on GPT-3 175B is the sum of the two", () => {
  const prefix = { config: "gpt3-175b", prefix: 8, infix: 4 } as const;
  const embedding = countParameters("prefix-embedding", prefix).trainable;
  const together = (rank: number) => millions(gptLora("gpt3-175b", rank, [yes, no, yes]) + embedding, 3);
  assert.equal([8, 32, 64].map(together), ["37.896", "151.142", "302.137"]); // 37.8, 151.1, 302.1
  const layer = countParameters("prefix-layer", prefix).trainable;
  assert.is(gptLora("gpt3-175b", 8, [yes, no, yes]) + layer, 51_904_512); // 52.8, as prefix-layer
});

test("table 4: BitFit and full fine-tuning of GPT-3 175B", () => {
  const [L, d] = [96, 12288];
  assert.is(
    countParameters("bitfit", { config: "gpt3-175b", target: "transformer.h" }).trainable,
    11 * d * L,
  );
  assert.is(countParameters("bitfit", { config: "gpt3-175b" }).trainable, 11 * d * L + d); // paper: 14.2M = 12 d L
  assert.is(millions(countParameters("full", { config: "gpt3-175b" }).trainable, 1), "174604.3"); // 175255.8
});

test("LoRA at r = 4 on query and value: 0.01 % of GPT-3", () => {
  const slices = { c_attn: [yes, no, yes] };
  const { percent } = countParameters("lora", { config: "gpt3-175b", rank: 4, target: "c_attn", slices });
  assert.is(percent.toFixed(4), "0.0108");
});

test("tables 3, 13, 14: GPT-2 medium and large", () => {
  const adapterL = (config: ConfigurationName, rank: number) =>
    millions(countParameters("adapter", { config, variant: "lin", rank }).trainable, 4);
  assert.is(countParameters("full", { config: "gpt2-medium" }).trainable, 354_823_168); // 354.92M: 96 d more
  assert.is(
    millions(countParameters("last-layers", { config: "gpt2-medium", blocks: 2 }).trainable, 3),
    "25.192",
  );
  assert.is(adapterL("gpt2-medium", 6), "0.3688"); // 0.37M
  assert.is(adapterL("gpt2-medium", 224), "11.0892"); // 11.09M
  const adapterH = countParameters("adapter", { config: "gpt2-medium", variant: "houlsby", rank: 112 });
  assert.is(millions(adapterH.trainable, 3), "11.065"); // 11.09M, which no rank gives
  assert.is(gptLora("gpt2-medium", 4, [yes, no, yes]), 393_216); // 0.35M; the released checkpoint holds 393,216
  assert.is(countParameters("full", { config: "gpt2-large" }).trainable, 774_030_080); // 774.03M
  assert.is(adapterL("gpt2-large", 8), "0.8758"); // 0.88M
  assert.is(adapterL("gpt2-large", 248), "23.0028"); // 23.00M
  assert.is(gptLora("gpt2-large", 4, [yes, no, yes]), 737_280); // 0.77M
});

test("table 2: RoBERTa and DeBERTa", () => {
  const queryValue = { target: ["query", "value"], rank: 8 };
  assert.is(countParameters("lora", { config: "roberta-base", ...queryValue }).trainable, 294_912); // 0.3M
  assert.is(countParameters("lora", { config: "roberta-large", ...queryValue }).trainable, 786_432); // 0.8M
  const deberta = { config: "deberta-v2-xxlarge", target: ["query_proj", "value_proj"] } as const;
  assert.is(countParameters("lora", { ...deberta, rank: 16 }).trainable, 4_718_592); // 4.7M
  assert.is(countParameters("lora", { ...deberta, rank: 8 }).trainable, 2_359_296); // the rank that table 10 states

  const mnli = { ...configurations["roberta-base"], num_labels: 3 };
  const withHead = { config: mnli, ...queryValue, modulesToSave: "classifier" };
  assert.is(countParameters("lora", withHead).trainable, 887_811); // the authors' repository prints 0.8M

  assert.is(countParameters("bitfit", { config: "roberta-base", target: "encoder" }).trainable, 101_376); // 0.1M
  const drop = { config: "roberta-base", variant: "drop", rank: 48 } as const;
  assert.is(millions(countParameters("adapter", drop).trainable, 3), "0.895"); // 0.9M
  assert.is(millions(countParameters("adapter", { ...drop, layers: [8, 9, 10, 11] }).trainable, 3), "0.298"); // 0.3M

  const large = (variant: "pfeiffer" | "houlsby", rank: number) =>
    millions(countParameters("adapter", { config: "roberta-large", variant, rank }).trainable, 2);
  assert.is(large("pfeiffer", 64), "3.17"); // 3.0M
  assert.is(large("pfeiffer", 16), "0.81"); // 0.8M
  assert.is(large("houlsby", 64), "6.34"); // 6.0M
  assert.is(large("houlsby", 8), "0.84"); // 0.8M
});

// ---- QLoRA (Dettmers et al. 2023) ------------------------------------------------------------------------------

test("QLoRA's adapters: all linear layers of LLaMA at r = 64", () => {
  const adapters = (config: ConfigurationName) =>
    countParameters("lora", { config, rank: 64, target: "all-linear" }).trainable;
  assert.is(adapters("llama-7b"), 159_907_840);
  assert.is(adapters("llama-13b"), 250_347_520);
  assert.is(adapters("llama-33b"), 487_587_840);
  assert.is(adapters("llama-65b"), 799_539_200);
});

// ---- AdaLoRA (Zhang et al. 2023) -------------------------------------------------------------------------------

test("tables 1, 7: DeBERTaV3-base", () => {
  const all = { config: "deberta-v3-base", target: "all-linear" } as const;
  assert.is(countParameters("lora", { ...all, rank: 1 }).perModule.length, 72); // twelve blocks of six
  assert.is(countParameters("lora", { ...all, rank: 8 }).trainable, 1_327_104); // 1.33M
  assert.is(countParameters("lora", { ...all, rank: 2 }).trainable, 331_776); // 0.33M
  const five = { ...all, exclude: "attention.output.dense" };
  assert.is(countParameters("lora", { ...five, rank: 1 }).trainable, 147_456);
  const labels = [1, 2, 4, 8].map((rank) => countParameters("lora", { ...five, rank }).trainable / 184e4);
  assert.equal(
    labels.map((percent) => percent.toFixed(2)),
    ["0.08", "0.16", "0.32", "0.64"], // of the rounded 184M; the last is printed 0.65
  );

  const adapters = (variant: "houlsby" | "pfeiffer", rank: number) =>
    millions(countParameters("adapter", { config: "deberta-v3-base", variant, rank }).trainable, 3);
  assert.equal(
    [32, 16, 8].map((r) => adapters("houlsby", r)),
    ["1.199", "0.609", "0.314"],
  ); // 1.22, 0.61, 0.31
  assert.equal(
    [64, 32, 16].map((r) => adapters("pfeiffer", r)),
    ["1.190", "0.599", "0.304"],
  ); // 1.18, 0.60, 0.30
  assert.is(
    countParameters("bitfit", { config: "deberta-v3-base", target: /.*encoder\.layer\..*/ }).trainable,
    101_376,
  );
});

test("AdaLoRA's budget spread evenly, and as its final ranks", () => {
  const all = { config: "deberta-v3-base", target: "all-linear" } as const;
  assert.is(countParameters("adalora", { ...all, budget: 576 }).trainable, 1_327_680); // 1.27M, spread unevenly
  assert.is(countParameters("adalora", { ...all, budget: 144 }).trainable, 331_920); // 0.32M
  const attention = countParameters("adalora", {
    ...all,
    rank: 1,
    rankPattern: { "intermediate.dense": 0, "layer\\.\\d+\\.output\\.dense": 0 },
  });
  assert.is(attention.trainable, 48 * 1537); // one triplet of an attention matrix is 768 + 768 + 1
});

test("table 3: BART-large has 540,672 parameters per rank", () => {
  const per = (rank: number) => countParameters("lora", { config: "bart-large", target: "all-linear", rank });
  assert.is(per(1).trainable, 540_672);
  const ofBase = [1, 2, 8, 16].map((rank) => ((100 * per(rank).trainable) / per(rank).base).toFixed(3));
  assert.equal(ofBase, ["0.133", "0.266", "1.065", "2.129"]); // .13 .26 1.10 2.20
});

// ---- DoRA (Liu et al. 2024) ------------------------------------------------------------------------------------

const five = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"];

test("table 1: LoRA and DoRA on LLaMA", () => {
  const rows: [CountMethod & ("lora" | "dora"), ConfigurationName, number, number, string][] = [
    ["lora", "llama-7b", 32, 56_098_816, "0.8256"], // 0.83
    ["dora", "llama-7b", 32, 56_975_360, "0.8384"], // 0.84
    ["dora", "llama-7b", 16, 28_925_952, "0.4274"], // 0.43
    ["lora", "llama-13b", 32, 87_818_240, "0.6702"], // 0.67
    ["dora", "llama-13b", 32, 89_190_400, "0.6806"], // 0.68
    ["dora", "llama-13b", 16, 45_281_280, "0.3467"], // 0.35
    ["lora", "llama-3-8b", 32, 56_623_104, "0.7002"], // 0.70
    ["dora", "llama-3-8b", 32, 57_409_536, "0.7098"], // 0.71
    ["dora", "llama-3-8b", 16, 29_097_984, "0.3610"], // 0.35, which is LoRA's at r = 16
  ];
  for (const [method, config, rank, trainable, percent] of rows) {
    const count = countParameters(method, { config, rank, target: five });
    assert.is(count.trainable, trainable);
    assert.is(count.percent.toFixed(4), percent);
  }
  const perInput = countParameters("dora", {
    config: "llama-3-8b",
    rank: 32,
    target: five,
    magnitude: "input",
  });
  assert.is(perInput.trainable, 57_606_144);
  assert.is(perInput.percent.toFixed(4), "0.7123"); // 0.71
});

test("table 15: LoRA and DoRA on LLaMA-7B over the ranks", () => {
  const percents = (method: "lora" | "dora") =>
    [4, 8, 16, 32, 64].map((rank) =>
      countParameters(method, { config: "llama-7b", rank, target: five }).percent.toFixed(4),
    );
  assert.equal(percents("lora"), ["0.1040", "0.2077", "0.4145", "0.8256", "1.6378"]); // .10 .21 .42 .83 1.64
  assert.equal(percents("dora"), ["0.1169", "0.2207", "0.4274", "0.8384", "1.6504"]); // .11 .22 .43 .84 1.65
});

test("table 6: magnitudes on all seven matrices, directions on query, key and value", () => {
  const row = (config: ConfigurationName) =>
    countParameters("dora", {
      config,
      rank: 32,
      target: ["q_proj", "k_proj", "v_proj"],
      magnitudeOnly: "all-linear",
    });
  assert.is(row("llama-7b").trainable, 26_525_696);
  assert.is(row("llama-7b").percent.toFixed(4), "0.3921"); // 0.39
  assert.is(row("llama-13b").trainable, 41_451_520);
  assert.is(row("llama-13b").percent.toFixed(4), "0.3175"); // 0.31: truncated
});

test("table 5: LoRA, DoRA, VeRA and DVoRA on LLaMA-7B", () => {
  const all = { config: "llama-7b", target: "all-linear" } as const;
  const lora = countParameters("lora", { ...all, rank: 64 });
  const dora = countParameters("dora", { ...all, rank: 64 });
  assert.equal([lora.trainable, lora.percent.toFixed(3)], [159_907_840, "2.318"]); // 2.31: truncated
  assert.equal([dora.trainable, dora.percent.toFixed(3)], [161_267_712, "2.337"]); // 2.33: truncated

  const vera = countParameters("vera", { ...all, rank: 1024 });
  const dvora = countParameters("dvora", { ...all, rank: 1024 });
  assert.equal([vera.trainable, vera.percent.toFixed(2)], [1_589_248, "0.02"]);
  assert.equal([dvora.trainable, dvora.percent.toFixed(2)], [2_949_120, "0.04"]);
  assert.is(vera.total - vera.base - vera.trainable, 1024 * (11008 + 11008)); // the shared A and B, frozen
});

test("tables 4, 12: the language model of LLaVA-1.5-7B", () => {
  const all = { config: "llama-7b", target: "all-linear", rank: 128 } as const;
  assert.is(countParameters("lora", all).trainable, 319_815_680);
  assert.is(countParameters("dora", all).trainable, 321_175_552);
});

// ---- LoRA-FA (Zhang et al. 2023) -------------------------------------------------------------------------------

test("PEFT's benchmark on Llama-3.2-3B", () => {
  const spec = { config: "llama-3.2-3b", target: ["q_proj", "v_proj"], rank: 32 } as const;
  assert.is(countParameters("lora", spec).trainable, 9_175_040);
  assert.is(countParameters("lora-fa", spec).trainable, 3_670_016);
  assert.is(countParameters("dora", spec).trainable, 9_289_728);
  assert.is(countParameters("adalora", { ...spec, rank: 64 }).trainable, 18_353_664);
  assert.is(countParameters("lora-fa", spec).total, countParameters("lora", spec).total); // A is there, frozen
});

// ---- Laws ------------------------------------------------------------------------------------------------------

const natural = (max: number) => fc.integer({ min: 1, max });

/** Small models of every kind that is counted, with the suffixes that mean all their linear layers. */
const models = fc
  .record({ d: natural(6).map((n) => 4 * n), L: natural(4), V: natural(50), f: natural(40) })
  .chain(({ d, L, V, f }) =>
    fc.constantFrom<ModelFields>(
      { model_type: "gpt2", n_embd: d, n_layer: L, n_head: 2, vocab_size: V, n_inner: f },
      {
        model_type: "llama",
        hidden_size: d,
        num_hidden_layers: L,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        vocab_size: V,
        intermediate_size: f,
      },
      { model_type: "bert", hidden_size: d, num_hidden_layers: L, num_attention_heads: 2, num_labels: 2 },
    ),
  );
const target = fc.constantFrom<RankSpec["target"]>("all-linear", /.*\.\d+\..*(dense|proj|attn)/, [
  /.*embed.*|.*wte/,
]);
const specs = fc.record({ config: models, target, rank: natural(9) });

test("LoRA's count is linear in the rank", () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const one = countParameters("lora", { ...spec, rank: 1 }).trainable;
      assert.is(countParameters("lora", spec).trainable, spec.rank * one);
    }),
  );
});

test("LoRA, rsLoRA and LoRA+ train equally many; LoRA-FA trains B, and A fills the rest", () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const lora = countParameters("lora", spec);
      assert.equal(countParameters("rslora", spec), lora);
      assert.equal(countParameters("lora-plus", spec), lora);
      const frozenA = countParameters("lora-fa", spec);
      assert.is(frozenA.total, lora.total);
      const width = new Map(
        layout(modelConfig(spec.config as Record<string, unknown>)).map(({ name, inFeatures }) => [
          name,
          inFeatures,
        ]),
      );
      const A = lora.perModule.reduce((sum, { name }) => sum + spec.rank * width.get(name)!, 0);
      assert.is(lora.trainable - frozenA.trainable, A);
    }),
  );
});

test("DoRA adds one number per output or input, AdaLoRA one per triplet, to LoRA", () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const lora = countParameters("lora", spec);
      const extra = (method: "dora" | "adalora", options = {}) =>
        countParameters(method, { ...spec, ...options }).trainable - lora.trainable;
      const modules = layout(modelConfig(spec.config as Record<string, unknown>)).filter(({ name }) =>
        lora.perModule.some((m) => m.name === name),
      );
      assert.is(
        extra("dora"),
        modules.reduce((sum, m) => sum + m.outFeatures, 0),
      );
      assert.is(
        extra("dora", { magnitude: "input" }),
        modules.reduce((sum, m) => sum + m.inFeatures, 0),
      );
      assert.is(extra("adalora"), spec.rank * modules.length);
      assert.is(
        extra("adalora", { rank: undefined, budget: spec.rank * modules.length }),
        spec.rank * modules.length,
      );
    }),
  );
});

test("a rank pattern that names every layer's own rank is the sum over the layers", () => {
  fc.assert(
    fc.property(specs, fc.array(natural(9), { minLength: 40, maxLength: 40 }), (spec, ranks) => {
      const ones = countParameters("lora", { ...spec, rank: 1 }).perModule;
      const rankPattern = Object.fromEntries(ones.map(({ name }, i) => [name, ranks[i % ranks.length]]));
      const expected = ones.reduce((sum, { trainable }, i) => sum + trainable * ranks[i % ranks.length], 0);
      assert.is(countParameters("lora", { ...spec, rankPattern }).trainable, expected);
    }),
  );
});

test("total = base + added, and the modules sum to the whole", () => {
  fc.assert(
    fc.property(specs, fc.constantFrom("lora", "lora-fa", "dora", "vera", "dvora"), (spec, method) => {
      const { trainable, total, base, percent, perModule } = countParameters(method, spec);
      assert.is(base, countParameters("full", spec).trainable);
      assert.is(base, parameterCount(layout(modelConfig(spec.config as Record<string, unknown>))));
      assert.is(
        trainable,
        perModule.reduce((sum, module) => sum + module.trainable, 0),
      );
      assert.is(
        total - base,
        perModule.reduce((sum, module) => sum + module.added, 0),
      );
      assert.is(percent, (100 * trainable) / total);
    }),
  );
});

test("slicing a fused projection: every slice on is n pairs, one slice on is a plain layer of its width", () => {
  const spec = (slices?: boolean[]): LoraSpec => ({
    config: "gpt2",
    rank: 3,
    target: "c_attn",
    ...(slices && { slices: { c_attn: slices } }),
  });
  const d = 768;
  assert.is(countParameters("lora", spec()).trainable, 12 * 3 * (d + 3 * d));
  assert.is(countParameters("lora", spec([yes, yes, yes])).trainable, 12 * 3 * 3 * (d + d));
  assert.is(countParameters("lora", spec([no, yes, no])).trainable, 12 * 3 * (d + d));
  assert.is(countParameters("lora-fa", spec([no, yes, yes])).trainable, 12 * 3 * 2 * d);
});

test("biases and saved modules come on top", () => {
  const spec = { config: "gpt2", rank: 1, target: "c_attn" } as const;
  const lora = countParameters("lora", spec);
  const only = countParameters("lora", { ...spec, bias: "lora-only" });
  assert.is(only.trainable - lora.trainable, 12 * 3 * 768);
  assert.is(only.total - lora.total, 12 * 3 * 768); // the adapter's own copies, as of saved modules
  const all = countParameters("lora", { ...spec, bias: "all" });
  assert.is(all.trainable - lora.trainable, countParameters("bitfit", { config: "gpt2" }).trainable);
  const saved = countParameters("lora", { ...spec, modulesToSave: "lm_head" });
  assert.is(saved.total - lora.total, 50257 * 768); // a copy, no longer tied
});

test("a saved module is trained whole and not adapted", () => {
  const spec = { config: "gpt2", rank: 1, target: "c_attn" } as const;
  const saved = countParameters("lora", { ...spec, modulesToSave: "h.0.attn" });
  const [d, whole] = [768, 768 * 2304 + 2304 + 768 * 768 + 768];
  assert.is(saved.trainable, 11 * (d + 3 * d) + whole);
});

test("LoRA on an embedding, the head and a convolution", () => {
  const on = (config: ConfigurationName, target: string) =>
    countParameters("lora", { config, rank: 2, target }).trainable;
  assert.is(on("gpt2", "wte"), 2 * (50257 + 768));
  assert.is(on("llama-7b", "lm_head"), 2 * (4096 + 32000));
  assert.is(on("deberta-v2-xxlarge", "conv.conv"), 2 * (3 * 1536 + 1536)); // A [r, in, k], B [out, r, 1]
});

// ---- Bad input -------------------------------------------------------------------------------------------------

/** The error of `run`, which must be of this kind with this message. */
function refuses(
  kind: typeof ArgumentError | typeof AdapterError,
  run: () => unknown,
  message: RegExp,
): void {
  assert.throws(run, (error: unknown) => error instanceof kind && message.test(error.message));
}

test("what cannot be counted is refused by name", () => {
  const lora = (fields: object) => () =>
    countParameters("lora", { config: "gpt2", rank: 4, target: "c_attn", ...fields } as LoraSpec);
  refuses(
    ArgumentError,
    () => countParameters("prompt" as "full", { config: "gpt2" }),
    /method to be one of full, /,
  );
  refuses(
    ArgumentError,
    lora({ config: "gpt-2" }),
    /config to be a name in configurations \(nearest: gpt2, /,
  );
  refuses(ArgumentError, lora({ config: "llama-3-3b" }), /nearest: llama-33b, llama-3-8b/);
  refuses(
    ArgumentError,
    lora({ config: { model_type: "gpt2", n_layer: -1 } }),
    /n_layer to be a positive integer/,
  );
  for (const rank of [0, -1, 1.5, Number.NaN, undefined, "8"]) {
    refuses(ArgumentError, lora({ rank }), /expected rank to be an integer of at least 1; got rank/);
  }
  refuses(ArgumentError, lora({ rankPattern: { c_attn: 0 } }), /rankPattern c_attn/);
  refuses(
    AdapterError,
    lora({ rankPattern: { c_fc: 2 } }),
    /rankPattern: "c_fc" matches no module; nearest names: c_attn/,
  );
  refuses(
    AdapterError,
    lora({ target: "c_atn" }),
    /target: "c_atn" matches no module; nearest names: c_attn/,
  );
  refuses(AdapterError, lora({ target: "attn" }), /"attn" matches only modules that take no adapter/);
  refuses(AdapterError, lora({ modulesToSave: "score" }), /modulesToSave: "score" matches no module/);
  refuses(
    AdapterError,
    lora({ slices: { c_attn: [yes, no, yes, no, yes] } }),
    /2304 outputs, which 5 does not divide/,
  );
  refuses(ArgumentError, lora({ bias: "some" }), /bias to be "none", "all" or "lora-only"/);
  const all = { config: "gpt2", target: "all-linear" } as const;
  refuses(
    AdapterError,
    () => countParameters("adalora", { ...all, budget: 49 }),
    /49 triplets do not spread evenly over 48/,
  );
  refuses(AdapterError, () => countParameters("bitfit", { config: "llama-7b" }), /no biases/);
  refuses(
    ArgumentError,
    () => countParameters("last-layers", { config: "gpt2", blocks: 13 }),
    /blocks to be at most 12/,
  );
  refuses(ArgumentError, () => countParameters("prefix-layer", { config: "gpt2", prefix: -1 }), /prefix/);
  const wide = { config: "gpt2", variant: "wide" as "lin", rank: 1 } as const;
  refuses(
    ArgumentError,
    () => countParameters("adapter", wide),
    /variant to be one of houlsby, lin, pfeiffer, drop/,
  );
});

test.run();
