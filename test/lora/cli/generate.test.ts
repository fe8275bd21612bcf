/** @file `lowrank generate`: greedy, sampled, streamed, stopped, in chats and batches, with adapters; and bad input. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { exists, makeTemporaryFolder, random, removeFile } from "lowrank/core";
import { inject, loadAdapter, saveAdapter } from "lowrank/lora";
import { generate, type Llama, loadPretrained, loadTokenizer, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { continuationOf } from "../../../lora/cli/use/continuation.ts";
import { chatml, tinyFolder } from "../../support/tiny-folder.ts";
import { randomize } from "../support/models.ts";
import { lowrank, type Situation } from "./run.ts";

const test = suite("generate");
const folder = makeTemporaryFolder("lowrank-generate-");
const base = `${folder}/base`;

test.before(() => {
  tinyFolder(base, { context: 96, chatTemplate: chatml });
  const model = loadPretrained(base);
  // Larger weights than those of a new model, so that adapters change the text.
  for (const [name, parameter] of model.namedParameters())
    if (parameter.shape.length === 2)
      parameter.assign(random(name.length).split(name).uniform(parameter.size, -1, 1));
  savePretrained(model, base);
  for (const [name, seed] of [
    ["a", 1],
    ["b", 2],
  ] as const) {
    const adapted = inject(loadPretrained(base), {
      method: "lora",
      rank: 2,
      target: ["q_proj", "down_proj"],
    });
    randomize(adapted, "default", seed);
    saveAdapter(adapted, `${folder}/${name}`);
  }
});
test.after(() => removeFile(folder));

interface Result {
  prompt: string;
  promptTokens: number;
  ids: number[];
  text: string;
  finish: string;
}
interface Document extends Result {
  results: Result[];
  tokensPerSecond: number;
  adapters: string[];
}

const run = async (words: readonly string[], situation?: Situation): Promise<Document> => {
  const ran = await lowrank(["generate", "--base", base, "--json", "--quiet", ...words], situation);
  assert.is(ran.code, 0, ran.stderr);
  return ran.json<never>() as Document;
};
const words = (text: string, n: number, ...more: string[]) => [
  "--prompt",
  text,
  "--max-tokens",
  String(n),
  ...more,
];

/** The ids that the library generates. */
function direct(text: string, maxNewTokens: number, adapters: readonly string[] = []): number[] {
  let model: unknown = loadPretrained(base);
  for (const name of adapters) model = loadAdapter(model as Llama, `${folder}/${name}`, { name });
  if (adapters.length > 0) (model as { activate(names: readonly string[]): void }).activate(adapters);
  const ids = [...loadTokenizer(base).encode(text)];
  return [...generate(model as Llama, [ids], { maxNewTokens }).data.slice(ids.length)];
}

test("greedy: the library's ids, the same at every run, the prompt before them on standard output", async () => {
  const document = await run(words("Grüße", 20, "--ignore-eos"));
  assert.equal(document.ids, direct("Grüße", 20));
  assert.equal(document.ids, (await run(words("Grüße", 20, "--ignore-eos"))).ids);
  assert.equal(document.results.length, 1);
  assert.equal([document.prompt, document.promptTokens, document.finish], ["Grüße", 8, "length"]);
  const { stdout, stderr } = await lowrank([
    "generate",
    "--base",
    base,
    ...words("Grüße", 20, "--ignore-eos"),
  ]);
  assert.is(stdout, `Grüße${document.text}\n`);
  assert.match(stderr, /^20 tokens in [\d.]+ s, [\d.]+ tokens\/s\n$/);
  const alone = await lowrank([
    "generate",
    "--base",
    base,
    "--quiet",
    ...words("Grüße", 20, "--ignore-eos", "--continuation"),
  ]);
  assert.equal([alone.stdout, alone.stderr], [`${document.text}\n`, ""]);
});

test("pieces are whole characters: joined they are what decode gives, also across tokens of single bytes", () => {
  const tokenizer = loadTokenizer(base);
  const text = "ä€😀 ok \u200d Ж";
  const ids = [...tokenizer.encode(text, { addSpecialTokens: false })];
  for (let cut = 0; cut <= ids.length; cut++) {
    const one = continuationOf([256, ...ids.slice(0, cut)], tokenizer, [], []);
    const pieces = ids.slice(cut).map((id) => one.push(id));
    pieces.push(one.end());
    assert.is(one.prompt + pieces.join(""), text);
    assert.is(one.text, pieces.join(""));
    assert.not.ok(pieces.some((piece) => piece.includes("\ufffd")));
  }
});

test("adapters act: alone, together, with weights; merged they give the same text", async () => {
  const on = (...adapters: string[]) => adapters.flatMap((name) => ["--adapter", `${folder}/${name}`]);
  const plain = (await run(words("abc", 16, "--ignore-eos"))).ids;
  const a = (await run(words("abc", 16, "--ignore-eos", ...on("a")))).ids;
  assert.equal(a, direct("abc", 16, ["a"]));
  assert.not.equal(a, plain);
  assert.equal(
    (await run(words("abc", 16, "--ignore-eos", ...on("a", "b")))).ids,
    direct("abc", 16, ["a", "b"]),
  );
  assert.equal(
    (await run(words("abc", 16, "--ignore-eos", ...on("a", "b"), "--merge"))).ids,
    direct("abc", 16, ["a", "b"]),
  );
  assert.equal((await run(words("abc", 16, "--ignore-eos", ...on("a=0", "b=0")))).ids, plain);
});

test("samples: the seed decides, and several continuations of one prompt differ", async () => {
  const sampled = (seed: number, ...more: string[]) =>
    run(words("abc", 12, "--ignore-eos", "--temperature", "2", "--seed", String(seed), ...more));
  const [one, again, other] = [await sampled(1), await sampled(1), await sampled(2)];
  assert.equal(one.ids, again.ids);
  assert.not.equal(one.ids, other.ids);
  const three = await sampled(1, "--samples", "3");
  assert.is(new Set(three.results.map(({ text }) => text)).size, 3);
  for (const narrow of [
    ["--top-k", "1"],
    ["--min-p", "1"],
    ["--top-p", "0.000001"],
    ["--temperature", "0"],
  ])
    assert.equal(
      (await run(words("abc", 12, "--ignore-eos", ...narrow))).ids,
      direct("abc", 12),
      narrow.join(" "),
    );
});

test("several prompts are continued as each of them alone", async () => {
  const prompts = ["a", "hello there", "é"];
  const together = await run([
    ...prompts.flatMap((text) => ["--prompt", text]),
    "--max-tokens",
    "10",
    "--ignore-eos",
  ]);
  for (const [i, text] of prompts.entries()) assert.equal(together.results[i].ids, direct(text, 10), text);
  assert.not.ok("text" in together);
  const { stdout } = await lowrank([
    "generate",
    "--base",
    base,
    "--prompt",
    "a",
    "--prompt",
    "b",
    "--max-tokens",
    "2",
  ]);
  assert.match(stdout, /^\[1\] a[\s\S]*\n\[2\] b/);
});

test("a stop string ends the text before it, wherever it begins in the tokens", async () => {
  const whole = await run(words("abc", 30, "--ignore-eos"));
  for (const [from, length] of [
    [0, 1],
    [2, 3],
    [7, 2],
  ] as const) {
    const stop = [...whole.text].slice(from, from + length).join("");
    const cut = await run(words("abc", 30, "--ignore-eos", "--stop", "never there", "--stop", stop));
    assert.is(cut.text, whole.text.slice(0, whole.text.indexOf(stop)), JSON.stringify(stop));
    assert.is(cut.finish, "stop");
    assert.ok(cut.ids.length < 30);
  }
});

test("the token that ends a text ends it, from generation_config.json, config.json or the tokenizer", async () => {
  const all = direct("abc", 30);
  const at = 5;
  const end = all.slice(0, at + 1).indexOf(all[at]); // the first place of that token
  const path = `${folder}/ends`;
  for (const where of ["generation_config.json", "config.json", "list"]) {
    rmSync(path, { recursive: true, force: true });
    cpSync(base, path, { recursive: true });
    const file = `${path}/${where === "config.json" ? "config.json" : "generation_config.json"}`;
    const fields = exists(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
    const eos_token_id = where === "list" ? [4, all[at]] : all[at];
    writeFileSync(file, JSON.stringify({ ...fields, eos_token_id }));
    const ran = await lowrank(["generate", "--base", path, "--json", ...words("abc", 30)]);
    const document = ran.json<never>() as Document;
    assert.equal(document.ids, all.slice(0, end + 1), where);
    assert.is(document.finish, "eos");
    const { ids } = (
      await lowrank(["generate", "--base", path, "--json", ...words("abc", 30, "--ignore-eos")])
    ).json<never>() as Document;
    assert.equal(ids, all);
  }
});

test("the context's end ends the text, and is told", async () => {
  const { ids, finish, promptTokens } = await run(words("abc", 500, "--ignore-eos"));
  assert.is(promptTokens + ids.length, 96);
  assert.is(finish, "context");
  const { stderr } = await lowrank(["generate", "--base", base, ...words("abc", 500, "--ignore-eos")]);
  assert.match(stderr, /ended at the model's context of 96 tokens/);
});

test("--prompt - is standard input, without its last line's end; an empty prompt begins with the first token", async () => {
  const expected = direct("line one\nline two", 8);
  assert.equal((await run(words("-", 8, "--ignore-eos"), { stdin: "line one\nline two\n" })).ids, expected);
  assert.equal((await run(words("", 8, "--ignore-eos"))).ids, direct("", 8));
});

test("--chat applies the template, with --system before it", async () => {
  const tokenizer = loadTokenizer(base);
  const model = loadPretrained(base) as Llama;
  for (const system of [undefined, "Be kind."]) {
    const messages = [
      ...(system ? [{ role: "system", content: system }] : []),
      { role: "user", content: "Hi" },
    ];
    const text = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    const ids = [...tokenizer.encode(text, { addSpecialTokens: false })];
    const room = Math.min(5, 96 - ids.length);
    const after = [...generate(model, [ids], { maxNewTokens: room }).data.slice(ids.length)];
    const chat = await run(
      words("Hi", room, "--ignore-eos", "--chat", ...(system ? ["--system", system] : [])),
    );
    assert.equal(chat.ids, after);
    assert.is(chat.promptTokens, ids.length);
  }
});

test("what is not used is told: a seed without sampling, what the model's makers suggest", async () => {
  const path = `${folder}/suggests`;
  tinyFolder(path);
  writeFileSync(
    `${path}/generation_config.json`,
    JSON.stringify({ do_sample: true, temperature: 0.6, top_p: 0.9 }),
  );
  const { stderr } = await lowrank(["generate", "--base", path, ...words("abc", 2, "--seed", "4")]);
  assert.match(stderr, /--seed changes nothing/);
  assert.match(stderr, /suggest --temperature 0.6 --top-p 0.9/);
});

test("rows of the table that the tokenizer has no token for decode to nothing", async () => {
  const path = `${folder}/padded`;
  cpSync(base, path, { recursive: true });
  const json = JSON.parse(readFileSync(`${path}/tokenizer.json`, "utf8"));
  const [lost] = direct("abc", 1);
  const letter = Object.keys(json.model.vocab).find((key) => json.model.vocab[key] === lost);
  if (letter === undefined || "abc".includes(letter)) return;
  delete json.model.vocab[letter];
  writeFileSync(`${path}/tokenizer.json`, JSON.stringify(json));
  const ran = await lowrank([
    "generate",
    "--base",
    path,
    "--json",
    ...words("abc", 3, "--ignore-eos", "--stop", "zzz"),
  ]);
  assert.is(ran.code, 0, ran.stderr);
  assert.is((ran.json<never>() as Document).ids[0], lost);
});

test("bad input is one line, exit code 1, and no text", async () => {
  mkdirSync(`${folder}/empty`, { recursive: true });
  const silent = `${folder}/silent`;
  tinyFolder(silent);
  rmSync(`${silent}/tokenizer.json`);
  const wrong = `${folder}/wrong`;
  tinyFolder(wrong);
  const json = JSON.parse(readFileSync(`${wrong}/tokenizer.json`, "utf8"));
  json.model.vocab = Object.fromEntries(
    Object.entries(json.model.vocab as Record<string, number>).map(([key, id]) => [
      key,
      id === 97 ? 9000 : id,
    ]),
  );
  writeFileSync(`${wrong}/tokenizer.json`, JSON.stringify(json));
  const prompt = ["--prompt", "abc"];
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["--base", `${folder}/none`, ...prompt], /--base/],
    [["--base", `${folder}/empty`, ...prompt], /empty/],
    [["--base", silent, ...prompt], /no tokenizer.json/],
    [["--base", wrong, ...prompt], /the tokenizer gives the id 9000 .* but the model has 261 tokens/],
    [["--base", base], /--prompt/],
    [
      ["--base", base, ...prompt, "--max-tokens", "0"],
      /--max-tokens: expected a whole number from 1; got "0"/,
    ],
    [
      ["--base", base, ...prompt, "--max-tokens", "-1"],
      /--max-tokens: expected a whole number from 1; got "-1"/,
    ],
    [
      ["--base", base, ...prompt, "--max-tokens", "abc"],
      /--max-tokens: expected a whole number from 1; got "abc"/,
    ],
    [["--base", base, ...prompt, "--max-tokens", "1.5"], /--max-tokens/],
    [
      ["--base", base, "--prompt", "x".repeat(100)],
      /--prompt: expected fewer tokens than the model's context of 96.*got 101/,
    ],
    [["--base", base, "--prompt", "x", "--prompt", "y".repeat(100)], /--prompt 2: expected fewer/],
    [["--base", base, "--prompt", "-", "--prompt", "-"], /--prompt: standard input/],
    [["--base", base, ...prompt, "--temperature", "-1"], /--temperature/],
    [["--base", base, ...prompt, "--top-p", "0"], /--top-p: expected a number above 0 up to 1/],
    [["--base", base, ...prompt, "--top-p", "1.1"], /--top-p/],
    [["--base", base, ...prompt, "--top-k", "0"], /--top-k/],
    [["--base", base, ...prompt, "--min-p", "2"], /--min-p/],
    [["--base", base, ...prompt, "--repetition-penalty", "0"], /--repetition-penalty/],
    [["--base", base, ...prompt, "--temperature", "0", "--top-k", "3"], /--temperature 0/],
    [["--base", base, ...prompt, "--samples", "2"], /--samples/],
    [["--base", base, ...prompt, "--seed", "x"], /--seed/],
    [["--base", base, ...prompt, "--stop", ""], /--stop/],
    [["--base", base, ...prompt, "--system", "s"], /--system: expected with --chat/],
    [["--base", base, ...prompt, "--merge"], /--merge: expected with --adapter/],
    [["--base", base, ...prompt, "--adapter", `${folder}/a`, "--merge", "--quantize", "nf4"], /--merge/],
    [["--base", silent.replace("silent", "suggests"), ...prompt, "--chat"], /chat/],
    [["--base", base, ...prompt, "--adapter", base], /adapter_config.json/],
    [["--base", base, ...prompt, "--adaptor", `${folder}/a`], /unknown option '--adaptor'/],
  ];
  for (const [argv, problem] of cases) {
    const { code, stdout, stderr } = await lowrank(["generate", ...argv]);
    assert.is(code, 1, argv.join(" "));
    assert.is(stdout, "", argv.join(" "));
    assert.match(stderr, problem);
    assert.not.match(stderr, /fault of lowrank|\bat .*\.ts:/, stderr);
  }
  const latin = await lowrank(["generate", "--base", base, "--prompt", "-"], {
    stdin: Uint8Array.of(0xff) as never,
  });
  assert.is(latin.code, 1);
});

const stories = "../shared/models/stories260K";
if (!exists(stories)) {
  console.log(`skipped: a published model: ${stories} is not there`);
  test.skip("a published model");
} else {
  test("a published model tells its story word for word", async () => {
    const { greedy_text, greedy_from_bos } = JSON.parse(readFileSync(`${stories}/expected.json`, "utf8"));
    const n = String(greedy_from_bos.length - 1);
    const { stdout } = await lowrank(["generate", "--base", stories, "--prompt", "", "--max-tokens", n]);
    assert.is(stdout, `${greedy_text}\n`);
    const [first, ...rest] = greedy_text.split(" ");
    const from = await lowrank([
      "generate",
      "--base",
      stories,
      "--prompt",
      `${first} ${rest[0]}`,
      "--max-tokens",
      "40",
    ]);
    assert.ok(greedy_text.startsWith(from.stdout.trimEnd()), from.stdout);
  });
}

test.run();
