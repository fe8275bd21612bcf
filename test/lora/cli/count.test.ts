/** @file `lowrank count`: every method on every published configuration, formulas that are true, and bad input. */

import { mkdirSync, writeFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { exists, makeTemporaryFolder, removeFile } from "lowrank/core";
import { countParameters, inject } from "lowrank/lora";
import {
  type ConfigurationName,
  configurations,
  GPT2,
  layout,
  parameterCount,
  savePretrained,
} from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { countMethods, formulaTexts, kindName } from "../../../lora/cli/look/count-methods.ts";
import { lowrank } from "./run.ts";

const test = suite("count");
const folder = makeTemporaryFolder("lowrank-count-");
test.after(() => removeFile(folder));

interface Counted {
  method: string;
  problem?: string;
  trainable: number;
  total: number;
  added: number;
  percent: number;
  formula: string;
  modules: {
    name: string;
    count: number;
    shape: [number, number] | null;
    each: number | null;
    trainable: number;
  }[];
}
interface Document extends Counted {
  base: number;
  methods: Counted[];
}

const run = async (...words: string[]): Promise<Document> => {
  const ran = await lowrank(["count", ...words, "--json"]);
  assert.is(ran.code, 0, ran.stderr);
  return ran.json<never>() as Document;
};

test("every method on every published configuration is what countParameters says, or the reason why it cannot be", async () => {
  let problems = 0;
  for (const config of Object.keys(configurations) as ConfigurationName[]) {
    const document = await run("all", "--config", config, "--rank", "4");
    assert.equal(
      document.methods.map(({ method }) => method),
      countMethods,
    );
    assert.is(document.base, parameterCount(layout(configurations[config])));
    for (const { method, problem, ...one } of document.methods) {
      if (problem !== undefined) {
        problems++;
        assert.is(method, "bitfit");
        continue;
      }
      const rank = { config, rank: 4, target: "all-linear" };
      const spec = {
        full: { config },
        "last-layers": { config, blocks: 1 },
        bitfit: { config },
        adapter: { config, rank: 4, variant: "houlsby" },
        "prefix-embedding": { config, prefix: 8 },
        "prefix-layer": { config, prefix: 8 },
      }[method as string];
      const { trainable, total, percent } = countParameters(method as "lora", (spec ?? rank) as never);
      assert.equal(
        [one.trainable, one.total, one.percent],
        [trainable, total, percent],
        `${method} ${config}`,
      );
      assert.is(
        one.modules.reduce((n, { trainable: t }) => n + t, 0),
        trainable,
      );
    }
  }
  assert.ok(problems > 0);
});

test("the formula that is shown gives the number of each module", async () => {
  for (const method of countMethods.filter((name) => !/every|block|prefix/.test(formulaTexts[name]))) {
    const formula = formulaTexts[method].replace(/(?<=[\w)]) (?=[\w(])/g, "*");
    const { modules } = await run(method, "--config", "gpt2", "--rank", "5");
    for (const { shape, each, name } of modules.filter(({ trainable }) => trainable > 0)) {
      const [d_out, d_in] = shape!;
      assert.is(runInNewContext(formula, { r: 5, d_in, d_out }), each, `${method} ${name}`);
    }
  }
});

test("a model's folder and its config.json count as the real model does with real adapters", async () => {
  const model = new GPT2({
    model_type: "gpt2",
    vocab_size: 11,
    n_positions: 6,
    n_embd: 4,
    n_layer: 2,
    n_head: 2,
  });
  savePretrained(model, `${folder}/model`);
  const adapted = inject(model, {
    method: "dora",
    rank: 2,
    target: ["c_attn", "c_fc"],
    rankPattern: { c_fc: 3 },
    bias: "lora-only",
  });
  for (const config of [`${folder}/model`, `${folder}/model/config.json`]) {
    const { trainable, total } = await run(
      ...[
        "dora",
        "--config",
        config,
        "--rank",
        "2",
        "--target",
        "c_attn,c_fc",
        "--rank-pattern",
        "c_fc=3",
        "--bias",
        "lora-only",
      ],
    );
    assert.equal(
      [trainable, total],
      [adapted.trainableParameters().trainable, adapted.trainableParameters().total],
    );
  }
});

test("--list names every configuration", async () => {
  const { stdout } = await lowrank(["count", "--list"]);
  for (const name of Object.keys(configurations)) assert.ok(stdout.includes(name), name);
  const { configurations: rows } = (await lowrank(["count", "--list", "--json"])).json<{
    configurations: { name: string; parameters: number }[];
  }>();
  assert.is(rows.find(({ name }) => name === "gpt2")!.parameters, 124_439_808);
});

test("known numbers of the papers", async () => {
  assert.is(
    (await run("lora", "--config", "gpt3-175b", "--rank", "8", "--target", "attn.c_proj")).trainable,
    18_874_368,
  );
  assert.is((await run("bitfit", "--config", "roberta-base")).trainable, 102_912);
});

test("numbers of blocks are one kind", () => {
  assert.is(kindName("model.layers.10.self_attn.q_proj"), "model.layers.*.self_attn.q_proj");
  assert.is(kindName("transformer.h.3"), "transformer.h.*");
  assert.is(kindName("fc1.2x"), "fc1.2x");
});

test("tables are no wider than the terminal", async () => {
  for (const terminal of [60, 80, 120])
    for (const words of [["all", "--config", "llama-7b"], ["dora", "--config", "gpt2-xl"], ["--list"]]) {
      const { stdout } = await lowrank(["count", ...words], { terminal, env: { NO_COLOR: "1" } });
      for (const line of stdout.split("\n\n")[0].split("\n"))
        assert.ok(line.length <= terminal, `${terminal}: ${line}`);
    }
});

test("bad input is one line and exit code 1", async () => {
  writeFileSync(`${folder}/bad.json`, "{");
  writeFileSync(`${folder}/gemma.json`, JSON.stringify({ model_type: "gemma" }));
  writeFileSync(`${folder}/odd.json`, JSON.stringify({ model_type: "gpt2", n_layer: -1 }));
  mkdirSync(`${folder}/empty`, { recursive: true });
  const cases: readonly (readonly [string[], RegExp])[] = [
    [[], /expected a method/],
    [["lora"], /--config: expected/],
    [["lroa", "--config", "gpt2"], /got lroa \(nearest: lora/],
    [["lora", "--config", "gtp2"], /got gtp2 \(nearest: gpt2/],
    [["lora", "--config", `${folder}/none/x`], /--config: there is no folder/],
    [["lora", "--config", `${folder}/empty`], /config.json/],
    [["lora", "--config", `${folder}/bad.json`], /bad.json: not JSON/],
    [["lora", "--config", `${folder}/gemma.json`], /gemma.json: expected model_type/],
    [["lora", "--config", `${folder}/odd.json`], /odd.json: .*n_layer/],
    [["lora", "--config", "gpt2", "--rank", "0"], /--rank: expected a whole number from 1; got "0"/],
    [["lora", "--config", "gpt2", "--rank", "abc"], /--rank/],
    [["lora", "--config", "gpt2", "--target", "c_atn"], /"c_atn" matches no module; nearest names: c_attn/],
    [["lora", "--config", "gpt2", "--rank-pattern", "c_attn"], /--rank-pattern: expected name=number/],
    [["lora", "--config", "gpt2", "--layers", "12"], /12/],
    [["bitfit", "--config", "gpt2", "--rank", "4"], /--rank: bitfit has no such option/],
    [["bitfit", "--config", "llama-7b"], /no biases/],
    [["adapter", "--config", "gpt2", "--variant", "x"], /--variant: expected one of houlsby/],
    [["last-layers", "--config", "gpt2", "--blocks", "13"], /at most 12/],
    [["adalora", "--config", "gpt2", "--budget", "7"], /do not spread evenly/],
  ];
  for (const [argv, problem] of cases) {
    const { code, stdout, stderr } = await lowrank(["count", ...argv]);
    assert.is(code, 1, argv.join(" "));
    assert.is(stdout, "");
    assert.match(stderr, problem);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
    assert.not.match(stderr, /fault of lowrank|countParameters/, stderr);
  }
});

const shared = "../shared/interop/base";
if (!exists(shared)) {
  console.log(`skipped: models of transformers: ${shared} is not there`);
  test.skip("models of transformers");
} else {
  test("models of transformers are counted as their weights are", async () => {
    for (const name of ["bert", "roberta", "gpt2", "gpt2u", "llama", "llamat"]) {
      const { base } = await run("full", "--config", `${shared}/${name}`);
      const { parameters } = (await lowrank(["inspect", `${shared}/${name}`, "--headers", "--json"])).json<{
        parameters: number;
      }>();
      assert.is(base, parameters, name);
    }
  });
}

test.run();
