/** @file `lowrank train`: what it writes is what it trained; files are whole or not there; mistakes are one sentence. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSafetensors, removeFile } from "lowrank/core";
import { loadAdapter } from "lowrank/lora";
import { evenWindows, type Llama, loadPretrained, loadTokenizer, nextTokenLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeRun } from "../../../../lora/cli/train/run/output/out.ts";
import { failingAt, quickFolder } from "../../../support/faults.ts";
import { tinyFolder } from "../../../support/tiny-folder.ts";
import { lowrank } from "../run.ts";

const train = suite("lowrank train");
const folder = quickFolder();
train.after(() => removeFile(folder));
const base = tinyFolder(join(folder, "base"), { context: 32 });
const at = (name: string): string => join(folder, name);
let runs = 0;
const fresh = (): string => at(`out${runs++}`);

const words = "the cat sat on the mat and the dog ran to the man who had the hat ";
const text = at("text.txt");
// Few enough windows for all of them to be in the losses before and after.
writeFileSync(text, words.repeat(3));

/** The report of a run that must succeed. */
interface Report {
  readonly out: string;
  readonly loss: { readonly of: string; readonly before: number; readonly after: number };
  readonly parameters: { readonly trainable: number };
  readonly steps: { readonly taken: number };
  readonly sample: { readonly prompt: string; readonly before: string; readonly after: string } | null;
  readonly validations: readonly { readonly step: number; readonly loss: number }[];
  readonly best: { readonly step: number; readonly loss: number } | null;
  readonly files: readonly string[];
}

const common = ["--base", base, "--text", text, "--length", "16", "--batch-size", "4", "--rank", "2"];
const quick = [...common, "--steps", "3", "--lr", "0.01", "--sample-tokens", "4"];

async function ran(argv: readonly string[], stdin?: string): Promise<Report> {
  const out = argv.includes("--out") ? [] : ["--out", fresh()];
  const { code, stderr, json } = await lowrank(["train", ...argv, ...out, "--json", "--quiet"], { stdin });
  assert.is(stderr, "");
  assert.is(code, 0);
  return json<Report>();
}

/** Expects a refusal in one sentence, with nothing written. */
async function refused(argv: readonly string[], expected: RegExp, stdin?: string): Promise<void> {
  const out = argv.includes("--out") ? null : fresh();
  const { code, stdout, stderr } = await lowrank(["train", ...argv, ...(out ? ["--out", out] : [])], {
    stdin,
  });
  const line = stderr.split("\n").filter((one) => one.startsWith("lowrank train: "));
  assert.is(code, 1, `${argv.join(" ")}: ${stderr}`);
  assert.is(stdout, "");
  assert.is(line.length, 1, stderr);
  assert.match(line[0], expected);
  assert.not.match(stderr, /\n {4}at |a fault of lowrank/);
  if (out) assert.not(existsSync(out), `${out} is there`);
}

const bytes = (out: string): string => readFileSync(join(out, "adapter_model.safetensors")).toString("hex");

/** The windows of the text, as a batch. */
function windows() {
  const tokens = loadTokenizer(base).encode(readFileSync(text, "utf8"));
  const size = Math.floor(tokens.length / 16);
  return evenWindows(tokens.subarray(0, size * 16), 16, size);
}

/** The mean loss of the windows that the report's loss is of, computed from the folders alone. */
const lossOf = (out: string, model = base): number =>
  nextTokenLoss(loadAdapter<Llama>(loadPretrained(model) as Llama, out), windows()).item();

const variants: Readonly<Record<string, readonly string[]>> = {
  lora: [],
  "lora with alpha, dropout, a pattern, and biases": [
    ...["--alpha", "8", "--dropout", "0.1", "--rank-pattern", "q_proj=4", "--alpha-pattern", "v_proj=2"],
    ...["--bias", "all"],
  ],
  "lora on two targets, without a block": [
    "--target",
    "q_proj,v_proj",
    "--exclude",
    "/.*1\\.self_attn\\.q_proj/",
  ],
  "lora on one block, with a saved module": ["--layers", "1", "--modules-to-save", "norm"],
  rslora: ["--method", "rslora", "--alpha", "3"],
  dora: ["--method", "dora"],
  "dora with the whole gradient": ["--method", "dora", "--norm-gradient", "--lora-plus-ratio", "4"],
  adalora: ["--method", "adalora", "--steps", "6", "--tinit", "1", "--tfinal", "2"],
  "adalora with a budget": ["--method", "adalora", "--budget", "9", "--init-rank", "3", "--delta-t", "2"],
  "lora-fa": ["--method", "lora-fa"],
  "lora-fa with corrected gradients": ["--method", "lora-fa", "--correct-gradient"],
  "lora+": ["--method", "lora+"],
  pissa: ["--init", "pissa"],
  olora: ["--init", "olora", "--method", "dora"],
  orthogonal: ["--init", "orthogonal"],
  sgd: ["--optimizer", "sgd", "--schedule", "constant", "--warmup", "1"],
  "8bit": ["--optimizer", "8bit", "--schedule", "cosine", "--weight-decay", "0.1"],
};
for (const [name, options] of Object.entries(variants)) {
  train(`${name}: the folder holds what was trained, and PEFT's fields`, async () => {
    const report = await ran([...quick, ...options]);
    assert.ok(report.loss.after < report.loss.before, `${report.loss.before} to ${report.loss.after}`);
    assert.ok(
      Math.abs(lossOf(report.out) - report.loss.after) < 2e-5,
      `${lossOf(report.out)}, ${report.loss.after}`,
    );
    const config = JSON.parse(readFileSync(join(report.out, "adapter_config.json"), "utf8"));
    assert.is(config.base_model_name_or_path, base);
    assert.is(config.task_type, "CAUSAL_LM");
    assert.is(config.use_dora, options.includes("dora"));
    assert.is(config.peft_type, options.includes("adalora") ? "ADALORA" : "LORA");
    assert.equal([...report.files].sort(), readdirSync(report.out).sort());
  });
}

train("AdaLoRA's schedule and budget stand in PEFT's fields", async () => {
  const { out } = await ran([
    ...quick,
    "--method",
    "adalora",
    "--steps",
    "9",
    "--tinit",
    "2",
    "--beta1",
    "0.5",
  ]);
  const config = JSON.parse(readFileSync(join(out, "adapter_config.json"), "utf8"));
  const { init_r, target_r, tinit, tfinal, total_step, beta1, orth_reg_weight } = config;
  assert.equal(
    { init_r, target_r, tinit, tfinal, total_step, beta1, orth_reg_weight },
    { init_r: 3, target_r: 2, tinit: 2, tfinal: 2, total_step: 9, beta1: 0.5, orth_reg_weight: 0.5 },
  );
});

train("the same seed gives the same bytes, another one others", async () => {
  const [one, again, other] = [await ran(quick), await ran(quick), await ran([...quick, "--seed", "1"])];
  assert.is(bytes(one.out), bytes(again.out));
  assert.is.not(bytes(one.out), bytes(other.out));
});

train(
  "what saves memory leaves the adapter alone: checkpointed blocks, pages, and almost so parts of a batch",
  async () => {
    const whole = await ran(quick);
    for (const options of [["--checkpoint-blocks"], ["--optimizer", "paged", "--paged-budget", "0.3"]])
      assert.is(bytes((await ran([...quick, ...options])).out), bytes(whole.out), options[0]);
    const parts = await ran([...quick, "--batch-size", "1", "--accumulate", "4"]);
    const tensorsOf = (out: string) => loadSafetensors(join(out, "adapter_model.safetensors")).tensors;
    for (const [name, tensor] of tensorsOf(whole.out)) {
      const other = tensorsOf(parts.out).get(name)?.floats() ?? [];
      tensor.floats().forEach((value, i) => {
        assert.ok(Math.abs(value - other[i]) < 1e-3, `${name}: ${value} and ${other[i]}`);
      });
    }
  },
);

train("a quantized base trains, also with PiSSA, whose residual is quantized", async () => {
  for (const options of [[], ["--init", "pissa"]]) {
    const { loss } = await ran([...quick, "--quantize", "nf4", ...options]);
    assert.ok(loss.after < loss.before);
  }
});

train("LoftQ writes the base that its adapter is for, and the two compute what was trained", async () => {
  for (const method of ["lora", "dora", "lora-fa"]) {
    const options = [...quick, "--quantize", "nf4", "--method", method, "--rank", "8"];
    const report = await ran([...options, "--init", "loftq"]);
    const own = join(report.out, "base");
    const config = JSON.parse(readFileSync(join(report.out, "adapter_config.json"), "utf8"));
    assert.is(config.base_model_name_or_path, own);
    assert.ok(
      Math.abs(lossOf(report.out, own) - report.loss.after) < 2e-5,
      `${lossOf(report.out, own)}, ${report.loss.after}`,
    );
    assert.is(loadTokenizer(own).vocabSize, loadTokenizer(base).vocabSize);
    const weight = (model: string) =>
      (loadPretrained(model) as Llama).model.layers[0].mlp.up_proj.denseWeight();
    assert.not.equal(weight(own).toArray(), weight(base).toArray());
  }
});

train("validation is held out and reported; it stops a run, and the best adapter is kept", async () => {
  const other = at("other.txt"); // what is learned from the text makes this less probable, step by step
  writeFileSync(other, "0123456789 QXZWVKJ ".repeat(4));
  const report = await ran([
    ...[...common, "--steps", "12", "--lr", "0.1", "--validation-text", other, "--evaluate-every", "1"],
    ...["--patience", "2", "--keep-best", "--sample-tokens", "0"],
  ]);
  assert.is(report.loss.of, "validation");
  const best = Math.min(...report.validations.map(({ loss }) => loss));
  assert.is(report.best?.loss, best);
  assert.ok(Math.abs(report.loss.after - best) < 1e-6, `${report.loss.after} is not the best, ${best}`);
  assert.ok(report.steps.taken < 12);
  assert.is(report.steps.taken, (report.best?.step ?? 0) + 2);
  assert.is((await ran([...quick, "--validation", "0.2"])).loss.of, "validation");
});

train("epochs are passes over the data", async () => {
  const tokens = loadTokenizer(base).encode(readFileSync(text, "utf8")).length;
  const { steps } = await ran([...common, "--epochs", "2"]);
  assert.is(steps.taken, Math.round((2 * Math.floor(tokens / 16)) / 4));
});

train(
  "standard input is a text, several files are one data set, and the sample continues the prompt",
  async () => {
    const { sample } = await ran(
      [...quick.map((word) => (word === text ? "-" : word)), "--prompt", "the dog", "--sample-tokens", "8"],
      words.repeat(5),
    );
    assert.is(sample?.prompt, "the dog");
    assert.type(sample?.after, "string");
    const twice = await ran([...quick, "--text", text, "--sample-tokens", "0"]);
    assert.is(twice.sample, null);
  },
);

train("the losses by step, the numbers, the card and the picture are in the folder", async () => {
  const { out } = await ran([...quick, "--validation", "0.2"]);
  const read = (name: string): string => readFileSync(join(out, name), "utf8");
  const lines = read("losses.jsonl")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(
    lines.filter(({ loss }) => loss !== undefined).map(({ step }) => step),
    [1, 2, 3],
  );
  assert.is(lines.filter(({ validation }) => validation !== undefined).length, 3);
  const report = JSON.parse(read("run.json"));
  assert.is(report.settings.rank, 2);
  assert.match(read("README.md"), /^---\nlibrary_name: peft\n[\s\S]*\| rank \| 2 \|/);
  assert.match(read("losses.svg"), /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[\s\S]*<\/svg>\n$/);
});

train("for people the summary is short, and says what was written", async () => {
  const out = fresh();
  const { code, stdout } = await lowrank(["train", ...quick, "--out", out]);
  assert.is(code, 0);
  for (const part of ["training loss", "perplexity", "trained", "tokens per second", "before:", "after:"])
    assert.ok(stdout.includes(part), `${part} is missing in\n${stdout}`);
  assert.ok(stdout.includes(join(out, "adapter_model.safetensors")));
});

train("mistakes in options are one sentence, and nothing is written", async () => {
  const cases: [string[], RegExp][] = [
    [["--rank", "0"], /--rank: expected a whole number from 1; got "0"/],
    [["--method", "loraa"], /--method: expected one of lora, .*got "loraa" \(nearest: lora\)/],
    [["--method", "full"], /--method: expected a method that trains an adapter/],
    [["--target", "q_porj"], /target: .*q_porj.*q_proj/],
    [["--target", "/(/"], /--target: Invalid regular expression/],
    [["--steps", "0"], /--steps: expected a whole number from 1/],
    [["--lr", "0"], /--lr: expected a number above 0/],
    [["--length", "33"], /--length: expected at most 32, the model's context; got 33/],
    [["--steps", "5", "--epochs", "1"], /--steps, --epochs: expected one of them; got both/],
    [["--data", text], /--text, --data: expected one of them/],
    [["--budget", "4"], /--budget: an option of adalora; the method is lora/],
    [["--norm-gradient"], /--norm-gradient: an option of dora; the method is lora/],
    [["--method", "adalora", "--init", "pissa"], /--init: an option of .*; the method is adalora/],
    [["--method", "adalora", "--budget", "999"], /target budget up to the initial one/],
    [["--method", "adalora", "--tinit", "2", "--tfinal", "1"], /warmup \+ final < totalSteps/],
    [
      ["--method", "adalora", "--target", "embed_tokens"],
      /model\.embed_tokens is an embedding, on which PEFT has no/,
    ],
    [["--method", "adalora", "--rank-pattern", "q_proj=5"], /PEFT's AdaLoRA has one rank/],
    [["--out", "/proc/x"], /cannot make the folder \/proc\/x/],
    [["--keep-best"], /--keep-best: needs something to validate on/],
    [["--rank-pattern", "q_proj"], /--rank-pattern: expected name=number/],
    [["--rank-pattern", "q_porj=2"], /rankPattern.*q_porj/],
    [["--init", "loftq"], /--init loftq: .*--quantize nf4/],
    [["--warmup", "9"], /--warmup: expected at most the steps, 3; got 9/],
    [["--paged-budget", "9"], /--paged-budget: for --optimizer paged/],
    [["--loss-on", "all"], /--loss-on: for --data/],
    [["--layers", "7"], /layers: expected numbers of blocks of this model \(0 to 1\)/],
    [["--validation", "1"], /--validation: expected a number above 0 up to 0.9/],
    [["--device", "abacus"], /abacus/],
    [["--resume"], /--resume: there is no run to continue/],
    [["--validation-data", text], /--validation-data: for runs on --data/],
  ];
  for (const [options, expected] of cases)
    await refused(
      [...quick.filter((word) => !(options[0] === "--epochs" && word === "--steps")), ...options],
      expected,
    );
  await refused(["--text", text], /--base: expected the folder of the base model/);
  await refused(["--base", base], /--text or --data: expected a file/);
  await refused(["--base", at("none"), "--text", text], /--base: there is no folder/);
  await refused(["--base", "org/name", "--text", text], /lowrank download org\/name/);
});

train("texts that cannot be learned from are refused by name", async () => {
  const file = at("bad.txt");
  const withText = (content: string | Uint8Array): string[] => {
    writeFileSync(file, content);
    return quick.map((word) => (word === text ? file : word));
  };
  await refused(withText(""), /bad\.txt is empty/);
  await refused(withText(" \n\t"), /bad\.txt is empty/);
  await refused(withText("\ufeff"), /bad\.txt is empty/);
  await refused(withText(Uint8Array.of(104, 255, 254)), /bad\.txt: not UTF-8/);
  await refused(
    withText("short"),
    /bad\.txt: 6 tokens, and a window has 16: expected more text, or a smaller --length/,
  );
  await refused(
    [...withText("a text of some length, but not of two windows"), "--validation", "0.9"],
    /--validation 0.9 of .*a window has 16/,
  );
  removeFile(file);
  await refused(
    quick.map((word) => (word === text ? file : word)),
    /there is no file/,
  );
  mkdirSync(file);
  await refused(
    quick.map((word) => (word === text ? file : word)),
    /is a folder; expected a file/,
  );
  await refused(
    quick.map((word) => (word === text ? "-" : word)),
    /standard input is empty/,
    "",
  );
});

train("an encoder is refused, and a tokenizer of another model", async () => {
  const strange = tinyFolder(at("strange"), { context: 32 });
  const json = JSON.parse(readFileSync(join(strange, "tokenizer.json"), "utf8"));
  json.added_tokens[0].id = 400;
  json.post_processor.special_tokens["<s>"].ids = [400];
  writeFileSync(join(strange, "tokenizer.json"), JSON.stringify(json));
  await refused(
    quick.map((word) => (word === base ? strange : word)),
    /the tokenizer gives the token 400, and the model knows 261/,
  );
});

train(
  "a folder that is not empty is left alone unless --overwrite says otherwise, a model's folder always",
  async () => {
    const out = fresh();
    mkdirSync(out);
    writeFileSync(join(out, "notes.txt"), "mine");
    await refused(
      [...quick, "--out", out],
      /is not empty \(notes\.txt\); expected another folder, or --overwrite/,
    );
    assert.equal(readdirSync(out), ["notes.txt"]);
    await ran([...quick, "--out", out, "--overwrite"]);
    assert.is(readFileSync(join(out, "notes.txt"), "utf8"), "mine");
    const before = readdirSync(base).map((name) => readFileSync(join(base, name)).toString("hex"));
    await refused([...quick, "--out", base, "--overwrite"], /is the folder of a model/);
    assert.equal(
      readdirSync(base).map((name) => readFileSync(join(base, name)).toString("hex")),
      before,
    );
    await refused(
      [...quick, "--out", `${join(base, "none")}/../`, "--overwrite"],
      /is the folder of a model/,
    );
    assert.equal(
      readdirSync(base).map((name) => readFileSync(join(base, name)).toString("hex")),
      before,
    );
    await refused([...quick, "--out", text], /is a file; expected a folder/);
  },
);

train(
  "a disk that refuses leaves nothing behind, and the files of an earlier run whole, whichever write it is",
  () => {
    const files = (letter: string) =>
      new Map([
        ["adapter_config.json", letter],
        ["README.md", letter.repeat(9)],
      ]);
    const contents = (out: string): string[] =>
      [...files("").keys()].map((name) => readFileSync(join(out, name), "utf8"));
    let refusals = 0;
    for (let k = 0; ; k++) {
      const out = fresh();
      const old = fresh();
      writeRun(old, files("a"));
      const attempt = (folder: string): boolean => {
        try {
          return failingAt(k, "ENOSPC", () => writeRun(folder, files("b")));
        } catch (error) {
          assert.match((error as Error).message, /cannot .*ENOSPC/);
          refusals++;
          return true;
        }
      };
      const isFailing = attempt(out);
      assert.ok(
        !existsSync(out) || contents(out).join() === "b,bbbbbbbbb",
        `a half at ${k}: ${existsSync(out) && contents(out)}`,
      );
      attempt(old);
      assert.ok(
        ["a,aaaaaaaaa", "b,bbbbbbbbb"].includes(contents(old).join()),
        `a mixture at ${k}: ${contents(old)}`,
      );
      if (!isFailing) break;
    }
    assert.ok(refusals > 10);
  },
);

train.run();
