/** @file `lowrank verify`: what is right has no errors; every damage to a checkpoint or an adapter is found and named. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  exists,
  loadSafetensors,
  makeTemporaryFolder,
  removeFile,
  saveSafetensors,
  type TensorBytes,
  tensorBytes,
} from "lowrank/core";
import { type AdapterConfig, inject, saveAdapter } from "lowrank/lora";
import { loadPretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyFolder } from "../../support/tiny-folder.ts";
import { randomize } from "../support/models.ts";
import { lowrank } from "./run.ts";

const test = suite("verify");
const folder = makeTemporaryFolder("lowrank-verify-");
const base = `${folder}/base`;
const methods: Readonly<Record<string, AdapterConfig>> = {
  lora: { method: "lora", rank: 2, alpha: 4, target: ["q_proj", "down_proj"] },
  dora: { method: "dora", rank: 2, target: ["v_proj"] },
  adalora: { method: "adalora", rank: 3, target: ["q_proj"], ranknum: true },
  patterns: {
    method: "lora",
    rank: 2,
    target: "all-linear",
    rankPattern: { q_proj: 3 },
    alphaPattern: { k_proj: 5 },
    rankStabilized: true,
  },
  saves: {
    method: "lora",
    rank: 1,
    target: ["embed_tokens", "o_proj"],
    bias: "all",
    modulesToSave: ["norm"],
  },
};

test.before(() => {
  tinyFolder(base);
  for (const [name, config] of Object.entries(methods)) {
    const adapted = inject(loadPretrained(base), config);
    randomize(adapted as never, "default", 3);
    saveAdapter(adapted, `${folder}/${name}`);
  }
});
test.after(() => removeFile(folder));

interface Document {
  kind: string;
  ok: boolean;
  findings: { level: string; message: string }[];
}
const verify = async (...words: string[]) => {
  const ran = await lowrank(["verify", ...words, "--json"]);
  const document = ran.json<never>() as Document;
  assert.is(ran.code, document.ok ? 0 : 1);
  assert.is(
    document.ok,
    document.findings.every(({ level }) => level !== "error"),
  );
  return document;
};

test("a checkpoint and adapters of every method, as they were written, have nothing wrong", async () => {
  assert.equal(await verify(base), {
    path: base,
    kind: "checkpoint",
    base: null,
    ok: true,
    findings: [],
  } as never);
  for (const name of Object.keys(methods)) {
    assert.equal((await verify(`${folder}/${name}`)).findings, [], name);
    assert.equal((await verify(`${folder}/${name}`, "--base", base)).findings, [], name);
  }
  const { code, stdout } = await lowrank(["verify", `${folder}/lora`, "--base", base]);
  assert.is(code, 0);
  assert.is(stdout, `${folder}/lora: an adapter, no errors for ${base}\n`);
});

type Tensors = Map<string, TensorBytes>;

/** A copy of a folder, with other tensors and other fields. */
function damaged(
  from: string,
  change: (tensors: Tensors, fields: Record<string, unknown>) => void,
  [weights, config]: readonly [string, string] = ["adapter_model.safetensors", "adapter_config.json"],
): string {
  const path = `${folder}/damaged`;
  rmSync(path, { recursive: true, force: true });
  cpSync(`${folder}/${from}`, path, { recursive: true });
  const tensors: Tensors = new Map(
    Array.from(loadSafetensors(`${path}/${weights}`).tensors, ([name, { dtype, shape, bytes }]) => [
      name,
      { dtype, shape, bytes },
    ]),
  );
  const fields = JSON.parse(readFileSync(`${path}/${config}`, "utf8"));
  change(tensors, fields);
  saveSafetensors(`${path}/${weights}`, tensors);
  writeFileSync(`${path}/${config}`, JSON.stringify(fields));
  return path;
}

const keyOf = (tensors: Tensors, end: string): string =>
  [...tensors.keys()].find((key) => key.endsWith(end))!;
const Q = "base_model.model.model.layers.0.self_attn.q_proj";
const filled = (shape: readonly number[], value: number): TensorBytes =>
  tensorBytes("F32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value));

test("each damage to an adapter is an error that names it", async () => {
  const cases: readonly (readonly [string, (t: Tensors, f: Record<string, unknown>) => void, RegExp])[] = [
    ["lora", (t) => t.delete(`${Q}.lora_B.weight`), /layers\.0\.self_attn\.q_proj: lora_B is missing/],
    ["lora", (t) => t.delete(`${Q}.lora_A.weight`), /layers\.0\.self_attn\.q_proj: lora_A is missing/],
    ["dora", (t) => t.delete(keyOf(t, "lora_magnitude_vector")), /v_proj: lora_magnitude_vector is missing/],
    ["adalora", (t) => t.delete(keyOf(t, "lora_E")), /q_proj: lora_E is missing/],
    ["dora", (_, f) => void (f.use_dora = false), /lora_magnitude_vector is there, but .* says lora/],
    ["lora", (_, f) => void (f.r = 5), /A has 2 rows; adapter_config.json says rank 5/],
    ["patterns", (_, f) => void (f.rank_pattern = {}), /q_proj: A has 3 rows; .* rank 2/],
    ["lora", (t) => t.set(`${Q}.lora_B.weight`, filled([16, 3], 1)), /A has 2 rows and B 3 columns/],
    [
      "lora",
      (t) => t.set(`${Q}.lora_B.weight`, filled([16, 2], Number.NaN)),
      /q_proj\.lora_B\.weight holds 32 NaN, the first at \[0, 0\]/,
    ],
    [
      "lora",
      (t) => t.set(`${Q}.lora_A.weight`, filled([2, 16], Infinity)),
      /q_proj\.lora_A\.weight holds 32 ±∞/,
    ],
    [
      "lora",
      (t) => t.set(`${Q}.lora_A.weight`, { dtype: "I32", shape: [2, 16], bytes: new Uint8Array(128) }),
      /lora_A.weight is I32; expected floats/,
    ],
    [
      "lora",
      (_, f) => void (f.target_modules = ["q_proj"]),
      /down_proj: .*target_modules and exclude_modules do not mean it/,
    ],
    ["lora", (_, f) => void (f.exclude_modules = ["q_proj"]), /q_proj: .*do not mean it/],
    ["lora", (_, f) => void (f.peft_type = "IA3"), /expected peft_type LORA or ADALORA; got "IA3"/],
    ["lora", (_, f) => void (f.r = 0), /r: expected a positive integer; got 0/],
    ["lora", (_, f) => void (f.lora_alpha = "big"), /lora_alpha: expected a finite number; got "big"/],
    ["lora", (_, f) => void (f.layer_replication = [[0, 1]]), /layer_replication is not supported/],
    ["lora", (_, f) => void (f.target_modules = "(["), /target_modules: expected a regular expression/],
    ["lora", (t) => t.clear(), /no adapter of any layer/],
  ];
  for (const [from, change, problem] of cases) {
    const { ok, findings } = await verify(damaged(from, change));
    assert.not.ok(ok, String(problem));
    assert.ok(
      findings.some(({ level, message }) => level === "error" && problem.test(message)),
      `${problem}: ${JSON.stringify(findings)}`,
    );
  }
});

test("what is worth knowing is a note, and no error", async () => {
  const cases: readonly (readonly [string, (t: Tensors, f: Record<string, unknown>) => void, RegExp])[] = [
    [
      "lora",
      (t) => {
        for (const [key, { shape }] of t) if (key.includes("lora_B")) t.set(key, filled(shape, 0));
      },
      /B is 0 in every layer.* does nothing/,
    ],
    [
      "lora",
      (t) => t.set(`${Q}.lora_B.weight`, filled([16, 2], 0)),
      /ΔW is 0 in model\.layers\.0\.self_attn\.q_proj/,
    ],
    ["lora", (_, f) => void (f.lora_alpha = 0), /lora_alpha is 0/],
    ["lora", (_, f) => void (f.use_shiny = true), /use_shiny: unknown/],
    [
      "lora",
      (_, f) => void (f.target_modules = ["q_proj", "down_proj", "c_attn"]),
      /target_modules names c_attn/,
    ],
  ];
  for (const [from, change, problem] of cases) {
    const { ok, findings } = await verify(damaged(from, change), "--base", base);
    assert.ok(ok, JSON.stringify(findings));
    assert.is(
      findings.filter(({ message }) => problem.test(message)).length,
      1,
      `${problem}: ${JSON.stringify(findings)}`,
    );
  }
});

test("an adapter for another base is an error, whatever differs", async () => {
  const others = { wider: { width: 32 }, deeper: { layers: 3 }, gpt2: { type: "gpt2" } } as const;
  for (const [name, options] of Object.entries(others)) {
    const path = `${folder}/${name}`;
    tinyFolder(path, options);
    const { ok, findings } = await verify(`${folder}/lora`, "--base", path);
    assert.not.ok(ok, name);
    assert.match(findings[0].message, /q_proj/);
    assert.ok(
      findings.every(({ message }) => message.startsWith(folder)),
      JSON.stringify(findings),
    );
  }
});

test("each damage to a checkpoint is an error that names it", async () => {
  const files = ["model.safetensors", "config.json"] as const;
  const cases: readonly (readonly [(t: Tensors, f: Record<string, unknown>) => void, RegExp])[] = [
    [(t) => t.delete("model.norm.weight"), /missing: model\.norm\.weight/],
    [(t) => t.set("model.extra.weight", filled([2], 1)), /unexpected: model\.extra\.weight/],
    [(t) => t.set("model.norm.weight", filled([17], 1)), /misshapen: model\.norm\.weight/],
    [(t) => t.set("model.norm.weight", filled([16], Number.NaN)), /model\.norm\.weight holds 16 NaN/],
    [(_, f) => void (f.model_type = "gemma3"), /gemma3/],
    [(_, f) => void (f.hidden_size = "wide"), /hidden_size/],
    [(_, f) => void (f.some_new_field = 3), /some_new_field/],
    [
      (_, f) => void (f.eos_token_id = 5000),
      /config\.json: eos_token_id is 5000, but the model has 261 tokens/,
    ],
  ];
  for (const [change, problem] of cases) {
    const { ok, findings } = await verify(damaged("base", change, files));
    assert.not.ok(ok, String(problem));
    assert.ok(
      findings.some(({ level, message }) => level === "error" && problem.test(message)),
      `${problem}: ${JSON.stringify(findings)}`,
    );
  }
  const several = damaged(
    "base",
    (t) => {
      t.delete("model.norm.weight");
      t.set("x.weight", filled([2], 1));
    },
    files,
  );
  assert.is((await verify(several)).findings.length, 2);
});

test("the tokenizer belongs to the model, or is told to be absent", async () => {
  const path = `${folder}/tokens`;
  cpSync(base, path, { recursive: true });
  const json = JSON.parse(readFileSync(`${path}/tokenizer.json`, "utf8"));
  json.model.vocab.zzz = 700;
  writeFileSync(`${path}/tokenizer.json`, JSON.stringify(json));
  assert.match((await verify(path)).findings[0].message, /ids up to 700, the model 261 tokens/);
  writeFileSync(`${path}/tokenizer.json`, "{");
  assert.match((await verify(path)).findings[0].message, /tokenizer.json/);
  rmSync(`${path}/tokenizer.json`);
  const { ok, findings } = await verify(path);
  assert.ok(ok);
  assert.match(findings[0].message, /no tokenizer.json: train, generate and eval need one/);
});

test("a file: its structure and its numbers; a pickle by another name", async () => {
  const path = `${folder}/one.safetensors`;
  saveSafetensors(path, [["w", filled([2, 2], 1)]]);
  assert.ok((await verify(path)).ok);
  saveSafetensors(path, [["w", filled([2, 2], Number.NaN)]]);
  assert.match((await verify(path)).findings[0].message, /w holds 4 NaN/);
  assert.ok((await verify(path, "--headers")).ok);
  writeFileSync(path, "PK\x03\x04".padEnd(64, "."));
  assert.match((await verify(path)).findings[0].message, /zip archive, as torch.save writes/);
  cpSync(`${folder}/lora`, `${folder}/pickled`, { recursive: true });
  writeFileSync(
    `${folder}/pickled/adapter_model.safetensors`,
    Uint8Array.from({ length: 64 }, (_, i) => [0x80, 2][i] ?? 46),
  );
  assert.match((await verify(`${folder}/pickled`)).findings[0].message, /Python pickle/);
});

test("a quantized checkpoint is checked as --base loads it, and takes adapters", async () => {
  const path = `${folder}/quantized`;
  assert.is((await lowrank(["quantize", "--base", base, "--out", path, "--quiet"])).code, 0);
  assert.equal((await verify(path)).findings, []);
  assert.equal((await verify(`${folder}/lora`, "--base", path)).findings, []);
  const inspected = await lowrank(["inspect", path, "--json", "--quiet"]);
  assert.is(inspected.json().memory, null);
  assert.match(
    (await lowrank(["inspect", path])).stdout,
    /quantized weights: the numbers are those of stored values/,
  );
  const weights = `${path}/model.safetensors`;
  const tensors = new Map(loadSafetensors(weights).tensors);
  const lost = [...tensors.keys()].find((name) => name.endsWith(".absmax"))!;
  tensors.delete(lost);
  saveSafetensors(weights, tensors);
  assert.not.ok((await verify(path)).ok);
});

test("a path that is not there, or a base where none is asked for, is refused in one line", async () => {
  mkdirSync(`${folder}/empty`, { recursive: true });
  for (const [argv, problem] of [
    [[`${folder}/none`], /there is no file or folder/],
    [[base, "--base", base], /--base: expected with an adapter's folder/],
    [[`${folder}/lora`, "--base", `${folder}/none`], /--base: there is no folder/],
    [[], /path/],
  ] as const) {
    const { code, stdout, stderr } = await lowrank(["verify", ...argv]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, problem);
  }
  assert.match((await verify(`${folder}/empty`)).findings[0].message, /no config.json/);
});

const shared = "../shared/interop";
if (!exists(shared)) {
  console.log(`skipped: files of transformers and PEFT: ${shared} is not there`);
  test.skip("files of transformers and PEFT");
} else {
  test("what loads has no errors; what does not has the reason for which loading refuses it", async () => {
    for (const [adapter, of, ok] of [
      ["b-bias-all", "bert", true],
      ["g-save-both", "gpt2", true],
      ["l-resized", "llama", true],
      ["lowrank-llama-adalora", "llama", true],
      ["lt-save-both", "llamat", true],
      ["l-bin", "llama", false],
      ["l-resized", "gpt2", false],
    ] as const) {
      const document = await verify(`${shared}/adapters/${adapter}`, "--base", `${shared}/base/${of}`);
      assert.is(document.ok, ok, `${adapter} ${JSON.stringify(document.findings)}`);
    }
    assert.ok((await verify(`${shared}/checkpoints/llama-shards`)).ok);
    assert.not.ok((await verify(`${shared}/checkpoints/gpt2-bin`)).ok);
  });
}

test.run();
