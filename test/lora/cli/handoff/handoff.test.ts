/**
 * @file `lowrank handoff`: what the folder holds is the run, its data in order and its first loss; the script is Python, and
 * where PyTorch, transformers and PEFT are installed it is run: the first loss is ours, and the adapter comes back.
 *
 * LOWRANK_PYTHON names the Python to use. @default python3
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadAdapter } from "lowrank/lora";
import { evaluated, type Llama, loadPretrained, nextTokenLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { trainScript } from "../../../../lora/cli/train/handoff/script.ts";
import { order } from "../../../../lora/cli/train/run/batches.ts";
import { runSettings } from "../../../../lora/cli/train/run/settings.ts";
import { prepareRun } from "../../../../lora/cli/train/run/training.ts";
import { tinyFolder } from "../../../support/tiny-folder.ts";
import { lowrank } from "../run.ts";

const test = suite("handoff");
const folder = mkdtempSync(join(tmpdir(), "lowrank-handoff-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => join(folder, ...names);
tinyFolder(at("base"));
writeFileSync(at("notes.txt"), "A low rank is enough for what is known already. ".repeat(12));
writeFileSync(
  at("examples.jsonl"),
  ["blue", "red and yellow", "green"]
    .map((word) => `${JSON.stringify({ prompt: "The colour is ", completion: word })}\n`)
    .join(""),
);
const python = process.env.LOWRANK_PYTHON ?? "python3";

const onText = ["--text", at("notes.txt"), "--length", "16"];
let runs = 0;
/** Trains with further options, and returns the folder of the run. */
async function trained(...argv: string[]): Promise<string> {
  const out = at(`run${runs++}`);
  const ran = await lowrank([
    "train",
    "--base",
    at("base"),
    ...argv,
    "--rank",
    "2",
    "--steps",
    "2",
    "--batch-size",
    "2",
    "--lr",
    "0.05",
    "--sample-tokens",
    "0",
    "--out",
    out,
  ]);
  assert.is(ran.code, 0, ran.stderr);
  return out;
}
const read = (...names: string[]): string => readFileSync(at(...names), "utf8");
const lines = (...names: string[]): { input_ids: number[]; labels?: number[] }[] =>
  read(...names)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the folder holds the adapter, the data in the run's order, and the loss of its first step", async () => {
  const run = await trained(
    ...onText,
    "--method",
    "dora",
    "--seed",
    "3",
    "--validation",
    "0.2",
    "--accumulate",
    "2",
    "--dropout",
    "0.1",
  );
  const ran = await lowrank(["handoff", run, at("out")]);
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(readdirSync(at("out")).sort(), [
    "README.md",
    "adapter",
    "data.jsonl",
    "fsdp.yaml",
    "requirements.txt",
    "run.json",
    "train.py",
    "validation.jsonl",
  ]);
  for (const name of ["adapter_config.json", "adapter_model.safetensors"])
    assert.ok(readFileSync(at("out", "adapter", name)).equals(readFileSync(join(run, name))), name);

  const settings = runSettings(JSON.parse(readFileSync(join(run, "run.json"), "utf8")).settings);
  const { data } = await prepareRun(settings, process.stdin);
  const batches = order(data.train, settings);
  const written = lines("out", "data.jsonl");
  assert.is(written.length, data.train.size);
  const first = [...batches(0, 0), ...batches(0, 1), ...batches(1, 0)];
  assert.equal(
    written.slice(0, 6).map(({ input_ids }) => input_ids),
    first.map(({ ids }) => [...ids]),
  );
  assert.is(lines("out", "validation.jsonl").length, data.validation?.size);

  const fields = JSON.parse(read("out", "run.json"));
  assert.equal(fields.first_step, [0, 1, 2, 3]);
  const adapted = loadAdapter(loadPretrained(at("base")) as Llama, run);
  const losses = first
    .slice(0, 4)
    .map(({ ids }) => evaluated(adapted, () => nextTokenLoss(adapted, [[...ids]]).item()));
  const mean = losses.reduce((a, b) => a + b) / 4;
  assert.ok(Math.abs(fields.first_loss - mean) <= 1e-5 * mean, `${fields.first_loss} ${mean}`);
  const { max_steps, gradient_accumulation_steps, learning_rate, seed, lr_scheduler_type } = fields.arguments;
  assert.equal(
    [max_steps, gradient_accumulation_steps, learning_rate, seed, lr_scheduler_type],
    [2, 2, 0.05, 3, "linear"],
  );
  assert.is(fields.base, resolve(at("base")));
  assert.match(read("out", "README.md"), /An adapter \(dora\) for .*base, with its data/);
  assert.is(statSync(at("out")).mode & 0o777, 0o777 & ~process.umask());
});

test("examples keep which tokens count, and options that are given replace the run's", async () => {
  const run = await trained("--data", at("examples.jsonl"));
  const ran = await lowrank([
    "handoff",
    run,
    at("examples"),
    "--steps",
    "7",
    "--batch-size",
    "8",
    "--schedule",
    "constant",
    "--json",
  ]);
  assert.is(ran.code, 0, ran.stderr);
  const written = lines("examples", "data.jsonl");
  assert.is(written.length, 3);
  for (const { input_ids, labels } of written) {
    assert.is(labels?.length, input_ids.length);
    assert.equal(labels?.filter((label) => label === -100).length, 1 + "The colour is ".length); // <s> and the prompt
    assert.ok(labels?.every((label, i) => label === -100 || label === input_ids[i]));
  }
  const fields = JSON.parse(read("examples", "run.json"));
  assert.is(fields.batch_size, 8);
  assert.equal(fields.first_step, [0, 1, 2]); // there are no more
  assert.is(fields.arguments.max_steps, 7);
  assert.is(fields.arguments.lr_scheduler_type, "constant_with_warmup");
  assert.is(ran.json<{ loss: number }>().loss, fields.first_loss);
});

test("an adapter alone is handed over with the base and the data that are named", async () => {
  const run = await trained(...onText);
  rmSync(join(run, "run.json"));
  const none = await lowrank(["handoff", run, at("alone")]);
  assert.is(none.code, 1);
  assert.match(none.stderr, /--text or --data: expected a file to train on/);
  const ran = await lowrank([
    "handoff",
    run,
    at("alone"),
    "--base",
    at("base"),
    ...onText,
    "--batch-size",
    "4",
  ]);
  assert.is(ran.code, 0, ran.stderr);
  assert.ok(existsSync(at("alone", "train.py")));
});

test("what a method trains in a way of its own is in the script", async () => {
  const plus = await trained(...onText, "--method", "lora+");
  assert.is((await lowrank(["handoff", plus, at("plus")])).code, 0);
  assert.match(read("plus", "train.py"), /create_loraplus_optimizer/);
  assert.equal(JSON.parse(read("plus", "run.json")).lora_plus, {
    lr: 0.05,
    loraplus_lr_ratio: 16,
    loraplus_weight_decay: 0,
    loraplus_lr_embedding: 1e-6,
  });
  const fa = await trained(...onText, "--method", "lora-fa", "--optimizer", "sgd");
  assert.is((await lowrank(["handoff", fa, at("fa")])).code, 0);
  assert.match(read("fa", "train.py"), /requires_grad &= "lora_A" not in name/);
  assert.match(read("fa", "train.py"), /torch\.optim\.SGD/);
  const q = await trained(...onText, "--quantize", "nf4", "--optimizer", "paged");
  const ran = await lowrank(["handoff", q, at("quantized"), "--json"]);
  assert.equal(ran.json<{ notes: string[] }>().notes.length, 2);
  assert.match(
    ran.stderr,
    /The base was held in nf4; there it is dense, and the loss is that of the dense base/,
  );
});

test("what cannot be handed over is refused in a sentence, and nothing is written", async () => {
  const run = await trained(...onText);
  const adalora = await trained(...onText, "--method", "adalora", "--tinit", "0", "--tfinal", "0");
  const refused = async (argv: string[], message: RegExp): Promise<void> => {
    const ran = await lowrank(["handoff", ...argv]);
    assert.is(ran.code, 1, argv.join(" "));
    assert.match(ran.stderr, message);
    assert.is(ran.stderr.trimEnd().split("\n").length, 1, ran.stderr);
  };
  await refused([at("base"), at("no")], /there is no adapter_config\.json in it/);
  await refused([at("none"), at("no")], /expected the folder of a run or of an adapter/);
  await refused([adalora, at("no")], /an AdaLoRA adapter: .*lowrank convert/);
  await refused([run, at("out")], /<folder>: expected a new or empty folder, or --overwrite/);
  await refused([run, run, "--overwrite"], /expected another folder than that of the adapter or the base/);
  await refused([run, at("notes.txt")], /<folder>: expected a folder; .*notes\.txt is a file/);
  await refused([run, at("no"), "--base", "no/such"], /--base: there is no folder no\/such/);
  await refused(
    [run, at("no"), "--text", at("none.txt")],
    /its data, .*none\.txt, are not there: name them by --text or --data/,
  );
  await refused([run, at("no"), "--length", "100000"], /--length: expected at most 64/);
  await refused([run, at("notes.txt", "x")], /cannot make the folder/);
  const other = at("other");
  tinyFolder(other, { width: 24 });
  await refused([run, at("no"), "--base", other], /adapter_model\.safetensors/);
  assert.not(existsSync(at("no")));
});

const runsPython = (program: string): boolean => spawnSync(python, ["-c", program]).status === 0;

if (!runsPython("import sys; assert sys.version_info >= (3, 9)")) {
  console.log("skipped: the script of a handoff is Python: there is no python3");
  test.skip("the script of a handoff is Python");
} else
  test("the script of a handoff is Python, for each kind of run", () => {
    for (const isLoraPlus of [false, true])
      for (const freezesA of [false, true])
        for (const isSgd of [false, true]) {
          const ran = spawnSync(python, ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], {
            input: trainScript({ isLoraPlus, freezesA, isSgd }),
            encoding: "utf8",
          });
          assert.is(ran.status, 0, ran.stderr);
        }
  });

if (!runsPython("import torch, transformers, peft, accelerate")) {
  console.log(
    "skipped: a handoff in PEFT: torch, transformers, peft and accelerate are not installed (LOWRANK_PYTHON names a Python that has them)",
  );
  test.skip("a run continues in PEFT with the same first loss, and its adapter comes back");
} else
  for (const [name, argv] of [
    ["dora", [...onText, "--method", "dora", "--validation", "0.2", "--accumulate", "2"]],
    ["lora+", [...onText, "--method", "lora+"]],
    ["lora-fa", [...onText, "--method", "lora-fa", "--optimizer", "sgd"]],
    ["examples", ["--data", at("examples.jsonl"), "--dropout", "0.2"]],
  ] as const)
    test(`a run continues in PEFT with the same first loss, and its adapter comes back: ${name}`, async () => {
      const run = await trained(...argv);
      const out = at(`peft-${name}`);
      assert.is((await lowrank(["handoff", run, out])).code, 0);
      const start = (): ReturnType<typeof spawnSync> =>
        spawnSync(python, ["train.py"], {
          cwd: out,
          encoding: "utf8",
          env: { ...process.env, CUDA_VISIBLE_DEVICES: "", HF_HUB_OFFLINE: "1" },
        });
      const ran = start();
      assert.is(ran.status, 0, String(ran.stderr));
      assert.match(String(ran.stdout), /first step's loss: \d\.\d+ here, \d\.\d+ in lowrank/);
      const back = await lowrank([
        "eval",
        "--base",
        at("base"),
        "--adapter",
        join(out, "out"),
        "--text",
        at("notes.txt"),
        "--json",
      ]);
      assert.is(back.code, 0, back.stderr);
      const fields = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
      writeFileSync(
        join(out, "run.json"),
        JSON.stringify({ ...fields, first_loss: fields.first_loss * 1.001 }),
      );
      const wrong = start();
      assert.not.equal(wrong.status, 0);
      assert.match(String(wrong.stderr), /the losses differ: is the base the same model/);
    });

test.run();
