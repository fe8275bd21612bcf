/** @file `lowrank eval`: perplexity of base and adapters, and everything that can be wrong with what it is given. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { exists, makeTemporaryFolder, removeFile } from "lowrank/core";
import { inject, saveAdapter } from "lowrank/lora";
import { type Llama, loadPretrained, loadTokenizer, textLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyFolder } from "../../support/tiny-folder.ts";
import { randomize } from "../support/models.ts";
import { lowrank } from "./run.ts";

const test = suite("eval");
const folder = makeTemporaryFolder("lowrank-eval-");
const base = `${folder}/base`;
const text = `${folder}/text.txt`;
const words = "It was the best of times, it was the wörst of times — it was the age of wisdom. ".repeat(3);

test.before(() => {
  tinyFolder(base, { context: 32 });
  writeFileSync(text, words);
  for (const [name, seed] of [
    ["a", 1],
    ["b", 2],
  ] as const) {
    const adapted = inject(loadPretrained(base), {
      method: "lora",
      rank: 2,
      target: ["q_proj", "down_proj"],
    });
    randomize(adapted as never, "default", seed);
    saveAdapter(adapted, `${folder}/${name}`);
  }
});
test.after(() => removeFile(folder));

interface Scores {
  loss: number;
  perplexity: number;
  bitsPerByte: number;
  standardError: number;
}
interface Document {
  tokens: number;
  bytes: number;
  length: number;
  stride: number;
  base: Scores;
  adapter: Scores | null;
  difference: { loss: number; standardError: number } | null;
}

test("the numbers are those of textLoss, and bits per byte count the bytes of the text", async () => {
  const ran = await lowrank(["eval", "--base", base, "--text", text, "--stride", "5", "--json"]);
  assert.is(ran.code, 0, ran.stderr);
  const document = ran.json<never>() as Document;
  const ids = loadTokenizer(base).encode(words);
  const direct = textLoss(loadPretrained(base) as Llama, ids, { stride: 5 });
  assert.is(document.tokens, ids.length - 1);
  assert.is(document.bytes, Buffer.byteLength(words));
  assert.ok(Math.abs(document.base.loss - direct.loss) < 1e-9);
  assert.is(document.base.perplexity, Math.exp(document.base.loss));
  assert.ok(
    Math.abs(document.base.bitsPerByte * Math.LN2 * document.bytes - direct.loss * document.tokens) < 1e-6,
  );
  assert.equal([document.length, document.stride, document.adapter], [32, 5, null]);
});

test("adapters stand beside the base, with the difference token by token; weight 0 changes nothing", async () => {
  const run = async (...adapters: string[]) =>
    (
      await lowrank([
        "eval",
        "--base",
        base,
        "--text",
        text,
        "--json",
        ...adapters.flatMap((a) => ["--adapter", `${folder}/${a}`]),
      ])
    ).json<never>() as Document;
  const [none, a, b, both, off] = [
    await run(),
    await run("a"),
    await run("b"),
    await run("a", "b=-0.5"),
    await run("a=0", "b=0"),
  ];
  for (const { base: of } of [a, b, both, off]) assert.is(of.loss, none.base.loss);
  assert.ok(
    a.adapter!.loss !== none.base.loss &&
      b.adapter!.loss !== a.adapter!.loss &&
      both.adapter!.loss !== a.adapter!.loss,
  );
  for (const one of [a, b, both]) {
    assert.ok(Math.abs(one.difference!.loss - (one.adapter!.loss - one.base.loss)) < 1e-9);
    assert.ok(one.difference!.standardError > 0);
  }
  assert.ok(Math.abs(off.difference!.loss) < 1e-6);
  const { stdout } = await lowrank(["eval", "--base", base, "--text", text, "--adapter", `${folder}/a`]);
  assert.match(stdout, /^base .*\n.*with .*\/a/m);
  assert.match(stdout, /the adapter changes the loss by [+−]\d/);
});

test("a base in NF4 has another loss than the dense one", async () => {
  const run = async (...more: string[]) =>
    (await lowrank(["eval", "--base", base, "--text", text, "--json", ...more])).json<never>() as Document;
  const [dense, quantized] = [await run(), await run("--quantize", "nf4", "--adapter", `${folder}/a`)];
  assert.ok(dense.base.loss !== quantized.base.loss && Math.abs(dense.base.loss - quantized.base.loss) < 1);
  assert.ok(quantized.adapter!.loss !== quantized.base.loss);
});

/** Makes a folder like the base's, changed by `change`. */
function changed(name: string, change: (path: string) => void): string {
  const path = `${folder}/${name}`;
  tinyFolder(path, { context: 32 });
  change(path);
  return path;
}

test("bad input is one line that names the option, and exit code 1", async () => {
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(`${folder}/${name}`, content);
    return `${folder}/${name}`;
  };
  mkdirSync(`${folder}/empty`, { recursive: true });
  const encoder = changed("encoder", (path) => {
    const config = { model_type: "gemma2", vocab_size: 10 };
    writeFileSync(`${path}/config.json`, JSON.stringify(config));
  });
  const silent = changed("silent", (path) => rmSync(`${path}/tokenizer.json`));
  const pickle = changed("pickle", (path) =>
    writeFileSync(`${path}/model.safetensors`, "PK\x03\x04".padEnd(64, ".")),
  );
  const wider = `${folder}/wider`;
  tinyFolder(wider, { context: 32, width: 32 });
  const gpt2 = `${folder}/gpt2`;
  tinyFolder(gpt2, { context: 32, type: "gpt2" });
  const adapter = ["--adapter", `${folder}/a`];
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["--base", `${folder}/none`, "--text", text], /--base: there is no folder .*none/],
    [["--base", "some/model", "--text", text], /lowrank download some\/model/],
    [["--base", `${folder}/empty`, "--text", text], /empty/],
    [["--base", `${folder}/a`, "--text", text], /config.json|adapter/],
    [["--base", text, "--text", text], /text.txt/],
    [["--base", encoder, "--text", text], /gemma2/],
    [["--base", silent, "--text", text], /tokenizer/],
    [["--base", pickle, "--text", text], /zip archive, as torch.save writes/],
    [["--base", base], /--text/],
    [["--text", text], /--base/],
    [["--base", base, "--text", `${folder}/none.txt`], /--text: there is no file/],
    [["--base", base, "--text", folder], /cannot read/],
    [["--base", base, "--text", write("empty.txt", "")], /at least 2 tokens.*has 1/],
    [
      ["--base", base, "--text", write("latin1.txt", Uint8Array.of(0x47, 0xfc, 0xdf, 0x65))],
      /latin1.txt: not UTF-8/,
    ],
    [["--base", base, "--text", text, "--adapter", `${folder}/none`], /--adapter: there is no folder/],
    [["--base", base, "--text", text, "--adapter", base], /adapter_config.json/],
    [["--base", base, "--text", text, "--adapter", `${folder}/a=x`], /finite number/],
    [["--base", wider, "--text", text, ...adapter], /q_proj|not an adapter for this model/],
    [["--base", gpt2, "--text", text, ...adapter], /target_modules/],
    [["--base", base, "--text", text, "--length", "33"], /--length: expected at most 32 tokens/],
    [["--base", base, "--text", text, "--length", "1"], /--length: expected a whole number from 2/],
    [["--base", base, "--text", text, "--stride", "32"], /--stride: expected less than/],
    [["--base", base, "--text", text, "--stride", "0"], /--stride/],
    [["--base", base, "--text", text, "--batch", "abc"], /--batch: expected a whole number/],
    [["--base", base, "--text", text, "--quantize", "nf5"], /--quantize: expected one of nf4, fp4, int4/],
    [["--base", base, "--text", text, "--device", "warp"], /warp/],
  ];
  const before = readFileSync(`${base}/model.safetensors`);
  for (const [words, problem] of cases) {
    const { code, stdout, stderr } = await lowrank(["eval", ...words]);
    assert.is(code, 1, words.join(" "));
    assert.is(stdout, "", words.join(" "));
    assert.match(stderr, problem);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
    assert.not.match(stderr, /fault of lowrank|\bat .*\.ts:/, stderr);
  }
  assert.equal(readFileSync(`${base}/model.safetensors`), before);
});

test("no line is wider than the terminal", async () => {
  for (const terminal of [60, 80, 120]) {
    const { stdout } = await lowrank(["eval", "--base", base, "--text", text, "--adapter", `${folder}/a`], {
      terminal,
      env: { NO_COLOR: "1" },
    });
    for (const line of stdout.split("\n\n")[0].split("\n")) assert.ok(line.length <= terminal, line);
  }
});

const stories = "../shared/models/stories260K";
if (!exists(stories)) {
  console.log(`skipped: a published model: ${stories} is not there`);
  test.skip("a published model");
} else {
  test("a published model has the loss that its publisher's tokens have", async () => {
    const expected = JSON.parse(readFileSync(`${stories}/expected.json`, "utf8"));
    writeFileSync(text, expected.prompt);
    const ran = await lowrank(["eval", "--base", stories, "--text", text, "--json"]);
    const document = ran.json<never>() as Document;
    assert.ok(Math.abs(document.base.loss - expected.loss_of_prompt) < 1e-5, `${document.base.loss}`);
    assert.is(document.tokens, expected.prompt_ids.length - 1);
  });
}

test.run();
