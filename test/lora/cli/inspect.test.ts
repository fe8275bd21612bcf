/** @file `lowrank inspect`: checkpoints, adapters and files; numbers, kinds, memory, plots; and what is no such thing. */

import { readFileSync, writeFileSync } from "node:fs";
import { parseHTML } from "linkedom";
import {
  exists,
  makeFolder,
  makeTemporaryFolder,
  openSafetensors,
  random,
  removeFile,
  saveSafetensors,
  tensorBytes,
} from "lowrank/core";
import { inject, measureUpdate, openAdapter, saveAdapter } from "lowrank/lora";
import { configurations, GPT2, layout, linearWeightCount, parameterCount, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spectraPicture } from "../../../lora/cli/look/spectra.ts";
import { kindOfTensor } from "../../../lora/cli/look/tensors.ts";
import { bar, sparkline } from "../../../lora/cli/terminal/bars.ts";
import { randomize } from "../support/models.ts";
import { lowrank, type Situation } from "./run.ts";

const test = suite("inspect");
const folder = makeTemporaryFolder("lowrank-inspect-");
const config = {
  model_type: "gpt2",
  vocab_size: 11,
  n_positions: 6,
  n_embd: 4,
  n_layer: 2,
  n_head: 2,
} as const;

test.before(() => {
  const model = new GPT2(config, { rng: random(1) });
  savePretrained(model, `${folder}/base`);
  const adapted = inject(model, { method: "lora", rank: 2, alpha: 6, target: ["c_attn", "c_fc"] });
  randomize(adapted as never, "default", 5);
  saveAdapter(adapted, `${folder}/adapter`);
});
test.after(() => removeFile(folder));

interface Tensor {
  name: string;
  kind: string;
  norm?: number;
  bytes: number;
}

test("a checkpoint: its parameters, kinds, bytes and norms", async () => {
  const { code, stderr, ...ran } = await lowrank(["inspect", `${folder}/base`, "--json"]);
  assert.is(code, 0);
  assert.is(stderr, "");
  const document = ran.json<
    Record<string, never> & { tensors: Tensor[]; byKind: { kind: string; parameters: number }[] }
  >();
  const parameters = parameterCount(layout(new GPT2(config).config));
  assert.is(document.kind, "checkpoint");
  assert.is(document.modelType, "gpt2");
  assert.is(document.parameters, parameters);
  assert.is(document.bytes, 4 * parameters);
  assert.equal(document.dtypes, { F32: 4 * parameters });
  assert.is(
    document.byKind.reduce((n, { parameters: p }) => n + p, 0),
    parameters,
  );
  const { tensors } = openSafetensors(`${folder}/base/model.safetensors`);
  assert.is(document.tensors.length, tensors.size);
  for (const { name, norm } of document.tensors) {
    const values = Array.from(tensors.get(name)!.floats());
    const squares = values.reduce((sum, x) => sum + x * x, 0);
    assert.ok(Math.abs(norm! - Math.sqrt(squares)) <= 1e-9 * norm!, name);
  }
});

test("--headers reads no numbers, and shows the same tensors", async () => {
  const { tensors } = (await lowrank(["inspect", `${folder}/base`, "--json", "--headers"])).json<{
    tensors: Tensor[];
  }>();
  assert.ok(tensors.every((tensor) => tensor.norm === undefined));
  const layers = (await lowrank(["inspect", `${folder}/adapter`, "--json", "--headers"])).json<{
    layers: object[];
  }>();
  assert.is(layers.layers.length, 4);
  assert.not.ok("norm" in layers.layers[0]);
});

test("an adapter: each layer's rank, scaling, norms and singular values", async () => {
  const document = (await lowrank(["inspect", `${folder}/adapter`, "--json"])).json<{
    kind: string;
    method: string;
    rank: number;
    alpha: number;
    parameters: number;
    layers: Record<string, unknown>[];
  }>();
  const { kind, method, rank, alpha, parameters } = document;
  assert.equal(
    { kind, method, rank, alpha, parameters },
    { kind: "adapter", method: "lora", rank: 2, alpha: 6, parameters: 2 * (2 * (4 + 12) + 2 * (4 + 16)) },
  );
  for (const layer of openAdapter(`${folder}/adapter`).layers) {
    const shown = document.layers.find(({ name }) => name === layer.name)!;
    const measured = { ...measureUpdate(layer)! };
    for (const [field, value] of Object.entries(measured)) assert.equal(shown[field], value, field);
    assert.is(shown.scaling, 3);
  }
});

test("no line of the tables is wider than the terminal, whatever it is", async () => {
  for (const path of ["base", "adapter"]) {
    for (const terminal of [60, 80, 120]) {
      const { stdout } = await lowrank(["inspect", `${folder}/${path}`], {
        terminal,
        env: { NO_COLOR: "1" },
      });
      const [tables] = stdout.split(`\n${folder}/`);
      for (const line of tables.split("\n")) assert.ok(line.length <= terminal, `${line.length}: ${line}`);
    }
  }
});

test("without colours there are no escapes; with a terminal there are", async () => {
  const words = ["inspect", `${folder}/base`];
  const escaped = async (...more: [Situation?]) => (await lowrank(words, ...more)).stdout.includes("\u001b");
  assert.not.ok(await escaped());
  assert.not.ok(await escaped({ terminal: 80, env: { NO_COLOR: "1" } }));
  assert.ok(await escaped({ terminal: 80 }));
});

test("NaN and infinities are named with their tensor and place", async () => {
  const path = `${folder}/bad.safetensors`;
  const values = [1, 2, Number.NaN, 4, Infinity, -Infinity];
  saveSafetensors(path, [
    ["a.weight", tensorBytes("F32", [2, 3], values)],
    ["b.weight", tensorBytes("F32", [1], [1])],
  ]);
  const sentence = "a.weight holds 1 NaN and 2 ±∞, the first at [0, 2]";
  assert.equal((await lowrank(["inspect", path, "--json"])).json().notFinite, [sentence]);
  assert.ok((await lowrank(["inspect", path])).stdout.includes(sentence));
});

test("an adapter with NaN is shown with its other layers, and says so", async () => {
  const adapted = inject(new GPT2(config, { rng: random(1) }), {
    method: "lora",
    rank: 1,
    target: ["c_attn"],
  });
  const [part] = adapted.adapter("default").values();
  part.parameters()[0].assign(new Float32Array(part.parameters()[0].size).fill(Number.NaN));
  saveAdapter(adapted, `${folder}/nan`);
  const { layers, notFinite } = (await lowrank(["inspect", `${folder}/nan`, "--json"])).json<{
    layers: { norm: number | null }[];
    notFinite: string[];
  }>();
  assert.equal(
    layers.map(({ norm }) => norm),
    [null, 0],
  );
  assert.is(notFinite.length, 1);
});

test("--svg draws every layer, as well-formed XML, and replaces no file unasked", async () => {
  const svg = `${folder}/spectra.svg`;
  const draw = (...more: string[]) => lowrank(["inspect", `${folder}/adapter`, "--svg", svg, ...more]);
  assert.is((await draw()).code, 0);
  const picture = readFileSync(svg, "utf8");
  const document = parseHTML(picture).document;
  assert.is(document.querySelectorAll("rect.bar").length, 8);
  for (const { name } of openAdapter(`${folder}/adapter`).layers) assert.ok(picture.includes(name), name);
  writeFileSync(svg, "mine");
  const { code, stdout, stderr } = await draw();
  assert.equal([code, stdout], [1, ""]);
  assert.match(stderr, /--svg: .* is there already; --overwrite replaces it/);
  assert.is(readFileSync(svg, "utf8"), "mine");
  assert.is((await draw("--overwrite")).code, 0);
  assert.is(readFileSync(svg, "utf8"), picture);
  assert.match(
    (await lowrank(["inspect", `${folder}/base`, "--svg", `${folder}/x.svg`])).stderr,
    /--svg: expected with an adapter/,
  );
  assert.match((await lowrank(["inspect", `${folder}/adapter`, "--svg", folder])).stderr, /is a folder/);
  assert.is((await lowrank(["inspect", `${folder}/adapter`, "--svg", `${folder}/none/x.svg`])).code, 1);
  assert.match(
    spectraPicture("<&>", [{ name: "a\u0000<b", singularValues: null }]),
    /&lt;&amp;&gt;[\s\S]*a\ufffd&lt;b/,
  );
});

test("names with control characters do not reach the terminal", async () => {
  const path = `${folder}/escape.safetensors`;
  saveSafetensors(path, [["a\u001b[31m.weight", tensorBytes("F32", [1], [Number.NaN])]]);
  for (const command of ["inspect", "verify"])
    assert.not.ok((await lowrank([command, path])).stdout.includes("\u001b"), command);
});

test("what is no model, adapter or safetensors file is told in one line", async () => {
  makeFolder(`${folder}/empty`);
  makeFolder(`${folder}/broken`);
  writeFileSync(`${folder}/broken/adapter_config.json`, "{ not json");
  writeFileSync(`${folder}/broken/adapter_model.safetensors`, "");
  writeFileSync(`${folder}/pickle.safetensors`, "PK\x03\x04................................");
  writeFileSync(`${folder}/nothing.safetensors`, "");
  for (const [path, problem] of [
    ["none", /there is no file or folder/],
    ["empty", /no model.safetensors/],
    ["broken", /adapter_config.json: not JSON/],
    ["pickle.safetensors", /zip archive, as torch.save writes; convert it/],
    ["nothing.safetensors", /too few for a safetensors file/],
  ] as const) {
    const { code, stdout, stderr } = await lowrank(["inspect", `${folder}/${path}`]);
    assert.is(code, 1, path);
    assert.is(stdout, "");
    assert.match(stderr, problem);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
  }
  assert.is((await lowrank(["inspect"])).code, 1);
});

test("names of published models have the kinds that their configurations say", () => {
  for (const name of ["gpt2", "llama-7b", "qwen2.5-0.5b", "roberta-base", "bert-base-uncased"] as const) {
    const modules = layout(configurations[name]);
    for (const { kind, parameters, name: module } of modules) {
      for (const parameter of parameters) {
        const said = kindOfTensor(parameter.name);
        const right = {
          linear: ["attention", "mlp", "other"],
          conv1d: ["attention", "mlp"],
          embedding: ["embedding"],
          norm: ["norm"],
          head: ["head"],
          convolution: ["other"],
          other: ["other"],
        }[kind];
        assert.ok(
          right.includes(said),
          `${name}: ${parameter.name} of ${module} (${kind}) is called ${said}`,
        );
      }
    }
    const matrices = modules
      .flatMap(({ parameters }) => parameters)
      .filter((p) => p.shape.length === 2 && ["attention", "mlp"].includes(kindOfTensor(p.name)));
    const pooler = name.includes("bert") ? configurations[name as "roberta-base"].hidden_size ** 2 : 0;
    const counted = matrices.reduce((n, { shape: [a, b] }) => n + a * b, 0);
    assert.is(counted + pooler, linearWeightCount(modules), name);
  }
});

test("plots of text: the largest is full, 0 is a dot, a small share is seen", () => {
  assert.is(sparkline([4, 2, 1, 0]), "█▄▂·");
  assert.is(sparkline([8, 1, 1, 7, 1, 1], 2), "█▇");
  assert.is(sparkline([]), "");
  assert.is(sparkline([0, 0]), "··");
  assert.is(bar(1, 4), "████");
  assert.is(bar(0.5, 3), "█▌");
  assert.is(bar(1e-9, 10), "▏");
  assert.is(bar(0, 10), "");
});

const shared = "../shared/interop/adapters";
if (!exists(shared)) {
  console.log(`skipped: adapters of PEFT: ${shared} is not there`);
  test.skip("adapters of PEFT");
} else {
  test("adapters of PEFT are shown, also those that cannot be loaded", async () => {
    for (const name of ["l-lora-bias", "l-token-ids", "l-target-params", "g-save-both", "l-unknown"]) {
      const { code, ...ran } = await lowrank(["inspect", `${shared}/${name}`, "--json"]);
      assert.is(code, 0, name);
      assert.ok(ran.json<{ layers: { norm: number }[] }>().layers.every(({ norm }) => norm > 0));
    }
    const { code, stderr } = await lowrank(["inspect", `${shared}/l-bin`]);
    assert.is(code, 1);
    assert.match(stderr, /adapter_model.bin, a pickle of PyTorch/);
  });
}

test.run();
