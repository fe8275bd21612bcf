/** @file Options by name: what is misspelt, another library's or another method's is refused, and nothing is changed. */

import * as fc from "fast-check";
import { ArgumentError, array, LowrankError, random } from "lowrank/core";
import {
  type AdaLoRA,
  type AdapterConfig,
  adaptedLayer,
  BudgetAllocator,
  compare,
  compose,
  convert,
  countParameters,
  inject,
  LoRA,
  LoraFAAdamW,
  loraPlus,
  type Method,
  methods,
  orthogonality,
  readAdapter,
  writeAdapter,
} from "lowrank/lora";
import { Linear } from "lowrank/nn";
import { QuantizedLinear, quantize, quantizedBytes, quantizeModel } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adaptedChain, Chain, everywhere, output, same } from "./support/models.ts";

const test = suite("options by name");

type Options = Readonly<Record<string, unknown>>;

/** A function that takes options: what it is given besides, and a few of the names it knows. */
interface Taker {
  readonly known: readonly string[];
  call(options: Options): unknown;
}

const rng = random(1);
const model = adaptedChain({ a: { method: "lora" }, b: { method: "adalora" } });
const triplets = (): AdaLoRA[] => [...model.adapter("b").values()] as AdaLoRA[];
const schedule = { totalSteps: 9, warmup: 1, final: 1, target: 2 };
const linear = new Linear(64, 3, { rng });
const site = adaptedLayer(linear).site;

const takers: Readonly<Record<string, Taker>> = {
  ...Object.fromEntries(
    (Object.keys(methods) as Method[]).map((method): [string, Taker] => [
      `inject ${method}`,
      {
        known: ["target", "exclude", "rankPattern", "modulesToSave", ...methods[method].adapter.options],
        call: (options) => inject(new Chain(), { method, rank: 1, target: everywhere, ...options } as never),
      },
    ]),
  ),
  addAdapter: {
    known: ["alpha", "dropout", "rankStabilized", "alphaPattern", "bias"],
    call: (options) => model.addAdapter("c", { rank: 1, target: everywhere, ...options } as never),
  },
  "a constructor": {
    known: ["alpha", "dropout"],
    call: (options) => new LoRA(site, { rank: 1, rng, ...options } as never),
  },
  loftq: {
    known: ["iterations"],
    call(options) {
      const chain = new Chain();
      quantizeModel(chain);
      const loftq = { original: new Chain(), ...options } as never;
      return inject(chain, { rank: 1, init: "loftq", target: "first", loftq });
    },
  },
  merge: { known: ["safe"], call: (options) => model.merge("a", options as never) },
  compose: {
    known: ["energy", "density"],
    call: (options) => compose(model, "c", { a: 1 }, options as never),
  },
  convert: { known: ["rank", "energy"], call: (options) => convert(model, "a", "c", options as never) },
  compare: { known: ["side"], call: (options) => compare(model, "a", "b", options as never) },
  BudgetAllocator: {
    known: ["interval", "betas", "measure", "settle"],
    call: (options) => new BudgetAllocator(triplets(), { ...schedule, ...options } as never),
  },
  orthogonality: { known: ["weight", "form"], call: (options) => orthogonality([], options as never) },
  loraPlus: {
    known: ["embeddingLr", "weightDecay"],
    call: (options) => loraPlus(model, { lr: 1, ratio: 2, ...options } as never),
  },
  LoraFAAdamW: {
    known: ["correctGradient", "weightDecay", "betas"],
    call: (options) => new LoraFAAdamW(model, options as never),
  },
  writeAdapter: {
    known: ["fields", "dtype"],
    call: (options) => writeAdapter(model, { name: "a", ...options } as never),
  },
  readAdapter: {
    known: ["method", "seed", "source"],
    call: (options) => readAdapter(new Chain(), writeAdapter(model, { name: "a" }), options as never),
  },
  countParameters: {
    known: ["exclude", "layers", "rankPattern", "slices"],
    call: (options) =>
      countParameters("lora", { config: "gpt2", rank: 1, target: "c_attn", ...options } as never),
  },
  quantize: {
    known: ["format", "blockSize", "doubleQuant"],
    call: (options) => quantize(array([1, 2]), options as never),
  },
  quantizedBytes: {
    known: ["format", "blockSize", "doubleQuant"],
    call: (options) => quantizedBytes([2, 64], options as never),
  },
  "QuantizedLinear.from": {
    known: ["format", "computeDtype"],
    call: (options) => QuantizedLinear.from(linear, options as never),
  },
  quantizeModel: {
    known: ["format", "blockSize", "doubleQuant", "computeDtype", "skip"],
    call: (options) => quantizeModel(new Chain(), options as never),
  },
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Ways to write a name wrong that a reader still takes for it. */
const slips: Readonly<Record<string, (name: string) => string>> = {
  "snake case": snake,
  "a capital": (name) => name[0].toUpperCase() + name.slice(1),
  "a letter twice": (name) => name + (name.at(-1) as string),
  "neighbours exchanged": (name) => name.slice(0, -2) + (name.at(-1) as string) + (name.at(-2) as string),
};

/** What `call` refuses its options with. */
function refusal(call: () => unknown): LowrankError {
  try {
    call();
  } catch (error) {
    if (error instanceof LowrankError) return error;
    throw error;
  }
  throw new Error("expected a refusal; got none");
}

for (const [name, { known, call }] of Object.entries(takers)) {
  test(`${name}: a misspelt option is refused with the one that was meant`, () => {
    const before = [output(model), model.names, model.merged];
    for (const option of known) {
      for (const [slip, write] of Object.entries(slips)) {
        const written = write(option);
        if (written === option) continue;
        const error = refusal(() => call({ [written]: 1 }));
        assert.instance(error, ArgumentError, `${slip} ${written}: ${error}`);
        assert.match(error.message, `expected ${option} (there is no option ${written} here)`);
      }
    }
    assert.ok(same(output(model), before[0] as Float32Array));
    assert.equal([model.names, model.merged], before.slice(1));
  });

  test(`${name}: any other option is refused by name`, () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{9,12}$/), (option) => {
        assert.match(refusal(() => call({ [option]: 1 })).message, `there is no option ${option} here`);
      }),
      { numRuns: 20 },
    );
    if (name !== "convert")
      assert.instance(
        refusal(() => call({ __typename: 1 })),
        ArgumentError,
      );
  });

  test(`${name}: an option that is undefined is one left out`, () => {
    assert.not.throws(() => {
      call({ thereIsNone: undefined });
      if (model.merged.length > 0) model.unmerge();
      if (model.names.includes("c")) model.deleteAdapter("c");
    });
  });
}

test("PEFT's and bitsandbytes' names lead to ours", () => {
  const leads: readonly [string, string, string][] = [
    ["inject lora", "r", "rank"],
    ["inject lora", "lora_alpha", "alpha"],
    ["inject lora", "lora_dropout", "dropout"],
    ["inject lora", "use_rslora", "rankStabilized"],
    ["inject lora", "use_dora", 'method: "dora"'],
    ["inject lora", "target_modules", "target"],
    ["inject lora", "exclude_modules", "exclude"],
    ["inject lora", "layers_to_transform", "layers"],
    ["inject lora", "modules_to_save", "modulesToSave"],
    ["inject lora", "init_lora_weights", "init"],
    ["inject lora", "rank_pattern", "rankPattern"],
    ["inject lora", "fan_in_fan_out", "nothing in its place: each layer knows its own layout"],
    ["inject lora", "load_in_4bit", "format of quantizeModel(), before inject()"],
    ["inject lora", "rng", "seed"],
    ["inject adalora", "init_r", "rank"],
    ["inject adalora", "tinit", "warmup of a BudgetAllocator, which has AdaLoRA's schedule"],
    ["addAdapter", "name", "the name as the first argument"],
    ["merge", "safe_merge", "safe"],
    ["compose", "combination_type", "by"],
    ["compose", "svd_rank", "rank"],
    ["BudgetAllocator", "total_step", "totalSteps"],
    ["BudgetAllocator", "deltaT", "interval"],
    ["loraPlus", "loraplus_lr_ratio", "ratio"],
    ["LoraFAAdamW", "learning_rate", "lr"],
    ["countParameters", "r", "rank"],
    ["quantize", "blocksize", "blockSize"],
    ["quantizeModel", "bnb_4bit_quant_type", "format"],
    ["quantizeModel", "bnb_4bit_use_double_quant", "doubleQuant"],
    ["quantizeModel", "bnb_4bit_compute_dtype", "computeDtype"],
    ["quantizeModel", "llm_int8_skip_modules", "skip"],
    ["QuantizedLinear.from", "compress_statistics", "doubleQuant"],
  ];
  for (const [name, theirs, ours] of leads) {
    const { message } = refusal(() => takers[name].call({ [theirs]: 1 }));
    assert.match(message, `expected ${ours} (there is no option ${theirs} here)`);
  }
});

test("an option of another method says which", () => {
  const others: readonly [Method, string, unknown, string][] = [
    ["lora", "normGradient", true, 'method: "dora"'],
    ["lora", "ranknum", true, 'method: "adalora"'],
    ["lora", "slices", [true], 'method: "merged-linear"'],
    ["adalora", "init", "pissa", 'method: "lora" or "dora" or "lora-fa"'],
    ["lora-conv", "loftq", {}, 'method: "lora" or "dora" or "lora-fa"'],
    ["lora-fa", "normGradient", false, 'method: "dora"'],
  ];
  for (const [method, option, value, owner] of others) {
    const { message } = refusal(() => takers[`inject ${method}`].call({ [option]: value }));
    assert.match(message, `expected ${owner}, whose option that is (there is no option ${option} here)`);
  }
});

test("every method states its options, and inject takes them all", () => {
  const values: Options = { rankStabilized: false, dropout: 0, init: "kaiming", normGradient: true };
  for (const method of Object.keys(methods) as Method[]) {
    const options = methods[method].adapter.options.filter((option) => option in values);
    assert.ok(options.length >= 2, method);
    const given = Object.fromEntries(options.map((option) => [option, values[option]]));
    assert.not.throws(() => takers[`inject ${method}`].call(given));
  }
});

test("a switch takes true and false, a number no text", () => {
  for (const [method, options] of [
    ["lora", { rankStabilized: "false" }],
    ["dora", { normGradient: 1 }],
    ["adalora", { ranknum: null }],
    ["lora", { dropout: "0.1" }],
  ] as const) {
    const name = Object.keys(options)[0];
    assert.match(
      refusal(() => takers[`inject ${method}`].call(options)).message,
      new RegExp(`${name}: expected`),
    );
  }
});

test("the types: without a method the options are LoRA's alone", () => {
  const where = { target: "first", rank: 1 };
  const configs: AdapterConfig[] = [
    { rank: 1, target: "first", init: "kaiming" },
    { ...where, method: "dora", normGradient: true },
    // @ts-expect-error normGradient is DoRA's
    { rank: 1, target: "first", normGradient: true },
    // @ts-expect-error slices are merged-linear's
    { rank: 1, target: "first", slices: [true] },
    // @ts-expect-error ranknum is AdaLoRA's
    { ...where, method: "lora", ranknum: true },
    // @ts-expect-error AdaLoRA has no init
    { ...where, method: "adalora", init: "pissa" },
    // @ts-expect-error there is no such option
    { rank: 1, target: "first", lora_alpha: 2 },
  ];
  assert.is(configs.length, 7);
});

test.run();
